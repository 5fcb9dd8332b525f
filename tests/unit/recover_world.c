/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "recover_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

struct hook *hook;
enum room room;
int random_fails;
struct world world;

static int doomed = -1; /* the copy that has no room */
static char mended[NAME_ROOM];

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
int __wrap_syncfs(int fd);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_renameat(int fromdir, const char *from, int todir, const char *to);
int __wrap_renameat(int fromdir, const char *from, int todir, const char *to);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __real_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags);
int __real_getentropy(void *data, size_t len);
int __wrap_getentropy(void *data, size_t len);
struct digest *__real_digest_new(void);
struct digest *__wrap_digest_new(void);
int __real_digest_of(const void *data, size_t len, unsigned char sha256[DIGEST_SIZE]);
int __wrap_digest_of(const void *data, size_t len, unsigned char sha256[DIGEST_SIZE]);
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

	if (__real_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	for (size_t i = 0; i < unsynced.count; i++) {
		if (unsynced.nodes[i] == st.st_ino)
			return 1;
	}
	return 0;
}

#ifdef HAVE_RENAMEAT2
static void check_order(int fromdir, const char *from, int todir, const char *to);
#endif
static void check_head(const void *data, size_t len);

/* Calls are counted, and the N-th one fails: so they are made in turn, as where no thread is to be
 * had.  tests/unit/test_crew.c has threads, and tests/fault a start that has. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg)
{
	(void)thread, (void)attr, (void)run, (void)arg;
	return EAGAIN;
}

enum call { CHANGE, LOOK, DIGEST, READ, WRITE, SYNC };

/* Does this mode count such a call? */
static int
counts(enum call call)
{
	switch (hook->mode) {
	case QUIET:
	case SPOIL:
		return 0;
	case TEAR:
		return call == WRITE;
	case FAIL:
		return call != SYNC;
	case DENY:
		return call == CHANGE || call == LOOK;
	case FULL:
		return call != READ && call != DIGEST && call != LOOK;
	case FAIL_SYNC:
		return call == SYNC;
	case INTERRUPT:
		return call != CHANGE && call != DIGEST && call != LOOK;
	case KILL:
	case CLAIM:
	case CLAIM_KILL:
		break;
	}
	/* What changes nothing is no new moment. */
	return call != READ && call != DIGEST && call != LOOK;
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
	case DENY:
		errno = EACCES;
		return 1;
	case FULL:
		errno = ENOSPC;
		return 1;
	case FAIL:
	case FAIL_SYNC:
		errno = EIO;
		return 1;
	case INTERRUPT:
		errno = EINTR;
		return 1;
	case QUIET:
	case SPOIL:
		break;
	}
	return 0;
}

/* A draft made anew, of its own bytes or of the journal's; not the stray that has such a name,
 * too. */
static int
is_copy(const char *name, int flags)
{
	return flags & O_CREAT && strncmp(name, "2026", 4) == 0 &&
	    (world.has_journal || strstr(name, FRESH_SUFFIX));
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

static int
is_first_draft(int fd)
{
	struct stat st, draft;
	char name[NAME_ROOM];

	print_name(name, world.items[0].seq);
	return fstat(fd, &st) == 0 &&
	    __real_fstatat(world.status.tmp, name, &draft, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == draft.st_ino;
}

ssize_t
__wrap_read(int fd, void *data, size_t len)
{
	return trips(READ) ? -1 : __real_read(fd, data, len);
}

ssize_t
__wrap_pread(int fd, void *data, size_t len, off_t at)
{
	ssize_t got = trips(READ) ? -1 : __real_pread(fd, data, len, at);

	if (hook->mode == SPOIL && got == 0 && is_first_draft(fd)) {
		hook->mode = QUIET;
		make_file(world.status.tmp, world.items[0].seq, OTHER);
	}
	return got;
}

/* A new segment of the journal is filled: one of many writes that are alike. */
static int
is_filling(int fd, const void *data, size_t len)
{
	static const char zeros[64 * 1024];

	return len == sizeof zeros && memcmp(data, zeros, len) == 0 && lseek(fd, 0, SEEK_CUR) > 0;
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (is_filling(fd, data, len))
		return __real_write(fd, data, len);
	if (hook->mode == TEAR && hook->count + 1 == hook->at)
		(void)!__real_write(fd, data, len / 2);
	note(fd, 0);
	check_head(data, len);
	if (trips(WRITE))
		return -1;
	if (room == NO_BLOCK && fd == doomed) {
		errno = EDQUOT;
		return -1;
	}
	if (room == NO_ROOM_FOR_A_RECORD && fcntl(fd, F_GETFL) & O_APPEND) {
		room = ROOM;
		errno = ENOSPC;
		return -1;
	}
	return __real_write(fd, data, len);
}

ssize_t
__wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (hook->mode == TEAR && hook->count + 1 == hook->at)
		(void)!__real_pwrite(fd, data, len / 2, at);
	note(fd, 0);
	return trips(WRITE) ? -1 : __real_pwrite(fd, data, len, at);
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
	if ((room == NO_ROOM_AT_SYNC || room == NO_ROOM_AT_ONE_SYNC) && fd == doomed) {
		if (room == NO_ROOM_AT_ONE_SYNC)
			room = ROOM;
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
__wrap_syncfs(int fd)
{
	(void)fd;
	if (room == NO_ROOM_AT_SYNC && world.has_journal) {
		errno = ENOSPC;
		return -1;
	}
	unsynced.count = 0;
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
	check_order(fromdir, from, todir, to);
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

int
__wrap_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	return trips(LOOK) ? -1 : __real_fstatat(dir, name, st, flags);
}

int
__wrap_getentropy(void *data, size_t len)
{
	if (random_fails) {
		errno = ENOSYS;
		return -1;
	}
	return trips(LOOK) ? -1 : __real_getentropy(data, len);
}

struct digest *
__wrap_digest_new(void)
{
	return trips(DIGEST) ? NULL : __real_digest_new();
}

int
__wrap_digest_of(const void *data, size_t len, unsigned char sha256[DIGEST_SIZE])
{
	return trips(DIGEST) ? -1 : __real_digest_of(data, len, sha256);
}

int
__wrap_digest_end(struct digest *digest, unsigned char sha256[DIGEST_SIZE])
{
	return trips(DIGEST) ? -1 : __real_digest_end(digest, sha256);
}

/* ---- what a crash left */

void
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

void
make_file(int dir, unsigned seq, enum file file)
{
	char name[NAME_ROOM];
	static char bytes[LARGE + 1];
	size_t len;

	print_name(name, seq);
	fill_bytes(bytes, seq);
	len = strlen(bytes);
	if (file == OTHER)
		bytes[len - 1] ^= 0x40; /* no other item's */
	if (file == SHORT)
		len /= 2;
	if (file == LINKED)
		assert_int_equal(linkat(world.status.tmp, name, dir, name, 0), 0);
	else if (file != NONE)
		sample_write(dir, name, bytes, len);
	unsynced.count = 0; /* it was there before */
}

static const struct folders *
folders_of(const struct crashed *item)
{
	return strcmp(item->inbox, "old") == 0 ? &world.old : &world.status;
}

void
add_accept(struct sample *to, const struct crashed *item)
{
	static char bytes[LARGE + 1];
	char name[NAME_ROOM];

	print_name(name, item->seq);
	fill_bytes(bytes, item->seq);
	sample_accept(to, item->seq, 100 + item->seq, item->inbox, name, bytes);
}

/* The ledger's segment with a record an item; `synced` and `stored` by a mark. */
static void
write_segment(unsigned synced, unsigned stored)
{
	char line[RECORD_LINE_MAX + 1];
	struct record torn = {.type = RECORD_VOID, .seq = 1};
	size_t good, len;

	sample_version = world.has_journal ? RECORD_VERSION : 1;
	sample_journal = world.generation;
	sample_begin(&world.before, world.count > 0 ? world.items[0].seq : 1);
	sample_queue(&world.before, 101);
	sample_state(&world.before);
	for (size_t i = 0; i < world.count; i++) {
		const struct crashed *item = &world.items[i];
		if (!item->is_lacking)
			add_accept(&world.before, item);
		if (item->is_void)
			sample_void(&world.before, item->seq);
		if (item->seq == synced && !item->is_lacking)
			sample_mark(&world.before, synced, stored);
	}
	good = world.before.len;
	len = record_format(&torn, line);
	sample_text(&world.before, line, len - 3);
	sample_write(world.ledger, OLD_SEGMENT, world.before.text, world.before.len);
	world.before.len = good;
}

void
rewrite_segment(void)
{
	write_segment(world.synced, (unsigned)world.published);
}

static void
make_root(const struct crashed *items, size_t count)
{
	struct why why;

	*hook = (struct hook){.mode = QUIET};
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
	world.inbox.suffix = "";
	world.site.inboxes = &world.inbox;
	world.site.inbox_count = 1;
	world.site.settings = &world.settings;
	world.settings.ledger_days = 36500;
	world.settings.journal = SEGMENTS * JOURNAL_SEGMENT;
	for (size_t i = 0; i < count; i++) {
		make_file(folders_of(&items[i])->tmp, items[i].seq, items[i].draft);
		make_file(folders_of(&items[i])->new, items[i].seq, items[i].published);
	}
	sample_write(world.status.tmp, "stray", "no record", 9);
	sample_write(world.status.tmp, "stray.again", "", 0);
	sample_write(world.ledger, "unfinished", "half", 4);
}

void
make_world(const struct crashed *items, size_t count, unsigned synced, unsigned stored)
{
	make_root(items, count);
	world.synced = synced;
	world.published = stored;
	if (count > 0)
		write_segment(synced, stored);
	unsynced.count = 0;
}

/* ---- a journal */

static int
is_framed(const struct crashed *item)
{
	return item->frame != NO_FRAME && item->frame != TORN;
}

static void
add_frame(struct writer *writer, const struct crashed *item)
{
	static char bytes[LARGE + 1];
	static struct sample line;
	struct crashed told = *item;
	int has_item = item->frame != BARE && item->frame != DAMAGED_BARE;

	fill_bytes(bytes, item->seq);
	line.len = 0;
	told.seq += item->frame == RELABELLED;
	add_accept(&line, &told);
	bytes[0] ^= item->frame == FORGED;
	writer_add(writer, item->seq, line.text, line.len, has_item ? bytes : NULL,
	    has_item ? strlen(bytes) : 0);
}

void
read_journal(struct journal *journal)
{
	int dir = __real_openat(world.root, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char id[ID_ROOM];

	assert_int_equal(id_read(world.root, ID_OF_ROOT, id), 0);
	journal_read(journal, dir, id);
	disk_close(dir);
}

void
flip_journal(uint32_t segment, uint32_t offset, unsigned char bits)
{
	char path[32], name[JOURNAL_NAME_ROOM];
	unsigned char byte;
	int fd;

	journal_segment_name(segment, name);
	snprintf(path, sizeof path, JOURNAL_FOLDER "/%s", name);
	fd = __real_openat(world.root, path, O_RDWR | O_CLOEXEC);
	assert_int_equal(__real_pread(fd, &byte, 1, offset), 1);
	byte ^= bits;
	assert_int_equal(__real_pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void
damage_frame(const struct journal *journal, unsigned seq)
{
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_frame *frame = &journal->frames[i];
		if (frame->seq == seq)
			flip_journal(frame->segment,
			    frame->offset + (uint32_t)journal_frame_size(frame) - 3, 0x10);
	}
}

/* In batches of three, the marks behind them, and one that is torn behind all. */
static void
write_journal(unsigned durable, unsigned published)
{
	struct journal journal;
	struct writer *writer;
	struct why why;
	char id[ID_ROOM];
	unsigned torn = 0, before = world.items[0].seq - 1;

	assert_int_equal(id_make(world.ledger, "unfinished", world.root, ID_OF_ROOT), 0);
	assert_int_equal(id_read(world.root, ID_OF_ROOT, id), 0);
	writer = writer_make(world.root, id, SEGMENTS, before, &why);
	assert_non_null(writer);
	snprintf(world.generation, sizeof world.generation, "%s", writer_generation(writer));
	for (size_t i = 0; i < world.count; i++) {
		if (!is_framed(&world.items[i]))
			continue;
		add_frame(writer, &world.items[i]);
		if (writer_batched(writer) == 3)
			assert_int_equal(writer_sync(writer), 0);
	}
	if (writer_batched(writer) > 0)
		assert_int_equal(writer_sync(writer), 0);
	writer_mark(writer, durable > before ? durable : before,
	    published > before ? published : before);
	assert_int_equal(writer_sync(writer), 0);
	read_journal(&journal);
	for (size_t i = 0; i < world.count; i++) {
		const struct crashed *item = &world.items[i];
		if (item->frame == DAMAGED || item->frame == DAMAGED_BARE)
			damage_frame(&journal, item->seq);
		if (item->frame == TORN) {
			add_frame(writer, item);
			assert_int_equal(writer_sync(writer), 0);
			torn = item->seq;
		}
	}
	journal_free(&journal);
	read_journal(&journal);
	damage_frame(&journal, torn);
	journal_free(&journal);
	writer_close(writer);
}

void
make_journal_world(
    const struct crashed *items, size_t count, unsigned durable, unsigned published)
{
	make_root(items, count);
	world.has_journal = 1;
	world.synced = durable;
	world.published = published;
	write_journal(durable, published);
	write_segment(durable, published);
	sample_write(world.ledger, "unfinished", "half", 4);
	unsynced.count = 0;
}

void
remove_world(void)
{
	inbox_close(&world.inbox);
	close_inbox(&world.status);
	close_inbox(&world.old);
	close(world.ledger);
	close(world.root);
	sample_remove_folder(world.path);
}

/* ---- the order of things */

static int
folders_are_unsynced(void)
{
	return is_unsynced(world.status.new, ".") || is_unsynced(world.old.new, ".") ||
	    is_unsynced(world.status.tmp, ".") || is_unsynced(world.old.tmp, ".");
}

/* Is there a draft that was written and not synced? */
static int
has_unsynced_draft(int tmp)
{
	char name[NAME_ROOM];

	if (is_unsynced(tmp, "."))
		return 1;
	for (size_t i = 0; i < world.count; i++) {
		print_name(name, world.items[i].seq);
		if (is_unsynced(tmp, name))
			return 1;
	}
	return 0;
}

static uint64_t
get64(const unsigned char *at)
{
	uint64_t number = 0;

	for (int i = 7; i >= 0; i--)
		number = number << 8 | at[i];
	return number;
}

/* What a head of the journal says must be so by then. */
static void
check_head(const void *data, size_t len)
{
	const unsigned char *head = data;

	if (len < JOURNAL_HEAD_SIZE || memcmp(head, "inboxd-j", 8) != 0)
		return;
	if (hook->first_batch == 0)
		hook->first_batch = get64(head + 80);
	if (hook->mode == QUIET)
		return;
	if (get64(head + 112) > world.synced &&
	    (has_unsynced_draft(world.status.tmp) || has_unsynced_draft(world.old.tmp)))
		hook->disorder = __LINE__;
	if (get64(head + 120) > world.published &&
	    (folders_are_unsynced() || is_unsynced(world.ledger, OLD_SEGMENT)))
		hook->disorder = __LINE__;
}

#ifdef HAVE_RENAMEAT2
/* Does the journal's head, synced, say that the draft of that name is durable? */
static int
is_called_durable(const char *name)
{
	enum mode mode = hook->mode;
	struct journal journal;
	unsigned seq;
	int rc, is_synced;

	if (!world.has_journal || sscanf(name, "20261122T141103.%uZ", &seq) != 1)
		return 1;
	hook->mode = QUIET;
	read_journal(&journal);
	is_synced = !is_unsynced(world.root, JOURNAL_FOLDER "/0000");
	rc = journal.found == JOURNAL_READ && journal.head.durable >= seq && is_synced;
	journal_free(&journal);
	hook->mode = mode;
	return rc;
}

/* What is published must be on the disk, and all that it stands on. */
static void
check_order(int fromdir, const char *from, int todir, const char *name)
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
		hook->disorder = __LINE__;
	if (to.st_ino == root.st_ino)
		return; /* its id, which nothing names yet */
	if (to.st_ino == ledger.st_ino) {
		if (folders_are_unsynced() || is_unsynced(world.root, ".") ||
		    (!world.has_followed && is_unsynced(world.ledger, OLD_SEGMENT)))
			hook->disorder = __LINE__;
		world.has_followed = 1; /* and gets a last line that needs no sync */
	} else if (is_unsynced(fromdir, ".") || !is_called_durable(from) ||
	    /* that it has another name there needs no sync */
	    (strcmp(from, name) == 0 && !world.has_renamed &&
	        is_unsynced(world.ledger, OLD_SEGMENT))) {
		hook->disorder = __LINE__;
	}
	if (strcmp(from, name) != 0)
		world.has_renamed = 1;
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

char *
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

/* Has that file there the item's bytes? */
static int
is_item(int dir, const char *name, const struct crashed *item, enum file file)
{
	static char bytes[LARGE + 1];
	size_t len = 0, want;
	char *got = sample_read(dir, name, &len);
	int is_right;

	fill_bytes(bytes, item->seq);
	want = strlen(bytes);
	if (file == OTHER)
		bytes[want - 1] ^= 0x40; /* no other item's */
	is_right = got && len == want && memcmp(got, bytes, len) == 0;
	free(got);
	return is_right;
}

/* Under whatever name. */
static int
count_copies(int dir, const struct crashed *item)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), copies = 0;
	DIR *listing = fdopendir(fd);
	struct dirent *file;

	assert_non_null(listing);
	while ((file = readdir(listing))) {
		if (file->d_name[0] != '.')
			copies += is_item(dir, file->d_name, item, RIGHT);
	}
	closedir(listing);
	return copies;
}

static int
has_strangers(const struct folders *at, const struct crashed *item)
{
	char name[NAME_ROOM];

	print_name(name, item->seq);
	return is_item(at->new, name, item, OTHER) + is_item(at->cur, name, item, OTHER);
}

/* P3: what consumers see is whole, each file that of an item or a stranger's. */
static void
check_all_whole(const struct folders *at)
{
	size_t wanted = sample_count_files(at->new) + sample_count_files(at->cur), whole = 0;

	for (size_t i = 0; i < world.count; i++) {
		const struct crashed *item = &world.items[i];
		if (folders_of(item) != at)
			continue;
		whole += (size_t)count_copies(at->new, item) + (size_t)count_copies(at->cur, item);
		if (item->published == OTHER)
			whole += (size_t)has_strangers(at, item);
	}
	assert_int_equal(whole, wanted);
}

int
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
		assert_string_equal(known->item->name, name);
		assert_int_equal(known->item->seq, item->seq);
	}
	return known != NULL;
}

static void
check_item(struct clients *clients, const struct crashed *item, enum mode mode)
{
	const struct folders *at = folders_of(item);
	int copies = count_copies(at->new, item) + count_copies(at->cur, item);
	int known = is_known(clients, item);
	int is_raced = mode == CLAIM || mode == CLAIM_KILL;

	if (item->published == OTHER)
		assert_int_equal(has_strangers(at, item), 1);
	/* A folder that is not configured and cannot be opened counts as gone; one of which the
	 * journal has an item stops the start. */
	if ((mode == FAIL || mode == FULL) && at == &world.old && !world.has_journal) {
		assert_int_equal(copies, known);
		return;
	}
	switch (item->end) {
	case STORED:
		/* Claimed before it was looked at, by the link that a crash left
		 * beside the draft, it comes twice (P7). */
		assert_true(copies == 1 || (copies == 2 && is_raced && item->published == LINKED));
		/* Claimed likewise, but above the mark, and there is no journal: the client sends
		 * it again. */
		assert_true(known || (is_raced && !world.has_journal && item->seq > world.synced &&
		                         item->published == RIGHT));
		break;
	case TAKEN:
		assert_int_equal(copies, 0);
		assert_true(known);
		break;
	case VOIDED:
		assert_int_equal(copies, 0);
		assert_false(known);
		break;
	}
}

static uint64_t
last_seq(void)
{
	uint64_t last = world.items[world.count - 1].seq;

	/* What was never synced has no number, either. */
	for (size_t i = world.count; i > 0 && world.items[i - 1].frame == TORN &&
	     world.items[i - 1].is_lacking; i--)
		last = world.items[i - 1].seq - 1;
	return last;
}

/* The old segment tells all of its time. */
static void
check_old_segment(void)
{
	struct replay replay;
	struct clients *found = clients_new();
	struct why why;
	size_t len;
	char *old = sample_read(world.ledger, OLD_SEGMENT, &len);
	int fd = openat(world.ledger, OLD_SEGMENT, O_RDONLY | O_CLOEXEC);

	/* But for the line that says what followed, if that was cut off. */
	if (replay_segment(fd, OLD_SEGMENT, found, &replay, &why) < 0)
		fail_msg("%s", why.text);
	close(fd);
	assert_true(len >= world.before.len);
	assert_memory_equal(old, world.before.text, world.before.len);
	assert_int_equal(sample_unfinished(&replay), 0);
	for (size_t i = 0; i < world.count; i++) {
		if (world.has_journal)
			assert_int_equal(is_known(found, &world.items[i]),
			    world.items[i].end != VOIDED);
	}
	free(old);
	replay_free(&replay);
	clients_free(found);
}

/* The newest segment tells what is remembered, nothing is unfinished, and the journal goes with
 * it and has no frame that is not free. */
static void
check_ledger(const struct clients *clients)
{
	struct replay replay;
	struct clients *found = sample_replay(world.ledger, NULL, &replay);
	char *expected = sample_dump(clients), *got = sample_dump(found);
	struct journal journal;

	assert_int_equal(faccessat(world.ledger, "unfinished", F_OK, 0), -1);
	assert_string_equal(got, expected);
	assert_int_equal(sample_unfinished(&replay), 0);
	read_journal(&journal);
	if (journal.found != JOURNAL_READ)
		fail_msg("%s", journal.why.text);
	assert_string_equal(replay.journal, journal.head.generation);
	assert_int_equal(journal.head.published, journal.head.last);
	assert_int_equal(journal.head.segments, SEGMENTS);
	assert_int_equal(replay.stored, journal.head.last);
	if (world.has_journal)
		assert_string_equal(replay.journal, world.generation);
	if (world.count > 0) {
		assert_int_equal(replay.next_seq, last_seq() + 1);
		check_old_segment();
	}
	journal_free(&journal);
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
	const struct known *known = NULL;
	uint64_t bytes = 0;

	assert_non_null(queue);
	assert_int_equal(queue->figures.tally.stored, queue->entries.items);
	while ((known = entries_next(&queue->entries, known)))
		bytes += known->item->size;
	assert_int_equal(queue->figures.tally.stored_bytes, bytes);
}

/* ---- recovery */

int
run_recovery(struct clients *clients, struct recovered *out, struct why *error)
{
	struct root root = {.fd = world.root, .ledger = world.ledger,
	    .was_used = world.was_used, .was_cut = 1};
	enum mode mode = hook->mode;
	int code;

	hook->mode = QUIET; /* root_take() is not what is tried here */
	if (id_read(world.root, ID_OF_ROOT, root.id) < 0 && errno != ENOENT)
		fail_msg("the root's id: %s", strerror(errno));
	root.journal = disk_open_dir(world.root, JOURNAL_FOLDER);
	hook->mode = mode;
	code = recover_run(&world.site, &root, clients, out, error);
	assert_int_equal(code != 0, !out->ledger);
	assert_int_equal(code != 0, !out->writer);
	disk_close(root.journal);
	return code;
}

struct clients *
recover_here(void)
{
	struct why error = {""};
	struct clients *clients = clients_new();
	struct recovered recovered;

	if (run_recovery(clients, &recovered, &error) != 0)
		fail_msg("recovery: %s", error.text);
	assert_false(is_unsynced(world.ledger, "."));
	ledger_close(recovered.ledger);
	writer_close(recovered.writer);
	return clients;
}

void
recover_and_check(enum mode mode)
{
	struct clients *clients = recover_here(), *again;
	char *memory = sample_dump(clients), *new = describe(world.status.new, 1);
	char *memory_again, *new_again, id[ID_ROOM], id_again[ID_ROOM];

	assert_int_equal(hook->disorder, 0); /* else the line that saw it */
	for (size_t i = 0; i < world.count; i++)
		check_item(clients, &world.items[i], mode);
	check_all_whole(&world.status);
	check_all_whole(&world.old);
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
	assert_int_equal(hook->disorder, 0); /* else the line that saw it */
	assert_string_equal(memory_again, memory);
	assert_string_equal(new_again, new);
	assert_int_equal(sample_count_files(world.status.tmp), 0);
	check_ledger(again);
	free(memory), free(memory_again), free(new), free(new_again);
	clients_free(clients);
	clients_free(again);
}

int
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
		struct recovered recovered;
		alarm(20);
		_exit(run_recovery(clients, &recovered, &error));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	hook->mode = QUIET;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
is_one_of(int rc, const int *exits)
{
	while (*exits >= 0 && *exits != rc)
		exits++;
	return *exits == rc;
}

int
try_each_call(void (*make)(void), enum mode mode, const int *exits)
{
	for (int at = 1;; at++) {
		int rc, tripped;
		make();
		rc = recover_in_child(mode, at);
		tripped = hook->tripped;
		if (tripped ? !is_one_of(rc, exits) : rc != 0)
			fail_msg("call %d: ends with %d", at, rc);
		recover_and_check(mode);
		remove_world();
		if (!tripped)
			return at;
	}
}

void
assert_ends(int code, const char *why)
{
	struct clients *clients = clients_new();
	struct recovered recovered;
	struct why error;

	assert_int_equal(run_recovery(clients, &recovered, &error), code);
	if (!strstr(error.text, why))
		fail_msg("\"%s\" does not tell \"%s\"", error.text, why);
	clients_free(clients);
}

void
assert_refuses(int code, const char *why)
{
	const int dirs[] = {world.ledger, world.status.tmp, world.status.new, world.old.tmp};
	char *before[4], *after;

	for (int i = 0; i < 4; i++)
		before[i] = describe(dirs[i], 1);
	assert_ends(code, why);
	for (int i = 0; i < 4; i++) {
		after = describe(dirs[i], 1);
		assert_string_equal(before[i], after);
		free(before[i]), free(after);
	}
}

/* Under AddressSanitizer freed memory is kept back; each fork() would copy the
 * tables of it. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=4";
}

int
recover_begin(void)
{
	hook = mmap(NULL, sizeof *hook, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hook == MAP_FAILED)
		return -1;
	/* Kills write no log; what recovery says of each item is not wanted here. */
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	return 0;
}
