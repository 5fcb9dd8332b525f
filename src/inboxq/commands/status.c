/* SPDX-License-Identifier: ISC */
/* `inboxq status`: how the queue is. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "lib/parse.h"

/* "5s", "3m", "7h", "12d" */
static void
print_age(char dst[PARSE_TEXT_ROOM], uint64_t then)
{
	uint64_t now = (uint64_t)time(NULL);
	uint64_t age = now > then ? now - then : 0;

	if (age < 120)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "s", age);
	else if (age < 120 * 60)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "m", age / 60);
	else if (age < 48 * 3600)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "h", age / 3600);
	else
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "d", age / 86400);
}

static void
note_stored(void *ctx, const struct sentlog_line *line)
{
	if (line->end == SENTLOG_STORED)
		*(struct sentlog_line *)ctx = *line;
}

static int
run(struct command_call *call)
{
	const struct spool *spool = call->spool;
	struct sentlog_line last = {0};
	struct spool_numbers queue, failed;
	uint64_t bytes = 0, oldest = 0;
	char age[PARSE_TEXT_ROOM] = "-";
	struct why why;
	struct spool_item item;
	off_t from = 0;

	if (spool_list(spool, SPOOL_QUEUE, &queue) < 0)
		return command_trouble("cannot read the spool");
	if (spool_list(spool, SPOOL_FAILED, &failed) < 0 ||
	    sentlog_read(spool, &from, note_stored, &last) < 0) {
		free(queue.at);
		return command_trouble("cannot read the spool");
	}
	for (size_t i = 0; i < queue.count; i++) {
		int fd = item_open(spool, SPOOL_QUEUE, queue.at[i], &item, &why);

		if (fd < 0)
			continue;
		close(fd);
		bytes += item.size;
		if (oldest == 0 || item.time < oldest)
			oldest = item.time;
	}
	if (oldest)
		print_age(age, oldest);
	printf("queue        %s\n", spool_queue_id(spool));
	printf("pending      %zu\n", queue.count);
	printf("bytes        %" PRIu64 "\n", bytes);
	printf("oldest       %s\n", age);
	printf("failed       %zu\n", failed.count);
	printf("last-stored  %s\n", last.time[0] ? last.time : "-");
	free(queue.at);
	free(failed.at);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

const struct command command_status = {
    .name = "status",
    .synopsis = "",
    .help = "shows how the queue is",
    .spool = COMMAND_SPOOL,
    .run = run,
};
