/* SPDX-License-Identifier: ISC */
/* The configuration reader: every error has its line and says what would be
 * right, and what is printed reads back as the same. */
#include "lib/conf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct box {
	char name[80];
	uint64_t size;
	char *suffix;
	struct conf_list clients;
	char *folder;
};

struct target {
	char *host, *motto, *root;
	uint64_t workers, bytes, idle, any;
	int level;
	struct conf_list listen;
	struct box boxes[3];
	size_t box_count;
};

static const char *
check_host(const char *value)
{
	return value[0] == 'h' ? NULL : "a name that begins with h";
}

static const char *
check_box(const char *name)
{
	return strlen(name) <= 64 ? NULL : "up to 64 bytes";
}

static const char *const levels[] = {"error", "info", "debug", NULL};

#define AT(member) offsetof(struct target, member)
#define BOX_AT(member) offsetof(struct box, member)

static const struct conf_key keys[] = {
    {"receiver", "host", CONF_TEXT, AT(host), NULL, 0, 0, 0, NULL, check_host, NULL, 1, 0},
    {"receiver", "motto", CONF_TEXT, AT(motto), "", 0, 0, 0, NULL, NULL, NULL, 0, 0},
    {"receiver", "root", CONF_PATH, AT(root), NULL, 1, 0, 0, NULL, NULL, NULL, 1, 0},
    {"receiver", "listen", CONF_LIST, AT(listen), "hall:1 hub:2", 0, 0, 0, NULL,
        check_host, NULL, 1, 0},
    {"limits", "workers", CONF_NUMBER, AT(workers), "4", 0, 1, 64, NULL, NULL, NULL, 1, 0},
    {"limits", "any", CONF_NUMBER, AT(any), "0", 0, 0, 0, NULL, NULL, NULL, 0, 0},
    {"limits", "bytes", CONF_SIZE, AT(bytes), "64M", 0, 1024, UINT64_C(1) << 40, NULL, NULL,
        NULL, 0, 0},
    {"limits", "idle", CONF_SECONDS, AT(idle), "5m", 0, 1, 86400, NULL, NULL, NULL, 0, 0},
    {"log", "level", CONF_CHOICE, AT(level), "info", 0, 0, 0, levels, NULL, NULL, 0, 0},
    {"box", "size", CONF_SIZE, BOX_AT(size), "0", 0, 0, 0, NULL, NULL, NULL, 0, 0},
    {"box", "suffix", CONF_TEXT, BOX_AT(suffix), ".msg", 0, 0, 0, NULL, NULL, NULL, 1, 0},
    {"box", "clients", CONF_LIST, BOX_AT(clients), NULL, 0, 0, 0, NULL, NULL, NULL, 0, 0},
    {"box", "folder", CONF_PATH, BOX_AT(folder), NULL, 1, 0, 0, NULL, NULL, NULL, 0, 0},
    {0},
};

static void *
add_box(void *target, const char *name)
{
	struct target *t = target;
	struct box *box = &t->boxes[t->box_count];

	if (t->box_count == 3)
		return NULL; /* as if memory had run out */
	snprintf(box->name, sizeof box->name, "%s", name);
	t->box_count++;
	return box;
}

static void *
box_at(const void *target, size_t i, const char **name)
{
	struct target *t = (struct target *)(uintptr_t)target;

	if (i >= t->box_count)
		return NULL;
	*name = t->boxes[i].name;
	return &t->boxes[i];
}

static const struct conf_named named[] = {{"box", add_box, box_at, check_box, 0}, {0}};
static const struct conf_schema schema = {.keys = keys, .named = named};

static char folder[4096], path[4200], errors[65536];

static void
on_error(void *ctx, const char *message)
{
	size_t len = strlen(path);

	(void)ctx;
	/* "conf" stands for the path, so that tests can spell messages out */
	if (strncmp(message, path, len) == 0) {
		strcat(errors, "conf");
		message += len;
	}
	strcat(errors, message);
	strcat(errors, "\n");
}

static const struct conf_report report = {on_error, NULL};

static int
make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof folder, "%s/test_conf.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void
write_file(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Reads what stands in the file into a zeroed `t`. */
static int
read_conf(struct target *t)
{
	memset(t, 0, sizeof *t);
	errors[0] = '\0';
	return conf_read(path, &schema, t, &report);
}

static void
assert_takes(const char *text, struct target *t)
{
	write_file(text, strlen(text));
	if (read_conf(t) < 0)
		fail_msg("%s", errors);
	assert_string_equal(errors, "");
}

static void
assert_says_of(const char *text, size_t len, const char *want)
{
	struct target t;

	write_file(text, len);
	assert_int_equal(read_conf(&t), -1);
	assert_string_equal(errors, want);
	conf_free(&schema, &t);
}

static void
assert_says(const char *text, const char *want)
{
	assert_says_of(text, strlen(text), want);
}

#define ROOT "[receiver]\nroot = /r\n"

static void
gives_what_is_left_out_its_fallback(void **state)
{
	struct target t;

	(void)state;
	assert_takes(ROOT "[box a]\nfolder = /a\n", &t);
	assert_null(t.host);
	assert_string_equal(t.motto, "");
	assert_string_equal(t.root, "/r");
	assert_int_equal(t.listen.count, 2);
	assert_string_equal(t.listen.items[1], "hub:2");
	assert_int_equal(t.workers, 4);
	assert_int_equal(t.bytes, 64 << 20);
	assert_int_equal(t.idle, 300);
	assert_int_equal(t.level, 1);
	assert_int_equal(t.box_count, 1);
	assert_string_equal(t.boxes[0].suffix, ".msg");
	assert_int_equal(t.boxes[0].clients.count, 0);
	conf_free(&schema, &t);
	assert_null(t.root);
	assert_null(t.boxes[0].folder);
}

static void
reads_every_type(void **state)
{
	struct target t;

	(void)state;
	assert_takes("; a comment\n# another\n\n   \t\n  ; and a third\n"
	    "[receiver] ; the rest\r\n"
	    "root=/r/with space ; comment\r\n"
	    "host :  h#1 # two;three \n"
	    "motto = a = b: \xc3\xa4\n"
	    "listen = ha,hb  hc,, \thd\n"
	    "[limits]\nworkers = 64\nbytes\t=\t2G\n"
	    "[ box   a ]\nfolder = /a\nclients =\n"
	    "[box b]\nfolder = /b\nclients = x\nsize = 1K\nsuffix =\n"
	    "[limits]\nidle = 1d\nany = 9999999999999999999\n[log]\nlevel = debug", &t);
	assert_string_equal(t.root, "/r/with space");
	assert_string_equal(t.host, "h#1 # two;three");
	assert_string_equal(t.motto, "a = b: \xc3\xa4");
	assert_int_equal(t.listen.count, 4);
	assert_string_equal(t.listen.items[0], "ha");
	assert_string_equal(t.listen.items[3], "hd");
	assert_int_equal(t.workers, 64);
	assert_int_equal(t.bytes, UINT64_C(2) << 30);
	assert_int_equal(t.idle, 86400);
	assert_int_equal(t.any, UINT64_C(9999999999999999999));
	assert_int_equal(t.level, 2);
	assert_int_equal(t.box_count, 2);
	assert_string_equal(t.boxes[0].folder, "/a");
	assert_string_equal(t.boxes[1].folder, "/b");
	assert_int_equal(t.boxes[1].size, 1024);
	assert_string_equal(t.boxes[1].suffix, "");
	assert_string_equal(t.boxes[0].name, "a");
	conf_free(&schema, &t);
}

static void
passes_over_what_is_anothers(void **state)
{
	static const struct conf_key mine[] = {
	    {"receiver", "root", CONF_PATH, AT(root), NULL, 1, 0, 0, NULL, NULL, NULL, 1, 0}, {0}};
	static const struct conf_schema some = {.keys = mine, .others = 1};
	static const char text[] =
	    "[box a]\nroot = other\n[receiver]\nhost = x\nroot = /r\n[box]\n[limits]\nx=\n";
	/* Nor is what is wrong there; but what may have been a head is. */
	static const char slips[] = "[limits]\nx\n y = 1\nz = \1\n\x80\n[receiver]\nroot = /r\n"
	                            "[box a]\nno pair";
	static const char heads[] = "[limits]\n [receiver]\nx\n[\1]\n";
	static const char wrong[] = "[receiver]\nroot = r\nno pair\n[box\n";
	struct target t = {0};

	(void)state;
	write_file(text, strlen(text));
	errors[0] = '\0';
	assert_int_equal(conf_read(path, &some, &t, &report), 0);
	assert_string_equal(errors, "");
	assert_string_equal(t.root, "/r");
	conf_free(&some, &t);
	write_file(slips, strlen(slips));
	memset(&t, 0, sizeof t);
	assert_int_equal(conf_read(path, &some, &t, &report), 0);
	assert_string_equal(errors, "");
	assert_string_equal(t.root, "/r");
	conf_free(&some, &t);
	write_file(heads, strlen(heads));
	memset(&t, 0, sizeof t);
	assert_int_equal(conf_read(path, &some, &t, &report), -1);
	assert_string_equal(errors, "conf:2: begins with a blank; a value has one line\n"
	    "conf:4: byte 0x01 at position 2, want text\n"
	    "conf: [receiver] root is missing: want an absolute path\n");
	conf_free(&some, &t);
	write_file(wrong, strlen(wrong));
	errors[0] = '\0';
	memset(&t, 0, sizeof t);
	assert_int_equal(conf_read(path, &some, &t, &report), -1);
	assert_string_equal(errors, "conf:2: root: want an absolute path, found \"r\"\n"
	    "conf:3: want key = value\n"
	    "conf:4: want [section] and nothing else on the line\n");
	conf_free(&some, &t);
}

static void
passes_over_a_byte_order_mark_at_the_start_only(void **state)
{
	struct target t;

	(void)state;
	assert_takes("\xef\xbb\xbf" ROOT, &t);
	conf_free(&schema, &t);
	assert_says(ROOT "\xef\xbb\xbfmotto = x\n", "conf:3: want key = value\n");
}

static void
takes_names_longer_than_those_of_inih(void **state)
{
	struct target t;
	char text[300], a[65], b[65];

	(void)state;
	memset(a, 'a', 64);
	a[64] = '\0';
	memcpy(b, a, 65);
	b[63] = 'b'; /* the same in the first 63 bytes */
	snprintf(text, sizeof text, ROOT "[box %s]\nfolder=/a\n[box %s]\nfolder=/b\n", a, b);
	assert_takes(text, &t);
	assert_string_equal(t.boxes[0].name, a);
	assert_string_equal(t.boxes[1].name, b);
	assert_string_equal(t.boxes[1].folder, "/b");
	conf_free(&schema, &t);
}

/* Two kinds, of one name, in one file: each has its own keys, and what one left out is its own. */
struct pair {
	struct box box, bag;
	size_t boxes, bags;
};

static void *
add_pair_box(void *target, const char *name)
{
	struct pair *pair = target;

	snprintf(pair->box.name, sizeof pair->box.name, "%s", name);
	return pair->boxes++ ? NULL : &pair->box;
}

static void *
add_pair_bag(void *target, const char *name)
{
	struct pair *pair = target;

	snprintf(pair->bag.name, sizeof pair->bag.name, "%s", name);
	return pair->bags++ ? NULL : &pair->bag;
}

static void *
pair_box_at(const void *target, size_t i, const char **name)
{
	struct pair *pair = (struct pair *)(uintptr_t)target;

	*name = pair->box.name;
	return i < pair->boxes ? &pair->box : NULL;
}

static void *
pair_bag_at(const void *target, size_t i, const char **name)
{
	struct pair *pair = (struct pair *)(uintptr_t)target;

	*name = pair->bag.name;
	return i < pair->bags ? &pair->bag : NULL;
}

static void
sections_of_two_kinds_have_keys_of_their_own(void **state)
{
	static const struct conf_key pair_keys[] = {
	    {"box", "size", CONF_SIZE, BOX_AT(size), "1", 0, 0, 0, NULL, NULL, NULL, 0, 0},
	    {"box", "suffix", CONF_TEXT, BOX_AT(suffix), ".box", 0, 0, 0, NULL, NULL, NULL, 1, 0},
	    {"bag", "size", CONF_SIZE, BOX_AT(size), "2", 0, 0, 0, NULL, NULL, NULL, 0, 0},
	    {"bag", "suffix", CONF_TEXT, BOX_AT(suffix), ".bag", 0, 0, 0, NULL, NULL, NULL, 1, 0},
	    {0},
	};
	static const struct conf_named kinds[] = {
	    {"box", add_pair_box, pair_box_at, check_box, 0},
	    {"bag", add_pair_bag, pair_bag_at, check_box, 1},
	    {0},
	};
	static const struct conf_schema two = {.keys = pair_keys, .named = kinds};
	static const char text[] = "[box a]\nsize = 5\n[bag a]\nsuffix = .x\n";
	static const char changed[] = "[box a]\nsuffix = .y\n[bag b]\n", lacks[] = "[box a]\n";
	struct pair pair = {.boxes = 0}, other = {.boxes = 0};

	(void)state;
	write_file(text, sizeof text - 1);
	errors[0] = '\0';
	assert_int_equal(conf_read(path, &two, &pair, &report), 0);
	assert_int_equal(pair.box.size, 5);
	assert_string_equal(pair.box.suffix, ".box");
	assert_int_equal(pair.bag.size, 2);
	assert_string_equal(pair.bag.suffix, ".x");
	write_file(changed, sizeof changed - 1);
	assert_int_equal(conf_read(path, &two, &other, &report), 0);
	assert_int_equal(conf_changed(&two, &pair, &other, &report), 1);
	assert_string_equal(errors, "[box a] suffix has changed, which needs a restart\n");
	conf_free(&two, &pair);
	conf_free(&two, &other);
	write_file(lacks, sizeof lacks - 1);
	errors[0] = '\0';
	memset(&pair, 0, sizeof pair);
	assert_int_equal(conf_read(path, &two, &pair, &report), -1);
	assert_string_equal(errors, "conf: no section [bag NAME]: want at least one\n");
	conf_free(&two, &pair);
}

static void
says_what_is_wrong_with_a_value(void **state)
{
	(void)state;
	assert_says(ROOT "[limits]\nworkers = 65\n",
	    "conf:4: workers: want a number from 1 to 64, found \"65\"\n");
	assert_says(ROOT "[limits]\nworkers = 0\n",
	    "conf:4: workers: want a number from 1 to 64, found \"0\"\n");
	assert_says(ROOT "[limits]\nany = -1\n",
	    "conf:4: any: want a number from 0, found \"-1\"\n");
	assert_says(ROOT "[limits]\nworkers =\n",
	    "conf:4: workers: want a number from 1 to 64, found \"\"\n");
	assert_says(ROOT "[limits]\nbytes = 64m\n", "conf:4: bytes: want a size from 1K to 1T, "
	    "in bytes or with K, M, G or T, found \"64m\"\n");
	assert_says(ROOT "[limits]\nbytes = 1025G\n", "conf:4: bytes: want a size from 1K to 1T, "
	    "in bytes or with K, M, G or T, found \"1025G\"\n");
	assert_says(ROOT "[limits]\nidle = 2d\n", "conf:4: idle: want a time from 1 to 1d, "
	    "in seconds or with s, m, h or d, found \"2d\"\n");
	assert_says(ROOT "[log]\nlevel = Info\n",
	    "conf:4: level: want one of: error, info, debug, found \"Info\"\n");
	assert_says("[receiver]\nroot = r\n", "conf:2: root: want an absolute path, found \"r\"\n");
	assert_says("[receiver]\nroot =\n", "conf:2: root: want an absolute path, found \"\"\n");
	assert_says(ROOT "host = x\n",
	    "conf:3: host: want a name that begins with h, found \"x\"\n");
	assert_says(ROOT "listen = ha x\n",
	    "conf:3: listen: want a name that begins with h, found \"ha x\"\n");
}

static void
refuses_what_would_not_read_back(void **state)
{
	char text[300];

	(void)state;
	assert_says(ROOT "motto =;x\n", "conf:3: motto: a value cannot begin with \";\"\n");
	assert_says(ROOT "[box a]\nfolder = /a\nclients = b,;c\n",
	    "conf:5: clients: want no item that begins with \";\", found \"b,;c\"\n");
	snprintf(text, sizeof text, ROOT "motto=%0184d\n", 0);
	assert_says(text, "conf:3: motto: the value is too long for a line of 190 bytes\n");
}

static void
names_the_nearest_known_key(void **state)
{
	(void)state;
	assert_says(ROOT "[limits]\nworker = 3\n",
	    "conf:4: unknown key \"worker\" in [limits]; the nearest known is \"workers\"\n");
	assert_says(ROOT "[limits]\nbits = 3\n",
	    "conf:4: unknown key \"bits\" in [limits]; the nearest known is \"bytes\"\n");
	assert_says(ROOT "[limits]\nlevel = info\n",
	    "conf:4: unknown key \"level\" in [limits]; it belongs in [log]\n");
	assert_says(ROOT "[limits]\nIdle = 3\n",
	    "conf:4: unknown key \"Idle\" in [limits]; the nearest known is \"idle\"\n");
	assert_says(ROOT "= 3\n",
	    "conf:3: unknown key \"\" in [receiver]; the nearest known is \"host\"\n");
	assert_says(ROOT "[limit]\nworkers = x\n",
	    "conf:3: unknown section [limit]; the nearest known is [limits]\n");
	assert_says(ROOT "[bos a]\nfolder = x\n",
	    "conf:3: unknown section [bos]; the nearest known is [box]\n");
}

static void
refuses_a_key_that_is_set_twice(void **state)
{
	(void)state;
	assert_says(ROOT "root = /s\n", "conf:3: root is set twice, first on line 2\n");
	assert_says(ROOT "[log]\nlevel = info\n[limits]\n[log]\nlevel = info\n",
	    "conf:7: level is set twice, first on line 4\n");
	assert_says(ROOT "[box a]\nfolder = /a\nfolder = /b\n[box b]\nfolder = /a\n",
	    "conf:5: folder is set twice, first on line 4\n");
	/* also where the first was wrong */
	assert_says("[receiver]\nroot = x\nroot = /x\n",
	    "conf:2: root: want an absolute path, found \"x\"\n"
	    "conf:3: root is set twice, first on line 2\n");
}

static void
refuses_a_section_name_that_is_wrong(void **state)
{
	char text[300], want[300];

	(void)state;
	assert_says(ROOT "[box a]\nfolder = /a\n[limits]\n[box a]\nsize = 1\n",
	    "conf:6: [box a] stands there twice\n");
	assert_says(ROOT "[box]\nsize = 1\n", "conf:3: [box] has no name: want [box NAME]\n");
	assert_says(ROOT "[limits x]\n", "conf:3: [limits x]: want [limits], it takes no name\n");
	assert_says(ROOT "[box a b]\n", "conf:3: want [section] or [section NAME]\n");
	assert_says(ROOT "[]\n", "conf:3: want [section] or [section NAME]\n");
	assert_says(ROOT "[log\n", "conf:3: want [section] and nothing else on the line\n");
	assert_says(ROOT "[log] level = x\n",
	    "conf:3: want [section] and nothing else on the line\n");
	assert_says(ROOT "[log] # x\n", "conf:3: want [section] and nothing else on the line\n");
	snprintf(text, sizeof text, ROOT "[box %065d]\n", 0);
	snprintf(want, sizeof want, "conf:3: [box %065d]: want up to 64 bytes\n", 0);
	assert_says(text, want);
	assert_says(ROOT "[box a]\nfolder=/a\n[box b]\nfolder=/b\n[box c]\nfolder=/c\n[box d]\n",
	    "conf:9: out of memory\n");
}

static void
misses_what_is_required(void **state)
{
	(void)state;
	assert_says("", "conf: [receiver] root is missing: want an absolute path\n");
	assert_says(ROOT "[box a]\n[box b]\nfolder = /b\n[box c]\n",
	    "conf: [box a] folder is missing: want an absolute path\n"
	    "conf: [box c] folder is missing: want an absolute path\n");
	/* a wrong one is not missing as well */
	assert_says(ROOT "[box a]\nfolder = b\n",
	    "conf:4: folder: want an absolute path, found \"b\"\n");
}

static void
refuses_lines_that_are_no_pair(void **state)
{
	(void)state;
	assert_says("root = /r\n" ROOT, "conf:1: key \"root\" stands before the first [section]\n");
	assert_says(ROOT "motto\n", "conf:3: want key = value\n");
	assert_says(ROOT "motto", "conf:3: want key = value\n");
	assert_says(ROOT "motto ; = x\n", "conf:3: want key = value\n");
	assert_says(ROOT "motto = a\n  b\n",
	    "conf:4: begins with a blank; a value has one line\n");
	assert_says(ROOT " motto = a\n", "conf:3: begins with a blank; a value has one line\n");
	assert_says(ROOT "\t[log]\n", "conf:3: begins with a blank; a value has one line\n");
}

static void
cuts_no_long_line(void **state)
{
	struct target t;
	char text[600];

	(void)state;
	/* inih would read the tail as a key of its own */
	snprintf(text, sizeof text, ROOT "motto = %0191dhost = hacked\n", 0);
	assert_says(text, "conf:3: 212 bytes; a line has at most 190\n");
	snprintf(text, sizeof text, ROOT "motto = %0182d\r\n", 0);
	assert_takes(text, &t);
	assert_int_equal(strlen(t.motto), 182);
	conf_free(&schema, &t);
	snprintf(text, sizeof text, ROOT "motto = %0183d\n", 0);
	assert_says(text, "conf:3: 191 bytes; a line has at most 190\n");
	snprintf(text, sizeof text, ROOT ";%0300d\n", 0);
	assert_says(text, "conf:3: 301 bytes; a line has at most 190\n");
}

static void
refuses_control_bytes(void **state)
{
	(void)state;
	assert_says_of(ROOT "motto = a\0b\n", sizeof ROOT "motto = a\0b\n" - 1,
	    "conf:3: byte 0x00 at position 10, want text\n");
	assert_says(ROOT "motto = a\033[31m\n", "conf:3: byte 0x1b at position 10, want text\n");
	assert_says(ROOT "motto = a\rb\n", "conf:3: byte 0x0d at position 10, want text\n");
	assert_says(ROOT ";\x7f\n", "conf:3: byte 0x7f at position 2, want text\n");
}

static void
finds_all_errors_in_one_run(void **state)
{
	(void)state;
	assert_says("x = 1\n[receiver]\nhost = x\nrot = /r\n[lag]\nlevel = x\n[log]\nlevel = x\n"
	    "motto\n[box a]\nsize = x\n[box a]\n[limits]\nidle = 0\nidle = 1\n",
	    "conf:1: key \"x\" stands before the first [section]\n"
	    "conf:3: host: want a name that begins with h, found \"x\"\n"
	    "conf:4: unknown key \"rot\" in [receiver]; the nearest known is \"root\"\n"
	    "conf:5: unknown section [lag]; the nearest known is [log]\n"
	    "conf:8: level: want one of: error, info, debug, found \"x\"\n"
	    "conf:9: want key = value\n"
	    "conf:11: size: want a size from 0, in bytes or with K, M, G or T, found \"x\"\n"
	    "conf: [box a] folder is missing: want an absolute path\n"
	    "conf:12: [box a] stands there twice\n"
	    "conf:14: idle: want a time from 1 to 1d, in seconds or with s, m, h or d, "
	    "found \"0\"\n"
	    "conf:15: idle is set twice, first on line 14\n"
	    "conf: [receiver] root is missing: want an absolute path\n");
}

static void
refuses_what_is_no_file(void **state)
{
	struct target t;
	static char large[CONF_FILE_MAX + 1];

	(void)state;
	unlink(path);
	assert_int_equal(read_conf(&t), -1);
	assert_string_equal(errors, "conf: No such file or directory\n");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_conf(&t), -1);
	assert_string_equal(errors, "conf: not a regular file\n");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: must not wait */
	assert_int_equal(read_conf(&t), -1);
	assert_string_equal(errors, "conf: not a regular file\n");
	unlink(path);
	memset(large, '\n', sizeof large);
	assert_says_of(large, sizeof large, "conf: larger than 1048576 bytes\n");
	memcpy(large, ROOT, strlen(ROOT));
	write_file(large, CONF_FILE_MAX);
	assert_int_equal(read_conf(&t), 0);
	conf_free(&schema, &t);
}

/* More than fit a line. */
static void
list_that_may_come_again_grows(void **state)
{
	static const struct conf_key growing[] = {{.section = "receiver", .key = "listen",
	                                              .type = CONF_LIST, .offset = AT(listen),
	                                              .required = 1, .check = check_host,
	                                              .repeats = 1},
	    {0}};
	static const struct conf_schema grown = {.keys = growing};
	static const char text[] = "[receiver]\nlisten = h1 h2\nlisten = h3\nlisten =\n";
	static const char wrong[] = "[receiver]\nlisten = h1\nlisten = x\nlisten = h2\n";
	static const char none[] = "[receiver]\nlisten =\n";
	struct target t = {0}, again = {0};
	char *printed = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&printed, &len);

	(void)state;
	assert_non_null(out);
	write_file(text, strlen(text));
	errors[0] = '\0';
	assert_int_equal(conf_read(path, &grown, &t, &report), 0);
	assert_int_equal(t.listen.count, 3);
	assert_string_equal(t.listen.items[2], "h3");
	assert_int_equal(conf_print(out, &grown, &t), 0);
	fclose(out);
	assert_string_equal(printed, "[receiver]\nlisten = h1\nlisten = h2\nlisten = h3\n");
	write_file(printed, strlen(printed));
	assert_int_equal(conf_read(path, &grown, &again, &report), 0);
	assert_int_equal(again.listen.count, 3);
	conf_free(&grown, &again);
	conf_free(&grown, &t);
	free(printed);
	assert_string_equal(errors, "");
	write_file(wrong, strlen(wrong));
	memset(&t, 0, sizeof t);
	assert_int_equal(conf_read(path, &grown, &t, &report), -1);
	assert_string_equal(errors,
	    "conf:3: listen: want a name that begins with h, found \"x\"\n");
	conf_free(&grown, &t);
	write_file(none, strlen(none));
	memset(&t, 0, sizeof t);
	assert_int_equal(conf_read(path, &grown, &t, &report), -1);
	conf_free(&grown, &t);
}

static char *
print_conf(const struct target *t)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(conf_print(out, &schema, t), 0);
	fclose(out);
	return text;
}

static void
prints_what_reads_back_as_the_same(void **state)
{
	struct target t;
	char *first, *second;

	(void)state;
	assert_takes("[box b]\nfolder=/b ; x\nclients = x,y\n[receiver]\nroot=/r\nmotto=a;b #c\n"
	    "[box a]\nfolder=/a\nsuffix=\n[limits]\nidle=90\nbytes=1536K\n", &t);
	first = print_conf(&t);
	conf_free(&schema, &t);
	assert_string_equal(first, "[receiver]\n# host is not set\nmotto = a;b #c\nroot = /r\n"
	    "listen = hall:1 hub:2\n\n[limits]\nworkers = 4\nany = 0\nbytes = 1536K\nidle = 90\n\n"
	    "[log]\nlevel = info\n\n[box b]\nsize = 0\nsuffix = .msg\nclients = x y\n"
	    "folder = /b\n\n[box a]\nsize = 0\nsuffix =\nclients =\nfolder = /a\n");
	assert_takes(first, &t);
	second = print_conf(&t);
	conf_free(&schema, &t);
	assert_string_equal(second, first);
	free(first);
	free(second);
}

static void
says_when_it_cannot_print(void **state)
{
	struct target t;
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	if (!out)
		skip();
	assert_takes(ROOT, &t);
	assert_int_equal(conf_print(out, &schema, &t), -1);
	fclose(out);
	conf_free(&schema, &t);
}

static void
tells_what_needs_a_restart(void **state)
{
	struct target old, new;

	(void)state;
	assert_takes(ROOT "[limits]\nidle = 1\n[box a]\nfolder = /a\n[box b]\nfolder = /b\n", &old);
	assert_takes("[receiver]\nroot = /s\nhost = h\nlisten = hall:1\n[limits]\nidle = 2\n"
	    "[box c]\nfolder = /c\nsuffix = .c\n[box b]\nfolder = /x\nsuffix = .x\n", &new);
	assert_int_equal(conf_changed(&schema, &old, &new, &report), 4);
	assert_string_equal(errors, "[receiver] host has changed, which needs a restart\n"
	    "[receiver] root has changed, which needs a restart\n"
	    "[receiver] listen has changed, which needs a restart\n"
	    "[box b] suffix has changed, which needs a restart\n");
	errors[0] = '\0';
	assert_int_equal(conf_changed(&schema, &old, &old, &report), 0);
	assert_string_equal(errors, "");
	conf_free(&schema, &old);
	conf_free(&schema, &new);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_what_is_left_out_its_fallback),
	    cmocka_unit_test(reads_every_type),
	    cmocka_unit_test(passes_over_what_is_anothers),
	    cmocka_unit_test(passes_over_a_byte_order_mark_at_the_start_only),
	    cmocka_unit_test(takes_names_longer_than_those_of_inih),
	    cmocka_unit_test(sections_of_two_kinds_have_keys_of_their_own),
	    cmocka_unit_test(says_what_is_wrong_with_a_value),
	    cmocka_unit_test(refuses_what_would_not_read_back),
	    cmocka_unit_test(names_the_nearest_known_key),
	    cmocka_unit_test(refuses_a_key_that_is_set_twice),
	    cmocka_unit_test(list_that_may_come_again_grows),
	    cmocka_unit_test(refuses_a_section_name_that_is_wrong),
	    cmocka_unit_test(misses_what_is_required),
	    cmocka_unit_test(refuses_lines_that_are_no_pair),
	    cmocka_unit_test(cuts_no_long_line),
	    cmocka_unit_test(refuses_control_bytes),
	    cmocka_unit_test(finds_all_errors_in_one_run),
	    cmocka_unit_test(refuses_what_is_no_file),
	    cmocka_unit_test(prints_what_reads_back_as_the_same),
	    cmocka_unit_test(says_when_it_cannot_print),
	    cmocka_unit_test(tells_what_needs_a_restart),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
