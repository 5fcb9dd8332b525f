/* SPDX-License-Identifier: ISC */
/*
 * Recovery: each state that a crash can leave, and then recovery itself killed,
 * failed and raced by a consumer at each call that it makes of the system.
 *
 * The calls go through the __wrap_ functions below (ld --wrap).  Nothing is
 * synced here for real: a kill loses no page, and what a power failure may
 * take from a file the cases begin with.
 *
 * Built twice, as test_disk is.  Without renameat2() an item may come twice
 * where a consumer is quick (disk.h), so that one has no consumer.
 */
#include "config.h"

#include "inboxd/recover/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/recover/fresh.h"
#include "inboxd/recover/replay.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/segment.h"
#include "lib/why.h"
#include "sample.h"

#define OLD_SEGMENT "20261122T141101.000000Z.log"
#define KILLED 99 /* exit status: the hook ended it */

/* ---- the hook */

enum mode {
	QUIET,
	KILL,       /* ends the process before the call */
	TEAR,       /* the same within a write, and half of it is done */
	FAIL,       /* the call, which is no sync, fails with EIO */
	FAIL_SYNC,  /* a sync fails with EIO */
	INTERRUPT,  /* a read, write or sync fails with EINTR, and would not the next time */
	CLAIM,      /* a consumer takes all that is in new/ */
	CLAIM_KILL, /* and then the process ends */
};

/* Has the disk room for copies?  Else opening one fails, or writing to it, or its sync. */
static enum room { ROOM, NO_INODE, NO_BLOCK, NO_ROOM_AT_SYNC } room;
static int doomed = -1; /* the copy that has no room */
static char mended[NAME_ROOM];

static struct hook {
	enum mode mode;
	int at, count, tripped;
	int disorder; /* something was published that had not been synced */
} *hook; /* shared with the children */

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __wrap_ftruncate(int fd, off_t len);
int __real_ftruncate(int fd, off_t len);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int fromdir, const char *from, int todir, const char *to);
int __wrap_renameat(int fromdir, const char *from, int todir, const char *to);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
struct digest *__real_digest_new(void);
struct digest *__wrap_digest_new(void);
int __real_digest_end(struct digest *digest, unsigned char sha256[DIGEST_SIZE]);
int __wrap_digest_end(struct digest *digest, unsigned char sha256[DIGEST_SIZE]);

static void claim_all(void);

/* ---- what has been written and not synced, files and folders */

static struct {
	ino_t nodes[256];
	size_t count;
} unsynced;

static void
set_synced(ino_t node, int is_synced)
{
	for (size_t i = 0; i < unsynced.count; i++) {
		if (unsynced.nodes[i] == node)
			unsynced.nodes[i--] = unsynced.nodes[--unsynced.count];
	}
	if (!is_synced && unsynced.count < sizeof unsynced.nodes / sizeof unsynced.nodes[0])
		unsynced.nodes[unsynced.count++] = node;
}

static void
note(int fd, int is_synced)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		set_synced(st.st_ino, is_synced);
}

static int
is_unsynced(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	for (size_t i = 0; i < unsynced.count; i++) {
		if (unsynced.nodes[i] == st.st_ino)
			return 1;
	}
	return 0;
}

#ifdef HAVE_RENAMEAT2
static void check_order(int fromdir, const char *from, int todir);
#endif

enum call { CHANGE, DIGEST, READ, WRITE, SYNC };

/* Does this mode count such a call? */
static int
counts(enum call call)
{
	switch (hook->mode) {
	case QUIET:
		return 0;
	case TEAR:
		return call == WRITE;
	case FAIL:
		return call != SYNC;
	case FAIL_SYNC:
		return call == SYNC;
	case INTERRUPT:
		return call != CHANGE && call != DIGEST;
	case KILL:
	case CLAIM:
	case CLAIM_KILL:
		break;
	}
	return call != READ && call != DIGEST; /* what changes nothing is no new moment */
}

/* Is this call to fail? */
static int
trips(enum call call)
{
	if (!counts(call) || ++hook->count != hook->at)
		return 0;
	hook->tripped = 1;
	switch (hook->mode) {
	case KILL:
	case TEAR:
		_exit(KILLED);
	case CLAIM:
	case CLAIM_KILL:
		claim_all();
		if (hook->mode == CLAIM_KILL)
			_exit(KILLED);
		return 0;
	case FAIL:
	case FAIL_SYNC:
		errno = EIO;
		return 1;
	case INTERRUPT:
		errno = EINTR;
		return 1;
	case QUIET:
		break;
	}
	return 0;
}

/* Not the stray that has such a name, too. */
static int
is_copy(const char *name, int flags)
{
	return flags & O_CREAT && strncmp(name, "2026", 4) == 0 && strstr(name, FRESH_SUFFIX);
}

int
__wrap_openat(int dir, const char *name, int flags, ...)
{
	int mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, int);
	va_end(args);
	if (flags & O_CREAT)
		note(dir, 0);
	if (trips(CHANGE))
		return -1;
	if (room == NO_INODE && is_copy(name, flags)) {
		errno = ENOSPC;
		return -1;
	}
	int fd = __real_openat(dir, name, flags, mode);
	if (fd >= 0 && fd == doomed)
		doomed = -1;
	if (room >= NO_BLOCK && is_copy(name, flags))
		doomed = fd;
	return fd;
}

ssize_t
__wrap_read(int fd, void *data, size_t len)
{
	return trips(READ) ? -1 : __real_read(fd, data, len);
}

ssize_t
__wrap_pread(int fd, void *data, size_t len, off_t at)
{
	return trips(READ) ? -1 : __real_pread(fd, data, len, at);
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (hook->mode == TEAR && hook->count + 1 == hook->at)
		(void)!__real_write(fd, data, len / 2);
	note(fd, 0);
	if (trips(WRITE))
		return -1;
	if (room == NO_BLOCK && fd == doomed) {
		errno = EDQUOT;
		return -1;
	}
	return __real_write(fd, data, len);
}

int
__wrap_ftruncate(int fd, off_t len)
{
	note(fd, 0);
	return trips(CHANGE) ? -1 : __real_ftruncate(fd, len);
}

int
__wrap_fdatasync(int fd)
{
	if (room == NO_ROOM_AT_SYNC && fd == doomed) {
		errno = ENOSPC;
		return -1;
	}
	note(fd, 1);
	return trips(SYNC) ? -1 : 0;
}

int
__wrap_fsync(int fd)
{
	note(fd, 1);
	return trips(SYNC) ? -1 : 0;
}

int
__wrap_renameat(int fromdir, const char *from, int todir, const char *to)
{
	note(todir, 0);
	return trips(CHANGE) ? -1 : __real_renameat(fromdir, from, todir, to);
}

#ifdef HAVE_RENAMEAT2
int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	check_order(fromdir, from, todir);
	note(todir, 0);
	return trips(CHANGE) ? -1 : __real_renameat2(fromdir, from, todir, to, flags);
}
#endif

int
__wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	return trips(CHANGE) ? -1 : __real_linkat(fromdir, from, todir, to, flags);
}

int
__wrap_unlinkat(int dir, const char *name, int flags)
{
	return trips(CHANGE) ? -1 : __real_unlinkat(dir, name, flags);
}

struct digest *
__wrap_digest_new(void)
{
	return trips(DIGEST) ? NULL : __real_digest_new();
}

int
__wrap_digest_end(struct digest *digest, unsigned char sha256[DIGEST_SIZE])
{
	return trips(DIGEST) ? -1 : __real_digest_end(digest, sha256);
}

/* ---- what a crash left */

enum file {
	NONE,
	RIGHT,
	OTHER,  /* as long, but other bytes */
	SHORT,  /* the first half */
	LINKED, /* in new/: the draft itself, by a second link */
};

enum end {
	STORED, /* in new/ or with a consumer, once; remembered */
	TAKEN,  /* with a consumer, who has it elsewhere; remembered */
	VOID,   /* neither in new/ nor remembered: its client sends it again */
};

struct crashed {
	unsigned seq;
	const char *inbox;
	enum file draft, published;
	enum end end;
};

/* All there can be, in one ledger: up to SYNCED a mark says that drafts were on
 * the disk; number 1 was stored. */
#define SYNCED 6
static const struct crashed everything[] = {
    {1, "status", NONE, NONE, TAKEN},
    {2, "status", RIGHT, NONE, STORED},
    {3, "status", NONE, RIGHT, STORED},
    {4, "status", NONE, NONE, TAKEN},
    {5, "status", RIGHT, LINKED, STORED},
    {6, "gone", NONE, NONE, VOID},
    {7, "status", RIGHT, NONE, STORED},
    {8, "status", OTHER, NONE, VOID},
    {9, "status", SHORT, NONE, VOID},
    {10, "status", NONE, NONE, VOID},
    {11, "status", RIGHT, OTHER, VOID},
    {12, "status", NONE, OTHER, VOID},
    {13, "old", RIGHT, NONE, STORED},
    {14, "status", NONE, RIGHT, STORED},
    {15, "old", RIGHT, NONE, STORED},
    {16, "gone", NONE, NONE, VOID},
};
#define EVERYTHING (sizeof everything / sizeof everything[0])

/* The folders of one inbox. */
struct folders {
	int tmp, new, cur;
};

static struct {
	char path[64];
	int root, ledger;
	struct folders status, old; /* `old` is configured no more */
	struct inbox inbox;
	struct site site;
	struct settings settings;
	struct sample before; /* the segment as the crash left it, without the torn end */
	const struct crashed *items;
	size_t count;
	int was_used; /* as the lock file says */
} world;

static void
print_name(char name[NAME_ROOM], unsigned seq)
{
	snprintf(name, NAME_ROOM, "20261122T141103.%06uZ-1f2e3d4c-0.%u-pc17.example.org", seq, seq);
}

/* One item needs more than one read. */
#define LARGE 70000
static void
fill_bytes(char bytes[LARGE + 1], unsigned seq)
{
	int len = snprintf(bytes, LARGE, "these are the bytes of item %u", seq);

	if (seq != 2)
		return;
	memset(bytes + len, 'x', (size_t)(LARGE - len));
	bytes[LARGE] = '\0';
}

static int
make_dir(int at, const char *name)
{
	int fd;

	assert_int_equal(mkdirat(at, name, 0700), 0);
	fd = disk_open_dir(at, name);
	assert_true(fd >= 0);
	return fd;
}

static struct folders
make_inbox(const char *name)
{
	struct folders made;
	int at = make_dir(world.root, name);

	made.tmp = make_dir(at, "tmp");
	made.new = make_dir(at, "new");
	made.cur = make_dir(at, "cur");
	close(at);
	return made;
}

static void
close_inbox(struct folders *inbox)
{
	close(inbox->tmp);
	close(inbox->new);
	close(inbox->cur);
}

static void
make_file(int dir, unsigned seq, enum file file)
{
	char name[NAME_ROOM];
	static char bytes[LARGE + 1];
	size_t len;

	print_name(name, seq);
	fill_bytes(bytes, seq);
	len = strlen(bytes);
	if (file == OTHER)
		bytes[len - 1] ^= 1;
	if (file == SHORT)
		len /= 2;
	if (file == LINKED)
		assert_int_equal(linkat(world.status.tmp, name, dir, name, 0), 0);
	else if (file != NONE)
		sample_write(dir, name, bytes, len);
}

static const struct folders *
folders_of(const struct crashed *item)
{
	return strcmp(item->inbox, "old") == 0 ? &world.old : &world.status;
}

/* The ledger's segment with a record an item; `synced` and `stored` by a mark. */
static void
write_segment(unsigned synced, unsigned stored)
{
	static char bytes[LARGE + 1];
	char name[NAME_ROOM], line[RECORD_LINE_MAX + 1];
	struct record torn = {.type = RECORD_VOID, .seq = 1};
	size_t good, len;

	sample_begin(&world.before, world.count > 0 ? world.items[0].seq : 1);
	sample_queue(&world.before, 101);
	sample_state(&world.before);
	for (size_t i = 0; i < world.count; i++) {
		const struct crashed *item = &world.items[i];
		print_name(name, item->seq);
		fill_bytes(bytes, item->seq);
		sample_accept(
		    &world.before, item->seq, 100 + item->seq, item->inbox, name, bytes);
		if (item->seq == synced)
			sample_mark(&world.before, synced, stored);
	}
	good = world.before.len;
	len = record_format(&torn, line);
	sample_text(&world.before, line, len - 3);
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
	world.before.len = good;
}

static void
make_world(const struct crashed *items, size_t count, unsigned synced, unsigned stored)
{
	struct why why;

	memset(&world, 0, sizeof world);
	mended[0] = '\0';
	world.items = items;
	world.count = count;
	world.root = sample_make_folder(world.path);
	world.ledger = make_dir(world.root, "ledger");
	world.status = make_inbox("status");
	world.old = make_inbox("old");
	if (inbox_open(&world.inbox, world.root, "status", 0, &why) < 0)
		fail_msg("%s", why.text);
	world.site.inboxes = &world.inbox;
	world.site.inbox_count = 1;
	world.site.settings = &world.settings;
	world.settings.ledger_days = 36500;
	for (size_t i = 0; i < count; i++) {
		make_file(folders_of(&items[i])->tmp, items[i].seq, items[i].draft);
		make_file(folders_of(&items[i])->new, items[i].seq, items[i].published);
	}
	if (count > 0)
		write_segment(synced, stored);
	sample_write(world.status.tmp, "stray", "no record", 9);
	sample_write(world.status.tmp, "stray.again", "", 0);
	sample_write(world.ledger, "unfinished", "half", 4);
	unsynced.count = 0;
}

static void
remove_world(void)
{
	inbox_close(&world.inbox);
	close_inbox(&world.status);
	close_inbox(&world.old);
	close(world.ledger);
	close(world.root);
	sample_remove_folder(world.path);
}

#ifdef HAVE_RENAMEAT2
/* What is published must be on the disk, and all that it stands on. */
static void
check_order(int fromdir, const char *from, int todir)
{
	struct stat to, root, ledger, tmp, old_tmp;

	if (fstat(todir, &to) < 0 || fstat(world.root, &root) < 0 ||
	    fstat(world.ledger, &ledger) < 0 ||
	    fstat(world.status.tmp, &tmp) < 0 || fstat(world.old.tmp, &old_tmp) < 0)
		return;
	if (to.st_ino == tmp.st_ino || to.st_ino == old_tmp.st_ino) {
		snprintf(mended, sizeof mended, "%s", from); /* out of new/, for a moment */
		return;
	}
	if (strcmp(from, mended) == 0)
		return; /* it goes back to where it was, mended or not */
	if (is_unsynced(fromdir, from))
		hook->disorder = 1;
	if (to.st_ino == root.st_ino)
		return; /* its id, which nothing names yet */
	if (to.st_ino == ledger.st_ino) {
		if (is_unsynced(world.status.new, ".") || is_unsynced(world.old.new, ".") ||
		    is_unsynced(world.root, "."))
			hook->disorder = 1;
	} else if (is_unsynced(fromdir, ".") || is_unsynced(world.ledger, OLD_SEGMENT)) {
		hook->disorder = 1;
	}
}
#endif

/* ---- a consumer */

static void
claim_folder(const struct folders *inbox)
{
	int fd = __real_openat(inbox->new, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fdopendir(fd);
	struct dirent *file;

	if (!listing)
		_exit(EX_OSERR);
	while ((file = readdir(listing))) {
		if (file->d_name[0] != '.' &&
		    __real_renameat(inbox->new, file->d_name, inbox->cur, file->d_name) < 0)
			_exit(EX_OSERR);
	}
	closedir(listing);
}

static void
claim_all(void)
{
	claim_folder(&world.status);
	claim_folder(&world.old);
}

/* ---- what must have become of it */

/* The names, nodes and bytes of all files there, as malloc'ed text. */
static char *
describe(int dir, int with_nodes)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **files;
	char *text = NULL;
	size_t len;
	int count = scandirat(fd, ".", &files, NULL, alphasort);
	FILE *out = open_memstream(&text, &len);

	assert_true(count >= 0);
	assert_non_null(out);
	for (int i = 0; i < count; i++) {
		if (files[i]->d_name[0] != '.') {
			char *bytes = sample_read(dir, files[i]->d_name, NULL);
			fprintf(out, "%s %llu\n%s\n", files[i]->d_name,
			    with_nodes ? (unsigned long long)files[i]->d_ino : 0, bytes);
			free(bytes);
		}
		free(files[i]);
	}
	free(files);
	close(fd);
	assert_int_equal(fclose(out), 0);
	return text;
}

static int
has(int dir, const struct crashed *item, enum file file)
{
	static char bytes[LARGE + 1];
	char name[NAME_ROOM], *got;
	size_t len, want;
	int is_right;

	print_name(name, item->seq);
	fill_bytes(bytes, item->seq);
	want = strlen(bytes);
	if (file == OTHER)
		bytes[want - 1] ^= 1;
	got = sample_read(dir, name, &len);
	is_right = got && len == want && memcmp(got, bytes, len) == 0;
	/* P3: whatever is there is whole. */
	if (got && !is_right && (item->published != OTHER || file == OTHER))
		assert_true(file == OTHER && item->published == OTHER);
	free(got);
	return is_right;
}

static int
is_known(struct clients *clients, const struct crashed *item)
{
	static char bytes[LARGE + 1];
	char name[NAME_ROOM];
	unsigned char sha256[DIGEST_SIZE];
	struct queue *queue = clients_find(clients, SAMPLE_CLIENT, SAMPLE_QUEUE);
	struct known *known;

	print_name(name, item->seq);
	fill_bytes(bytes, item->seq);
	sample_digest(bytes, sha256);
	assert_non_null(queue);
	known = queue_find(queue, 100 + item->seq, item->inbox, sha256);
	if (known) {
		assert_string_equal(known->name, name);
		assert_int_equal(known->seq, item->seq);
	}
	return known != NULL;
}

static void
check_item(struct clients *clients, const struct crashed *item, enum mode mode)
{
	const struct folders *at = folders_of(item);
	int copies = has(at->new, item, RIGHT) + has(at->cur, item, RIGHT);
	int known = is_known(clients, item);
	int is_raced = mode == CLAIM || mode == CLAIM_KILL;

	/* Where a consumer took the stranger's file in time, there was room. */
	if (item->published == OTHER) {
		assert_int_equal(has(at->new, item, OTHER) + has(at->cur, item, OTHER), 1);
		assert_int_equal(copies, known);
		if (!is_raced)
			assert_int_equal(known, item->end == STORED);
		return;
	}
	/* A folder that is not configured and cannot be opened counts as gone. */
	if (mode == FAIL && at == &world.old) {
		assert_int_equal(copies, known);
		return;
	}
	switch (item->end) {
	case STORED:
		/* Claimed before it was looked at, by the link that a crash left
		 * beside the draft, it comes twice (P7). */
		assert_true(copies == 1 || (copies == 2 && is_raced && item->published == LINKED));
		/* Claimed likewise, but above the mark: the client sends it again. */
		assert_true(known || (is_raced && item->seq > SYNCED && item->published == RIGHT));
		break;
	case TAKEN:
		assert_int_equal(copies, 0);
		assert_true(known);
		break;
	case VOID:
		assert_int_equal(copies, 0);
		assert_false(known);
		break;
	}
}

/* The newest segment tells what is remembered, and nothing is unfinished. */
static void
check_ledger(const struct clients *clients)
{
	struct replay replay;
	struct clients *found = sample_replay(world.ledger, NULL, &replay);
	char *expected = sample_dump(clients), *got = sample_dump(found), *old;
	size_t len;

	assert_int_equal(faccessat(world.ledger, "unfinished", F_OK, 0), -1);
	assert_string_equal(got, expected);
	assert_null(replay.tail);
	if (world.count > 0) {
		assert_int_equal(replay.next_seq, world.items[world.count - 1].seq + 1);
		old = sample_read(world.ledger, OLD_SEGMENT, &len);
		assert_true(len >= world.before.len);
		assert_memory_equal(old, world.before.text, world.before.len);
		free(old);
	}
	replay_free(&replay);
	clients_free(found);
	free(got);
	free(expected);
}

/* The figures must be those of the items. */
static void
check_figures(struct clients *clients)
{
	struct queue *queue = clients_find(clients, SAMPLE_CLIENT, SAMPLE_QUEUE);
	uint64_t bytes = 0;

	assert_non_null(queue);
	assert_int_equal(queue->figures.tally.stored, queue->items);
	for (size_t i = 0; i < queue->count; i++)
		bytes += queue->entries[i]->size;
	assert_int_equal(queue->figures.tally.stored_bytes, bytes);
}

static struct ledger *
run_recovery(struct clients *clients, int *code, struct why *error)
{
	struct root root = {.fd = world.root, .ledger = world.ledger, .lock = -1,
	    .was_used = world.was_used, .was_cut = 1};
	enum mode mode = hook->mode;

	hook->mode = QUIET; /* root_take() is not what is tried here */
	if (id_read(world.root, ID_OF_ROOT, root.id) < 0 && errno != ENOENT)
		fail_msg("the root's id: %s", strerror(errno));
	hook->mode = mode;
	return recover_run(&world.site, &root, clients, code, error);
}

static struct clients *
recover_here(void)
{
	struct why error = {""};
	struct clients *clients = clients_new();
	int code = 0;
	struct ledger *ledger = run_recovery(clients, &code, &error);

	if (!ledger)
		fail_msg("recovery: %s", error.text);
	assert_false(is_unsynced(world.ledger, "."));
	ledger_close(ledger);
	return clients;
}

/* Runs recovery to its end, holds the promises to be kept, and runs it again. */
static void
recover_and_check(enum mode mode)
{
	struct clients *clients = recover_here(), *again;
	char *memory = sample_dump(clients), *new = describe(world.status.new, 1);
	char *memory_again, *new_again, id[ID_ROOM], id_again[ID_ROOM];

	assert_false(hook->disorder);
	for (size_t i = 0; i < world.count; i++)
		check_item(clients, &world.items[i], mode);
	assert_int_equal(sample_count_files(world.status.tmp), 0);
	check_ledger(clients);
	if (world.count > 0)
		check_figures(clients);
	assert_int_equal(id_read(world.root, ID_OF_ROOT, id), 0);
	again = recover_here();
	assert_int_equal(id_read(world.root, ID_OF_ROOT, id_again), 0);
	assert_string_equal(id_again, id);
	memory_again = sample_dump(again);
	new_again = describe(world.status.new, 1);
	assert_false(hook->disorder);
	assert_string_equal(memory_again, memory);
	assert_string_equal(new_again, new);
	assert_int_equal(sample_count_files(world.status.tmp), 0);
	check_ledger(again);
	free(memory), free(memory_again), free(new), free(new_again);
	clients_free(clients);
	clients_free(again);
}

/* Recovery in a process of its own; its exit status. */
static int
recover_in_child(enum mode mode, int at)
{
	int status;
	pid_t pid;

	*hook = (struct hook){.mode = mode, .at = at};
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct why error;
		struct clients *clients = clients_new();
		int code = EX_SOFTWARE;
		alarm(20);
		_exit(run_recovery(clients, &code, &error)
		        ? 0
		        : code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	hook->mode = QUIET;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- one case at a time */

static void
hold(struct crashed item, int is_synced)
{
	make_world(&item, 1, is_synced ? item.seq : 0, 0);
	recover_and_check(QUIET);
	remove_world();
}

static void
finishes_a_whole_draft(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", RIGHT, NONE, STORED}, 0);
	hold((struct crashed){1, "status", RIGHT, NONE, STORED}, 1);
	hold((struct crashed){2, "status", RIGHT, NONE, STORED}, 1);
	hold((struct crashed){1, "old", RIGHT, NONE, STORED}, 0);
	hold((struct crashed){1, "old", RIGHT, NONE, STORED}, 1);
}

static void
voids_a_draft_of_other_bytes(void **state)
{
	(void)state;
	for (int is_synced = 0; is_synced < 2; is_synced++) {
		hold((struct crashed){1, "status", OTHER, NONE, VOID}, is_synced);
		hold((struct crashed){1, "status", SHORT, NONE, VOID}, is_synced);
		hold((struct crashed){2, "status", SHORT, NONE, VOID}, is_synced);
	}
}

static void
writes_anew_what_was_published(void **state)
{
	struct crashed item = {2, "status", NONE, RIGHT, STORED};
	struct stat before, after;
	char name[NAME_ROOM];

	(void)state;
	print_name(name, item.seq);
	for (unsigned is_synced = 0; is_synced < 2; is_synced++) {
		make_world(&item, 1, is_synced ? item.seq : 0, 0);
		assert_int_equal(fstatat(world.status.new, name, &before, 0), 0);
		clients_free(recover_here());
		assert_int_equal(fstatat(world.status.new, name, &after, 0), 0);
		assert_int_not_equal(before.st_ino, after.st_ino);
		remove_world();
		hold(item, (int)is_synced);
	}
}

static void
takes_what_a_mark_vouched_for_as_claimed(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", NONE, NONE, TAKEN}, 1);
	hold((struct crashed){1, "status", NONE, NONE, VOID}, 0);
}

/* A draft may lie in a folder that cannot be looked into, so nobody has it. */
static void
claims_nothing_for_a_folder_that_is_gone(void **state)
{
	struct crashed item = {1, "old", RIGHT, NONE, VOID};

	(void)state;
	hold((struct crashed){1, "gone", NONE, NONE, VOID}, 1);
	hold((struct crashed){1, "gone", NONE, NONE, VOID}, 0);
	make_world(&item, 1, 1, 0);
	assert_int_equal(fchmodat(world.root, "old", 0770, 0), 0);
	recover_and_check(QUIET);
	remove_world();
}

static void
overwrites_no_strangers_file(void **state)
{
	(void)state;
	for (int is_synced = 0; is_synced < 2; is_synced++) {
		hold((struct crashed){1, "status", RIGHT, OTHER, VOID}, is_synced);
		hold((struct crashed){1, "status", NONE, OTHER, VOID}, is_synced);
	}
}

/* Who may take items out can put anything in their place. */
static void
takes_no_folder_or_link_for_the_item(void **state)
{
	struct crashed item = {1, "status", NONE, NONE, TAKEN};
	struct clients *clients;
	char name[NAME_ROOM];

	(void)state;
	print_name(name, item.seq);
	for (int is_link = 0; is_link < 2; is_link++) {
		make_world(&item, 1, 1, 0);
		if (is_link)
			assert_int_equal(symlinkat("elsewhere", world.status.new, name), 0);
		else
			assert_int_equal(mkdirat(world.status.new, name, 0700), 0);
		clients = recover_here();
		assert_true(is_known(clients, &item));
		clients_free(clients);
		remove_world();
	}
}

static void
finishes_once_what_has_two_links(void **state)
{
	(void)state;
	hold((struct crashed){1, "status", RIGHT, LINKED, STORED}, 0);
	hold((struct crashed){1, "status", RIGHT, LINKED, STORED}, 1);
}

static void
leaves_alone_what_is_stored(void **state)
{
	struct crashed item = {1, "status", NONE, RIGHT, STORED};
	char *before, *after;

	(void)state;
	make_world(&item, 1, 1, 1);
	before = describe(world.status.new, 1);
	recover_and_check(QUIET);
	after = describe(world.status.new, 1);
	assert_string_equal(before, after);
	free(before), free(after);
	remove_world();
}

static void
begins_a_first_ledger(void **state)
{
	struct clients *clients;

	(void)state;
	make_world(NULL, 0, 0, 0);
	clients = recover_here();
	assert_int_equal(clients_count(clients), 0);
	check_ledger(clients);
	assert_int_equal(sample_count_files(world.ledger), 1);
	assert_int_equal(sample_count_files(world.status.tmp), 0);
	clients_free(clients);
	remove_world();
}

static void
recovers_everything_at_once(void **state)
{
	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	recover_and_check(QUIET);
	remove_world();
}

static void
changes_nothing_where_the_ledger_is_damaged(void **state)
{
	char *before[4], *after[4];
	struct why error;
	struct clients *clients = clients_new();
	int code = 0;

	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	world.before.text[world.before.len / 4] ^= 1; /* with the mark behind it */
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
	const int dirs[4] = {world.ledger, world.status.tmp, world.status.new, world.old.tmp};
	for (int i = 0; i < 4; i++)
		before[i] = describe(dirs[i], 1);
	assert_null(run_recovery(clients, &code, &error));
	assert_int_equal(code, EX_DATAERR);
	if (!strstr(error.text, "ledger/" OLD_SEGMENT ":"))
		fail_msg("\"%s\" does not tell where", error.text);
	for (int i = 0; i < 4; i++) {
		after[i] = describe(dirs[i], 1);
		assert_string_equal(before[i], after[i]);
		free(before[i]), free(after[i]);
	}
	clients_free(clients);
	remove_world();
}

static void
assert_refuses(const char *why)
{
	struct clients *clients = clients_new();
	char *before = describe(world.ledger, 1), *after;
	struct why error;
	int code = 0;

	assert_null(run_recovery(clients, &code, &error));
	assert_int_equal(code, EX_DATAERR);
	if (!strstr(error.text, why))
		fail_msg("\"%s\" does not tell \"%s\"", error.text, why);
	after = describe(world.ledger, 1);
	assert_string_equal(before, after);
	free(before), free(after);
	clients_free(clients);
}

/* The older one knows by its last line that it is not the newest; without that line it is. */
static void
does_not_go_on_in_an_older_segment(void **state)
{
	char newest[SEGMENT_NAME_ROOM], why[2 * SEGMENT_NAME_ROOM];
	char *text, *last;
	size_t len;

	(void)state;
	make_world(everything, EVERYTHING, SYNCED, 1);
	clients_free(recover_here());
	assert_int_equal(segment_find_newest(world.ledger, newest), 0);
	assert_int_equal(unlinkat(world.ledger, newest, 0), 0);
	snprintf(why, sizeof why, "ledger/%s is missing", newest);
	assert_refuses(why);
	text = sample_read(world.ledger, OLD_SEGMENT, &len);
	text[len - 1] = '\0';
	last = strrchr(text, '\n') + 1;
	assert_non_null(strstr(last, " end "));
	sample_write(world.ledger, OLD_SEGMENT, text, (size_t)(last - text));
	free(text);
	clients_free(recover_here());
	remove_world();
}

static void
does_not_begin_anew_where_a_ledger_has_been(void **state)
{
	(void)state;
	make_world(NULL, 0, 0, 0);
	world.was_used = 1;
	assert_refuses("ledger/ is empty");
	world.was_used = 0;
	clients_free(recover_here());
	remove_world();
}

/* ---- recovery itself, cut off at each call */

/* How many calls there were to be tried. */
static int
try_each_call(enum mode mode, int tripped_exit)
{
	for (int at = 1;; at++) {
		int rc, tripped;
		make_world(everything, EVERYTHING, SYNCED, 1);
		rc = recover_in_child(mode, at);
		tripped = hook->tripped;
		if (!tripped)
			assert_int_equal(rc, 0);
		else if (tripped_exit >= 0)
			assert_int_equal(rc, tripped_exit);
		else
			assert_true(rc == 0 || rc == EX_IOERR);
		recover_and_check(mode);
		remove_world();
		if (!tripped)
			return at;
	}
}

static void
keeps_all_promises_when_killed_anywhere(void **state)
{
	(void)state;
	assert_true(try_each_call(KILL, KILLED) > 80);
}

static void
keeps_all_promises_when_killed_within_a_write(void **state)
{
	(void)state;
	assert_true(try_each_call(TEAR, KILLED) > 15);
}

static void
keeps_all_promises_when_a_call_fails(void **state)
{
	(void)state;
	assert_true(try_each_call(FAIL, -1) > 80);
}

static int
make_room(void **state)
{
	(void)state;
	room = ROOM;
	return 0;
}

/* Nor does it need any for copies: what is there is written anew where it is. */
static void
keeps_all_promises_without_room_for_copies(void **state)
{
	(void)state;
	for (room = NO_INODE; room <= NO_ROOM_AT_SYNC; room++) {
		make_world(everything, EVERYTHING, SYNCED, 1);
		recover_and_check(QUIET);
		remove_world();
		assert_true(try_each_call(KILL, KILLED) > 80);
	}
	room = NO_BLOCK;
	assert_true(try_each_call(FAIL, -1) > 80);
	assert_true(try_each_call(INTERRUPT, 0) > 50);
	assert_true(try_each_call(FAIL_SYNC, EX_IOERR) > 10);
}

static void
goes_on_when_interrupted(void **state)
{
	(void)state;
	assert_true(try_each_call(INTERRUPT, 0) > 50);
}

static void
ends_with_74_when_a_sync_fails(void **state)
{
	(void)state;
	assert_true(try_each_call(FAIL_SYNC, EX_IOERR) > 15);
}

#ifndef DISK_PORTABLE
static void
keeps_all_promises_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(CLAIM, 0) > 80);
}

static void
keeps_all_promises_killed_beside_a_consumer(void **state)
{
	(void)state;
	assert_true(try_each_call(CLAIM_KILL, KILLED) > 80);
}
#endif

/* Under AddressSanitizer freed memory is kept back; each fork() would copy the
 * tables of it. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=4";
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finishes_a_whole_draft),
	    cmocka_unit_test(voids_a_draft_of_other_bytes),
	    cmocka_unit_test(writes_anew_what_was_published),
	    cmocka_unit_test(takes_what_a_mark_vouched_for_as_claimed),
	    cmocka_unit_test(claims_nothing_for_a_folder_that_is_gone),
	    cmocka_unit_test(overwrites_no_strangers_file),
	    cmocka_unit_test(takes_no_folder_or_link_for_the_item),
	    cmocka_unit_test(finishes_once_what_has_two_links),
	    cmocka_unit_test(leaves_alone_what_is_stored),
	    cmocka_unit_test(begins_a_first_ledger),
	    cmocka_unit_test(recovers_everything_at_once),
	    cmocka_unit_test(changes_nothing_where_the_ledger_is_damaged),
	    cmocka_unit_test(does_not_go_on_in_an_older_segment),
	    cmocka_unit_test(does_not_begin_anew_where_a_ledger_has_been),
	    cmocka_unit_test(keeps_all_promises_when_killed_anywhere),
	    cmocka_unit_test(keeps_all_promises_when_killed_within_a_write),
	    cmocka_unit_test(keeps_all_promises_when_a_call_fails),
	    cmocka_unit_test_teardown(keeps_all_promises_without_room_for_copies, make_room),
	    cmocka_unit_test(goes_on_when_interrupted),
	    cmocka_unit_test(ends_with_74_when_a_sync_fails),
#ifndef DISK_PORTABLE
	    cmocka_unit_test(keeps_all_promises_beside_a_consumer),
	    cmocka_unit_test(keeps_all_promises_killed_beside_a_consumer),
#endif
	};

	hook = mmap(NULL, sizeof *hook, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hook == MAP_FAILED)
		return 1;
	/* Kills write no log; what recovery says of each item is not wanted here. */
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
