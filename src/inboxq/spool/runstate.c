/* SPDX-License-Identifier: ISC */
/* A line a member, by a table; the first has the checksum of what is behind it. */
#include "config.h"

#include "inboxq/spool/runstate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/spool.h"
#include "lib/crc.h"
#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/parse.h"

#define FILE_NAME "run.state"
#define BLOCK 4096
#define HEAD "inboxq-run 1 "
#define HEAD_LEN (sizeof HEAD - 1 + 8 + 1)
#define READ_TRIES 5

static const struct {
	const char *name;
	size_t at, room; /* room 0: a number */
} members[] = {
#define NUMBER(member) {#member, offsetof(struct runstate, member), 0}
#define TEXT(member, room) {#member, offsetof(struct runstate, member), room}
    NUMBER(process),
    NUMBER(phase),
    NUMBER(began),
    NUMBER(once),
    NUMBER(next),
    NUMBER(waits),
    NUMBER(hurries),
    NUMBER(hurry_waits),
    NUMBER(reloads),
    NUMBER(waiting),
    NUMBER(sent),
    NUMBER(stored),
    NUMBER(refused),
    NUMBER(trouble_time),
    NUMBER(upload[0].n),
    NUMBER(upload[0].bytes),
    NUMBER(upload[1].n),
    NUMBER(upload[1].bytes),
    TEXT(server, RUNSTATE_SERVER_ROOM),
    TEXT(trouble, RUNSTATE_TROUBLE_ROOM),
    TEXT(order, RUNSTATE_ORDER_ROOM),
    TEXT(reload_error, RUNSTATE_RELOAD_ROOM),
};
#define MEMBERS (sizeof members / sizeof members[0])

const char *
runstate_phase_text(uint64_t phase)
{
	static const char *const texts[RUNSTATE_PHASES] = {[RUNSTATE_STARTING] = "starting",
	    [RUNSTATE_WAITING] = "waiting", [RUNSTATE_RESTING] = "resting",
	    [RUNSTATE_CONNECTING] = "connecting", [RUNSTATE_CONNECTED] = "connected",
	    [RUNSTATE_STOPPING] = "stopping", [RUNSTATE_ENDED] = "ended"};

	return phase < RUNSTATE_PHASES ? texts[phase] : "unknown";
}

int
runstate_open(const struct spool *spool)
{
	return openat(spool_folder(spool, SPOOL_TOP), FILE_NAME,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int
runstate_write(int fd, const struct runstate *state)
{
	char block[BLOCK], head[HEAD_LEN + 1], escaped[ESCAPE_ROOM(RUNSTATE_TROUBLE_ROOM)];
	size_t len = HEAD_LEN;

	for (size_t i = 0; i < MEMBERS; i++) {
		const char *from = (const char *)state + members[i].at;
		uint64_t number;

		if (members[i].room) {
			escape_bytes(escaped, sizeof escaped, from, strlen(from));
		} else {
			memcpy(&number, from, sizeof number);
			snprintf(escaped, sizeof escaped, "%" PRIu64, number);
		}
		/* The longest have 4,040 bytes in all. */
		len += (size_t)snprintf(
		    block + len, sizeof block - len, "%s %s\n", members[i].name, escaped);
	}
	memset(block + len, '\n', sizeof block - len);
	snprintf(head, sizeof head, HEAD "%08" PRIx32 "\n",
	    crc32c(0, block + HEAD_LEN, sizeof block - HEAD_LEN));
	memcpy(block, head, HEAD_LEN);
	return pwrite(fd, block, sizeof block, 0) == (ssize_t)sizeof block ? 0 : -1;
}

/* "name text". */
static void
take_line(struct runstate *state, const char *line, size_t line_len)
{
	const char *blank = memchr(line, ' ', line_len);
	size_t name_len = blank ? (size_t)(blank - line) : line_len;
	const char *text = line + name_len + 1;
	size_t len = line_len - name_len - (blank != NULL);

	for (size_t i = 0; i < MEMBERS; i++) {
		char *to = (char *)state + members[i].at;
		uint64_t number;
		ssize_t got;

		if (strlen(members[i].name) != name_len ||
		    memcmp(line, members[i].name, name_len) != 0)
			continue;
		if (members[i].room) {
			got = escape_decode(to, members[i].room - 1, text, len);
			to[got < 0 ? 0 : got] = '\0';
		} else if (parse_u64(text, len, INT64_MAX, &number) == 0) {
			memcpy(to, &number, sizeof number);
		}
	}
}

/* 0, or -1: not one that was written whole. */
static int
parse(char block[BLOCK + 1], struct runstate *state)
{
	char head[HEAD_LEN + 1], *at, *end;

	snprintf(head, sizeof head, HEAD "%08" PRIx32 "\n",
	    crc32c(0, block + HEAD_LEN, BLOCK - HEAD_LEN));
	if (memcmp(block, head, HEAD_LEN) != 0)
		return -1;
	memset(state, 0, sizeof *state);
	for (at = block + HEAD_LEN; (end = strchr(at, '\n')); at = end + 1)
		take_line(state, at, (size_t)(end - at));
	return 0;
}

int
runstate_read(const struct spool *spool, struct runstate *state)
{
	const struct timespec pause = {0, 1000000};
	char block[BLOCK + 1];
	int rc = -1;

	/* It may be written at this moment. */
	for (int tries = 0; rc < 0 && tries < READ_TRIES; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		if (spool_read_file(spool_folder(spool, SPOOL_TOP), FILE_NAME, block,
		        sizeof block) != BLOCK - 1)
			return -1;
		block[BLOCK - 1] = '\n'; /* which was left out */
		block[BLOCK] = '\0';
		rc = parse(block, state);
	}
	return rc;
}

pid_t
runstate_holder(const struct spool *spool)
{
	return disk_lock_holder(spool_folder(spool, SPOOL_TOP), "run.lock");
}
