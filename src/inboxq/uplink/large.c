/* SPDX-License-Identifier: ISC */
/*
 * An upload that was complete and is asked for again from 0 was a resumed one
 * that the server found spoilt: what it had from before was bad, so once it is
 * sent anew.  Twice is no accident; the item then waits, and is looked at for
 * damage.
 */
#include "config.h"

#include "inboxq/uplink/large.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/runstate.h"
#include "inboxq/uplink/say.h"
#include "lib/conn.h"
#include "lib/proto.h"

enum upload_state {
	UPLOAD_NONE,
	UPLOAD_ASKED, /* OPEN was said */
	UPLOAD_SENDING,
	UPLOAD_COMPLETE, /* all bytes were written: the answer is due */
};

struct upload {
	enum upload_state state;
	int fd;
	uint64_t n, size, offset;
	int is_second; /* begun again from 0 */
};

struct large {
	struct upload uploads[LARGE_MAX];
	unsigned turn; /* whose frame is next */
	unsigned char frame[PROTO_DATA_MAX];
};

struct large *
large_new(void)
{
	return calloc(1, sizeof(struct large));
}

static void
close_upload(struct upload *upload)
{
	if (upload->state != UPLOAD_NONE)
		close(upload->fd);
	upload->state = UPLOAD_NONE;
}

void
large_free(struct large *large)
{
	if (!large)
		return;
	for (size_t i = 0; i < LARGE_MAX; i++)
		close_upload(&large->uploads[i]);
	free(large);
}

static const struct upload *
find(const struct large *large, uint64_t n)
{
	for (size_t i = 0; i < LARGE_MAX; i++)
		if (large->uploads[i].state != UPLOAD_NONE && large->uploads[i].n == n)
			return &large->uploads[i];
	return NULL;
}

static struct upload *
find_own(struct large *large, uint64_t n)
{
	const struct upload *upload = find(large, n);

	return upload ? &large->uploads[upload - large->uploads] : NULL;
}

/* How many are in a state from `first` to `last`. */
static unsigned
count(const struct large *large, enum upload_state first, enum upload_state last)
{
	unsigned found = 0;

	for (size_t i = 0; i < LARGE_MAX; i++)
		found += large->uploads[i].state >= first && large->uploads[i].state <= last;
	return found;
}

unsigned
large_count(const struct large *large)
{
	return count(large, UPLOAD_ASKED, UPLOAD_COMPLETE);
}

unsigned
large_unfinished(const struct large *large)
{
	return count(large, UPLOAD_ASKED, UPLOAD_SENDING);
}

int
large_has_frame(const struct large *large)
{
	return count(large, UPLOAD_SENDING, UPLOAD_SENDING) > 0;
}

int
large_has_room(const struct large *large)
{
	return large_count(large) < LARGE_MAX;
}

int
large_is_unfinished(const struct large *large, uint64_t n)
{
	const struct upload *upload = find(large, n);

	return upload && upload->state != UPLOAD_COMPLETE;
}

uint64_t
large_bytes(const struct large *large)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < LARGE_MAX; i++)
		if (large->uploads[i].state >= UPLOAD_SENDING)
			bytes += large->uploads[i].offset;
	return bytes;
}

void
large_look(const struct large *large, struct runstate_upload *uploads)
{
	static_assert(LARGE_MAX <= RUNSTATE_UPLOADS, "run.state has room for each");
	for (size_t i = 0; i < LARGE_MAX; i++)
		if (large->uploads[i].state >= UPLOAD_SENDING)
			uploads[i] = (struct runstate_upload){
			    large->uploads[i].n, large->uploads[i].offset};
}

void
large_open(struct large *large, struct conn *conn, uint64_t n, int fd,
    const struct spool_item *item)
{
	struct upload *upload = large->uploads;

	while (upload->state != UPLOAD_NONE)
		upload++;
	*upload = (struct upload){
	    .state = UPLOAD_ASKED, .fd = fd, .n = n, .size = item->size};
	say_item(conn, VERB_OPEN, n, item);
}

enum large_verdict
large_send(struct large *large, uint64_t n, uint64_t offset)
{
	struct upload *upload = find_own(large, n);

	if (!upload || offset > upload->size || upload->state == UPLOAD_SENDING)
		return LARGE_FAULT;
	if (upload->state == UPLOAD_COMPLETE) {
		if (offset != 0)
			return LARGE_FAULT;
		if (upload->is_second)
			return LARGE_SPOILT;
		upload->is_second = 1;
	}
	upload->offset = offset;
	upload->state = offset < upload->size ? UPLOAD_SENDING : UPLOAD_COMPLETE;
	return LARGE_OK;
}

int
large_close(struct large *large, uint64_t n)
{
	struct upload *upload = find_own(large, n);

	if (!upload)
		return 0;
	close_upload(upload);
	return 1;
}

/* 0, or -1 and *why. */
static int
read_frame(const struct upload *upload, unsigned char *frame, size_t len, const char **why)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(upload->fd, frame + got, len - got,
		    (off_t)(SPOOL_HEADER + upload->offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*why = n < 0 ? strerror(errno) : "its file became shorter";
			return -1;
		}
		got += (size_t)n;
	}
	return 0;
}

uint64_t
large_write_frame(struct large *large, struct conn *conn, size_t most, const char **why)
{
	struct upload *upload = &large->uploads[large->turn];
	uint64_t left;
	size_t len;

	while (upload->state != UPLOAD_SENDING) {
		large->turn = (large->turn + 1) % LARGE_MAX;
		upload = &large->uploads[large->turn];
	}
	large->turn = (large->turn + 1) % LARGE_MAX;
	left = upload->size - upload->offset;
	len = most < PROTO_DATA_MAX ? most : PROTO_DATA_MAX;
	if (left < len)
		len = (size_t)left;
	if (read_frame(upload, large->frame, len, why) < 0)
		return upload->n;
	say_data(conn, upload->n, upload->offset, len);
	conn_write(conn, large->frame, len);
	upload->offset += len;
	if (upload->offset == upload->size)
		upload->state = UPLOAD_COMPLETE;
	return 0;
}
