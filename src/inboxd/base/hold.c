/* SPDX-License-Identifier: ISC */
/*
 * The lock is the process's, of fcntl(2)'s older kind, which names its holder: so closing any
 * descriptor of the file lets go of it, and nothing else may open it.  A second descriptor, the
 * witness, is open for as long: to locks of an open file (F_OFD_GETLK) ours is another's, so that
 * the file system has to say who has it.  What it says once ours was taken, it has to say from then
 * on: on a network its pid may be anything.
 */
#include "config.h"

#include "inboxd/base/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/disk.h"
#include "lib/parse.h"

#define MACHINE_ID "/etc/machine-id"

struct hold {
	int root; /* the caller's */
	int lock, witness;
	dev_t device;
	ino_t inode;
	int can_tell; /* does the file system tell the witness of the lock? */
	pid_t told;   /* whose it says that it is */
	struct holder own, before;
	char line[HOLDER_LINE_ROOM]; /* ours, as it stands in the file */
	size_t len;
	_Atomic int is_marked; /* it is the file's first line, and there is no other */
};

/* ---- whose */

static void
read_machine(char machine[ID_ROOM])
{
	char text[PROTO_ID_LEN];
	int fd = open(MACHINE_ID, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	machine[0] = '\0';
	if (fd >= 0 && read(fd, text, sizeof text) == (ssize_t)sizeof text &&
	    is_hex(text, sizeof text, PROTO_ID_LEN)) {
		memcpy(machine, text, sizeof text);
		machine[sizeof text] = '\0';
	}
	disk_close(fd);
}

void
hold_describe(struct holder *own, const char *id)
{
	*own = (struct holder){.state = HOLDER_STARTING, .pid = (uint64_t)getpid()};
	if (gethostname(own->host, sizeof own->host) < 0 ||
	    !is_plain_name(own->host, strnlen(own->host, sizeof own->host), sizeof own->host - 1))
		own->host[0] = '\0';
	if (id_draw(own->run) < 0)
		fatal(EX_OSERR, "no_random", "error=\"%s\"", strerror(errno));
	snprintf(own->id, sizeof own->id, "%s", id);
	read_machine(own->machine);
	disk_boot_id(own->boot);
	clock_gettime(CLOCK_REALTIME, &own->since);
}

/* ---- the file */

/* Its first line, and its last.  0, or -1 with errno. */
static int
read_lines(int fd, struct holder *first, struct holder *last)
{
	char text[2 * HOLDER_LINE_ROOM];
	ssize_t got = pread(fd, text, sizeof text - 1, 0);
	size_t len, line;

	*first = *last = (struct holder){.state = HOLDER_NONE};
	if (got < 0)
		return -1;
	len = (size_t)got;
	line = len > 0 && memchr(text, '\n', len) ? (size_t)((char *)memchr(text, '\n', len) - text)
	                                          : len;
	holder_read(text, line, first);
	*last = *first;
	/* A start before anything ran is no run. */
	if (first->state == HOLDER_STARTING)
		*first = (struct holder){.state = HOLDER_NONE};
	text[len] = '\0';
	if (line + 1 < len)
		holder_read(text + line + 1, strcspn(text + line + 1, "\n"), last);
	return 0;
}

void
hold_peek(int root, struct holder *last)
{
	struct holder first;
	int fd = openat(root, HOLD_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*last = (struct holder){.state = HOLDER_NONE};
	if (fd >= 0 && read_lines(fd, &first, last) < 0)
		*last = (struct holder){.state = HOLDER_NONE};
	disk_close(fd);
}

/* Behind the line of who ran last, if there is one.  It is only told. */
static int
write_start(struct hold *hold)
{
	char text[HOLDER_LINE_ROOM], line[HOLDER_LINE_ROOM + 1];
	ssize_t got = pread(hold->lock, text, sizeof text, 0);
	size_t at = 0, len;

	if (got < 0)
		return -1;
	if (hold->before.state != HOLDER_NONE && memchr(text, '\n', (size_t)got))
		at = (size_t)((char *)memchr(text, '\n', (size_t)got) - text) + 1;
	else if (hold->before.state != HOLDER_NONE)
		at = (size_t)got;
	line[0] = '\n';
	len = holder_print(&hold->own, line + 1) + 1;
	if (at > 0 && text[at - 1] != '\n')
		got = pwrite(hold->lock, line, len, (off_t)at);
	else
		got = pwrite(hold->lock, line + 1, --len, (off_t)at);
	if (got == (ssize_t)len)
		return ftruncate(hold->lock, (off_t)(at + len));
	return got < 0 && !disk_is_full(errno) ? -1 : 0;
}

/* In place of all that stands there, and never empty in between, whatever stops it. */
static int
write_line(struct hold *hold, enum holder_state state)
{
	ssize_t done;

	hold->own.state = state;
	hold->len = holder_print(&hold->own, hold->line);
	done = pwrite(hold->lock, hold->line, hold->len, 0);
	if (done != (ssize_t)hold->len) {
		errno = done < 0 ? errno : ENOSPC;
		return -1;
	}
	return ftruncate(hold->lock, (off_t)hold->len);
}

int
hold_mark_running(struct hold *hold, const char *id)
{
	snprintf(hold->own.id, sizeof hold->own.id, "%s", id);
	if (write_line(hold, HOLDER_RUNNING) < 0)
		return -1;
	atomic_store(&hold->is_marked, 1);
	return 0;
}

int
hold_mark_stopped(struct hold *hold)
{
	const char *word = holder_word(HOLDER_STOPPED);
	size_t len = strlen(word);

	/* What others compare stays as it is. */
	return pwrite(hold->lock, word, len, 0) == (ssize_t)len ? 0 : -1;
}

/* ---- the lock */

/* 1: somebody has it, *told says who; 0: nobody; -1 with errno, ENOTSUP: none of them is told. */
static int
ask_witness(int witness, pid_t *told)
{
#if defined(F_OFD_GETLK) && !defined(DISK_PORTABLE)
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	while (fcntl(witness, F_OFD_GETLK, &lock) < 0) {
		if (errno != EINTR)
			return -1;
	}
	*told = lock.l_pid;
	return lock.l_type != F_UNLCK;
#else
	(void)witness, (void)told;
	errno = ENOTSUP;
	return -1;
#endif
}

const struct holder *
hold_before(const struct hold *hold)
{
	return &hold->before;
}

const struct holder *
hold_own(const struct hold *hold)
{
	return &hold->own;
}

static int
fail_held(int root, const char *path, const struct holder *own, pid_t pid, struct holder *other,
    struct why *error)
{
	hold_peek(root, other);
	if (other->state != HOLDER_NONE && holder_is_elsewhere(other, own))
		return HOLD_ELSEWHERE;
	why_say(error, "root %s: process %ld holds its lock", path, (long)pid);
	return EX_UNAVAILABLE;
}

/* What somebody has put there, or made unreadable, somebody must take away. */
static int
fail_file(const char *path, struct why *error)
{
	int is_wrong = errno == EISDIR || errno == ELOOP || errno == EACCES;
	int code = disk_is_gone(errno) ? EX_IOERR : is_wrong ? EX_CONFIG : EX_OSERR;

	why_say(error, "root %s: its file " HOLD_FILE ": %s", path, strerror(errno));
	return code;
}

static int
fail_text(const char *path, struct why *error)
{
	int code = disk_is_full(errno) ? EX_TEMPFAIL : EX_IOERR;

	why_say(error, "root %s: its file " HOLD_FILE ": %s", path, strerror(errno));
	return code;
}

/* Others wait or go by the lock that was just taken: nothing is looked at before. */
static int
begin(struct hold *hold, int root, const char *path, struct why *error)
{
	struct holder last;
	struct stat st;

	if (fstat(hold->lock, &st) < 0)
		return fail_file(path, error);
	if (!S_ISREG(st.st_mode)) {
		why_say(error, "root %s: its file " HOLD_FILE ": is no regular file", path);
		return EX_CONFIG;
	}
	hold->device = st.st_dev;
	hold->inode = st.st_ino;
	hold->witness = openat(root, HOLD_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	hold->can_tell =
	    hold->witness >= 0 && ask_witness(hold->witness, &hold->told) == 1;
	if (read_lines(hold->lock, &hold->before, &last) < 0 || write_start(hold) < 0)
		return fail_text(path, error);
	return 0;
}

int
hold_take(struct hold **out, int root, const char *path, const struct holder *own,
    struct holder *other, struct why *error)
{
	struct hold *hold;
	pid_t holder;
	int code, lock = disk_lock(root, HOLD_FILE, &holder);

	if (lock < 0 && errno == EWOULDBLOCK)
		return fail_held(root, path, own, holder, other, error);
	if (lock < 0)
		return fail_file(path, error);
	hold = must_alloc(sizeof *hold);
	hold->root = root;
	hold->lock = lock;
	hold->witness = -1;
	hold->own = *own;
	code = begin(hold, root, path, error);
	if (code == 0)
		*out = hold;
	else
		hold_release(hold);
	return code;
}

void
hold_release(struct hold *hold)
{
	if (!hold)
		return;
	disk_close(hold->witness);
	disk_close(hold->lock);
	free(hold);
}

/* ---- is it ours still */

/* Whoever comes next locks the file that has the name. */
static int
look_at_name(const struct hold *hold, struct why *why)
{
	struct stat st;

	if (fstatat(hold->root, HOLD_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (disk_is_shortage(errno))
			return 0;
		if (errno == ENOENT)
			return why_say(why, "its file " HOLD_FILE " has been deleted or moved");
		return why_say(why, "its file " HOLD_FILE ": %s", strerror(errno));
	}
	if (st.st_dev != hold->device || st.st_ino != hold->inode)
		return why_say(why, "another file is its file " HOLD_FILE " by now");
	return 0;
}

static int
look_at_lock(const struct hold *hold, struct why *why)
{
	pid_t told;
	int rc;

	if (look_at_name(hold, why) < 0)
		return -1;
	if (!hold->can_tell)
		return 0;
	rc = ask_witness(hold->witness, &told);
	if (rc < 0 && disk_is_shortage(errno))
		return 0;
	if (rc < 0)
		return why_say(why, "its lock: %s", strerror(errno));
	if (rc == 0)
		return why_say(why, "its lock is gone");
	if (told != hold->told)
		return why_say(why, "process %ld holds its lock", (long)told);
	return 0;
}

static int
tell_other(const struct hold *hold, struct why *why)
{
	struct holder first, last;

	if (read_lines(hold->lock, &first, &last) < 0 || last.state == HOLDER_NONE)
		return why_say(why, "its file " HOLD_FILE " is not ours any more");
	return why_say(why, "its file " HOLD_FILE " is of process %" PRIu64 " on host %s", last.pid,
	    last.host[0] ? last.host : "unknown");
}

int
hold_look(const struct hold *hold, struct why *why)
{
	size_t word = strlen(holder_word(HOLDER_RUNNING));
	char text[HOLDER_LINE_ROOM];
	ssize_t got;

	if (look_at_lock(hold, why) < 0)
		return -1;
	if (!atomic_load(&hold->is_marked))
		return 0;
	/* A byte more than there should be: another start's line stands behind. */
	got = pread(hold->lock, text, hold->len + 1, 0);
	if (got < 0)
		return why_say(why, "its file " HOLD_FILE ": %s", strerror(errno));
	if (got != (ssize_t)hold->len ||
	    memcmp(text + word, hold->line + word, hold->len - word) != 0)
		return tell_other(hold, why);
	return 0;
}

void
hold_insist(const struct hold *hold)
{
	struct why why;

	if (hold && hold_look(hold, &why) < 0)
		fatal(EX_IOERR, "root_lost",
		    "error=\"%s\" note=\"nothing is acknowledged any more\"", why.text);
}
