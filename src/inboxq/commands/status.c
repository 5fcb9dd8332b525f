/* SPDX-License-Identifier: ISC */
/*
 * `inboxq status`: first what is wrong, then what there is.  What a runner says of itself counts
 * as long as it holds run.lock; else it is what the last one said.
 */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/base/settings.h"
#include "inboxq/commands/json.h"
#include "inboxq/spool/counts.h"
#include "inboxq/spool/held.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/runstate.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "lib/parse.h"
#include "lib/table.h"
#include "lib/terminal.h"

#define SCHEMA 1
#define TAIL 65536          /* bytes of sent.log in which the last stored item is looked for */
#define WRONG_MAX 8         /* sentences */
#define LONG (24 * 60 * 60) /* seconds that an item should not have to wait */

struct picture {
	uint64_t pending, bytes, oldest, failed, unreadable; /* oldest: its time, 0: none */
	uint64_t failed_bytes;
	uint64_t last_stored;                                /* its time, 0: not known */
	uint64_t free;                                       /* bytes on the disk */
	pid_t holder;                                        /* runstate_holder() */
	int has_state, is_running; /* is_running: `state` is its word */
	struct runstate state;
	struct held held; /* low 0: none */
	uint64_t now;
	char wrong[WRONG_MAX][WHY_ROOM];
	size_t wrong_count;
};

static void PRINTF_LIKE(2, 3)
say_wrong(struct picture *picture, const char *fmt, ...)
{
	va_list args;

	if (picture->wrong_count == WRONG_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(picture->wrong[picture->wrong_count++], WHY_ROOM, fmt, args);
	va_end(args);
}

static const char *
print_age(char dst[TABLE_CELL_ROOM], const struct picture *picture, uint64_t then)
{
	table_span(dst, picture->now > then ? (int64_t)(picture->now - then) : 0);
	return dst;
}

static const char *
items(uint64_t count)
{
	return count == 1 ? "item" : "items";
}

/* ---- what there is */

static void
note_stored(void *ctx, const struct sentlog_line *line)
{
	struct timespec when;

	if (line->end == SENTLOG_STORED &&
	    parse_time(line->time, strlen(line->time), &when) == 0)
		*(uint64_t *)ctx = (uint64_t)when.tv_sec;
}

/* The bytes of those set aside, by their files: few, and perhaps damaged. */
static int
count_failed(struct picture *picture, const struct spool *spool)
{
	struct spool_numbers failed;

	if (spool_list(spool, SPOOL_FAILED, &failed) < 0)
		return -1;
	for (size_t i = 0; i < failed.count; i++) {
		char name[SPOOL_NAME_ROOM];
		struct stat st;

		spool_number_name(name, failed.at[i]);
		if (fstatat(spool_folder(spool, SPOOL_FAILED), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			picture->failed_bytes += counts_bytes(st.st_size);
	}
	picture->failed = failed.count;
	free(failed.at);
	return 0;
}

static int
count_items(struct picture *picture, const struct spool *spool)
{
	struct spool_numbers queue;
	struct spool_item item;
	struct why why;

	if (spool_list(spool, SPOOL_QUEUE, &queue) < 0)
		return -1;
	for (size_t i = 0; i < queue.count; i++) {
		int fd = item_open(spool, SPOOL_QUEUE, queue.at[i], &item, &why);

		if (fd < 0) {
			picture->unreadable += errno != ENOENT; /* else it was sent meanwhile */
			continue;
		}
		close(fd);
		picture->bytes += item.size;
		if (picture->oldest == 0 || item.time < picture->oldest)
			picture->oldest = item.time;
	}
	picture->pending = queue.count;
	free(queue.at);
	return count_failed(picture, spool);
}

static int
look(struct picture *picture, const struct spool *spool)
{
	struct statvfs disk;
	struct sentlog_place from = sentlog_tail(spool, TAIL);

	picture->now = (uint64_t)time(NULL);
	picture->holder = runstate_holder(spool);
	picture->has_state = runstate_read(spool, &picture->state) == 0;
	picture->is_running = picture->holder != 0;
	/* It is here, and what stands there is another one's word. */
	if (picture->holder > 0 &&
	    (!picture->has_state || (uint64_t)picture->holder != picture->state.process)) {
		picture->state = (struct runstate){
		    .process = (uint64_t)picture->holder, .began = picture->now};
		picture->has_state = 1;
	}
	if (held_read(spool, &picture->held) < 0 || picture->held.until <= picture->now)
		picture->held.low = 0;
	if (fstatvfs(spool_folder(spool, SPOOL_QUEUE), &disk) == 0)
		picture->free = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (count_items(picture, spool) < 0)
		return -1;
	return sentlog_read(spool, &from, note_stored, &picture->last_stored);
}

/* ---- what is wrong */

static void
judge_run(struct picture *picture)
{
	const struct runstate *state = &picture->state;
	char age[TABLE_CELL_ROOM], wait[TABLE_CELL_ROOM];

	if (picture->holder == 0 && picture->pending)
		say_wrong(picture, "no inboxq run is running: nothing is uploaded");
	if (!picture->has_state || !state->trouble[0] || picture->pending == 0)
		return;
	print_age(age, picture, state->trouble_time);
	table_span(wait,
	    state->next > picture->now ? (int64_t)(state->next - picture->now) : 0);
	if (picture->is_running && state->phase == RUNSTATE_WAITING)
		say_wrong(picture, "%s (%s ago; next try in %s)", state->trouble, age, wait);
	else
		say_wrong(picture, "%s (%s ago)", state->trouble, age);
}

/* What inboxq add will say, counted as it does (spool/counts.h). */
static void
judge_bounds(struct picture *picture, const struct settings *settings)
{
	uint64_t count = picture->pending + picture->failed;

	if (settings->items && count >= settings->items)
		say_wrong(picture, "the queue is full: %" PRIu64 " %s of at most %" PRIu64, count,
		    items(count), settings->items);
	if (settings->bytes && picture->bytes + picture->failed_bytes >= settings->bytes)
		say_wrong(picture, "the queue is full: %" PRIu64 " bytes of at most %" PRIu64,
		    picture->bytes + picture->failed_bytes, settings->bytes);
}

static void
judge(struct picture *picture, const struct settings *settings)
{
	char age[TABLE_CELL_ROOM];

	judge_run(picture);
	if (picture->free < SENTLOG_AHEAD)
		say_wrong(picture, "the disk of the spool is full");
	judge_bounds(picture, settings);
	if (picture->unreadable)
		say_wrong(picture, "%" PRIu64 " %s cannot be read", picture->unreadable,
		    items(picture->unreadable));
	if (picture->oldest && picture->now > picture->oldest + LONG)
		say_wrong(picture, "the oldest item has waited for %s",
		    print_age(age, picture, picture->oldest));
	if (picture->failed)
		say_wrong(picture, "%" PRIu64 " %s set aside: inboxq list --state failed says why",
		    picture->failed, picture->failed == 1 ? "item is" : "items are");
}

/* ---- in words */

static void
put_run(const struct picture *picture)
{
	const struct runstate *state = &picture->state;
	char span[TABLE_CELL_ROOM];

	fputs("run          ", stdout);
	if (picture->holder == 0) {
		fputs("none is running\n", stdout);
		return;
	}
	if (picture->holder > 0)
		printf("process %ld", (long)picture->holder);
	else
		fputs("one is running", stdout);
	if (!picture->has_state) {
		fputs(", which has said nothing yet\n", stdout);
		return;
	}
	printf(" for %s%s: %s", print_age(span, picture, state->began),
	    state->once ? " (one cycle)" : "", runstate_phase_text(state->phase));
	if (state->phase == RUNSTATE_CONNECTING || state->phase == RUNSTATE_CONNECTED) {
		fputs(state->phase == RUNSTATE_CONNECTED ? " with " : " to ", stdout);
		table_plain(stdout, state->server);
	} else if (state->phase == RUNSTATE_WAITING) {
		table_span(span,
		    state->next > picture->now ? (int64_t)(state->next - picture->now) : 0);
		printf(", next try in %s", span);
	}
	fputs("\n", stdout);
}

/* In which servers are tried: it differs from client to client. */
static void
put_order(const struct picture *picture)
{
	if (!picture->is_running || !strchr(picture->state.order, ' '))
		return;
	fputs("servers      ", stdout);
	table_plain(stdout, picture->state.order);
	fputs("\n", stdout);
}

static void
put_wrong(const struct picture *picture)
{
	int colours = terminal_has_colours(STDOUT_FILENO);

	if (picture->wrong_count == 0)
		fputs("All is well.\n\n", stdout);
	for (size_t i = 0; i < picture->wrong_count; i++) {
		fputs(colours ? "\033[1;31mwrong\033[0m        " : "wrong        ", stdout);
		table_plain(stdout, picture->wrong[i]);
		fputs(i + 1 == picture->wrong_count ? "\n\n" : "\n", stdout);
	}
}

/* What waits for one receiver, and no other has soon. */
static void
put_held(const struct picture *picture)
{
	const struct held *held = &picture->held;
	char span[TABLE_CELL_ROOM];

	if (held->low == 0 || picture->pending == 0)
		return;
	table_span(span, (int64_t)(held->until - picture->now));
	printf("\nheld         of items %" PRIu64 " to %" PRIu64 " those that ", held->low,
	    held->high);
	table_plain(stdout, held->holder);
	printf(" may have stored; for others in %s", span);
}

static void
put_words(const struct picture *picture, const struct command_call *call)
{
	char size[TABLE_CELL_ROOM], age[TABLE_CELL_ROOM];

	put_wrong(picture);
	table_size(size, picture->bytes);
	printf("pending      %" PRIu64 " %s, %s", picture->pending, items(picture->pending), size);
	if (picture->oldest)
		printf(", the oldest for %s", print_age(age, picture, picture->oldest));
	put_held(picture);
	printf("\nfailed       %" PRIu64 " %s\n", picture->failed, items(picture->failed));
	put_run(picture);
	put_order(picture);
	fputs("last-stored  ", stdout);
	if (picture->last_stored)
		printf("%s ago\n", print_age(age, picture, picture->last_stored));
	else
		fputs("-\n", stdout);
	printf("queue        %s\n", spool_queue_id(call->spool));
	table_size(size, picture->free);
	fputs("spool        ", stdout);
	table_plain(stdout, call->settings->spool);
	printf(", %s free\n", size);
}

/* ---- for programs */

/* A time, or null. */
static void
put_time(struct json *json, const char *key, uint64_t when)
{
	if (when)
		json_number(json, key, when);
	else
		json_text(json, key, NULL);
}

/* The words of a text, a string each. */
static void
put_words_of(struct json *json, const char *key, const char *text)
{
	char copy[RUNSTATE_ORDER_ROOM], *rest, *word;

	json_open(json, key, '[');
	snprintf(copy, sizeof copy, "%s", text);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		json_text(json, NULL, word);
	json_close(json, ']');
}

static void
put_run_json(struct json *json, const struct picture *picture)
{
	const struct runstate *state = &picture->state;

	if (!picture->has_state) {
		json_text(json, "run", NULL);
		return;
	}
	json_open(json, "run", '{');
	json_truth(json, "running", picture->is_running);
	json_number(json, "process", state->process);
	json_text(json, "phase", runstate_phase_text(state->phase));
	json_truth(json, "once", state->once != 0);
	json_number(json, "began", state->began);
	json_text(json, "server", state->server[0] ? state->server : NULL);
	put_words_of(json, "order", state->order);
	put_time(json, "next", state->next);
	json_number(json, "waiting", state->waiting);
	json_number(json, "sent", state->sent);
	json_number(json, "stored", state->stored);
	json_number(json, "refused", state->refused);
	json_text(json, "trouble", state->trouble[0] ? state->trouble : NULL);
	put_time(json, "trouble_time", state->trouble_time);
	json_close(json, '}');
}

static void
put_held_json(struct json *json, const struct held *held)
{
	if (held->low == 0) {
		json_text(json, "held", NULL);
		return;
	}
	json_open(json, "held", '{');
	json_number(json, "low", held->low);
	json_number(json, "high", held->high);
	json_text(json, "holder", held->holder);
	json_number(json, "until", held->until);
	json_close(json, '}');
}

static void
put_json(const struct picture *picture, const struct command_call *call)
{
	struct json json = {.out = stdout};

	json_open(&json, NULL, '{');
	json_number(&json, "schema", SCHEMA);
	json_text(&json, "queue", spool_queue_id(call->spool));
	json_text(&json, "spool", call->settings->spool);
	json_number(&json, "free", picture->free);
	json_open(&json, "wrong", '[');
	for (size_t i = 0; i < picture->wrong_count; i++)
		json_text(&json, NULL, picture->wrong[i]);
	json_close(&json, ']');
	json_number(&json, "pending", picture->pending);
	json_number(&json, "bytes", picture->bytes);
	put_time(&json, "oldest", picture->oldest);
	json_number(&json, "unreadable", picture->unreadable);
	json_number(&json, "failed", picture->failed);
	put_time(&json, "last_stored", picture->last_stored);
	put_held_json(&json, &picture->held);
	put_run_json(&json, picture);
	json_close(&json, '}');
	fputc('\n', stdout);
}

static int
run(struct command_call *call)
{
	struct picture picture = {0};

	if (look(&picture, call->spool) < 0)
		return command_trouble("cannot read the spool");
	judge(&picture, call->settings);
	if (command_value(call, "json"))
		put_json(&picture, call);
	else
		put_words(&picture, call);
	return command_finish();
}

static const struct command_option options[] = {
    {0, "json", NULL, "for programs"},
    {0, NULL, NULL, NULL},
};

const struct command command_status = {
    .name = "status",
    .synopsis = "",
    .help = "shows how the queue is, and first of all what is wrong",
    .options = options,
    .spool = COMMAND_SPOOL,
    .run = run,
};
