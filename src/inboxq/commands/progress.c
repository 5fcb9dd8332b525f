/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/commands/json.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/table.h"
#include "lib/terminal.h"

#define LINE_ROOM 512
#define TELL_EVERY (10 * CLOCK_SECOND) /* a line, where nothing can be drawn */
#define EVENT_EVERY CLOCK_SECOND
#define DRAW_EVERY (CLOCK_SECOND / 5)
#define TOLD_WITHIN (2 * CLOCK_SECOND) /* the bytes that an uploader sends */
#define GUESS_AFTER (2 * CLOCK_SECOND) /* what is left: the first bytes tell little */
#define BAR_LEAST 10 /* columns that a bar is worth drawing in */

void
progress_begin(struct progress *progress, int json)
{
	memset(progress, 0, sizeof *progress);
	progress->form = json ? PROGRESS_JSON
	    : terminal_draws(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_PLAIN;
}

/* ---- figures */

static uint64_t
bytes_done(const struct sending *sending)
{
	return sending->ended_bytes + sending->under_way;
}

/* Bytes a second over the last PROGRESS_SAMPLES seconds, up to when bytes came last: an uploader
 * tells of them once a second, and the rate does not fall in between. */
static double
rate_of(struct progress *progress, uint64_t bytes)
{
	unsigned last = (progress->sample + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES;
	int64_t now = clock_monotonic(), from = progress->samples[progress->sample].time, until;
	uint64_t then = progress->samples[progress->sample].bytes;

	if (now - progress->samples[last].time >= CLOCK_SECOND) {
		progress->samples[progress->sample].time = now;
		progress->samples[progress->sample].bytes = bytes;
		progress->sample = (progress->sample + 1) % PROGRESS_SAMPLES;
	}
	if (bytes != progress->bytes) {
		progress->bytes = bytes;
		progress->moved = now;
	}
	until = now - progress->moved < TOLD_WITHIN ? progress->moved : now;
	if (from == 0)
		from = progress->began;
	/* What was under way and lost begins anew. */
	if (bytes <= then || until - from < CLOCK_SECOND / 10)
		return 0;
	return (double)(bytes - then) * CLOCK_SECOND / (double)(until - from);
}

struct figures_shown {
	char done[TABLE_CELL_ROOM], all[TABLE_CELL_ROOM], rate[TABLE_CELL_ROOM + 2];
	char left[TABLE_CELL_ROOM + 8];
	unsigned percent;
	double bytes_second;
	int64_t seconds; /* -1: not known */
};

static void
measure(struct progress *progress, const struct sending *sending, struct figures_shown *shown)
{
	uint64_t done = bytes_done(sending), rest = sending->bytes - done;
	char span[TABLE_CELL_ROOM];

	shown->bytes_second = rate_of(progress, done);
	shown->seconds = -1;
	if (shown->bytes_second >= 1 && clock_monotonic() - progress->began >= GUESS_AFTER)
		shown->seconds = (int64_t)((double)rest / shown->bytes_second) + 1;
	table_size(shown->done, done);
	table_size(shown->all, sending->bytes);
	table_size(span, (uint64_t)shown->bytes_second);
	snprintf(shown->rate, sizeof shown->rate, "%s/s", span);
	table_span(span, shown->seconds);
	snprintf(shown->left, sizeof shown->left, "%s left", shown->seconds < 0 ? "?" : span);
	shown->percent = sending->bytes
	    ? (unsigned)(100.0 * (double)done / (double)sending->bytes)
	    : (unsigned)(100 * (sending->count - sending->left) / sending->count);
}

/* ---- the bar */

static void
erase(struct progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
	progress->is_shown = 0;
}

static void
draw(struct progress *progress, const struct sending *sending)
{
	size_t width = terminal_width(STDERR_FILENO) - 1; /* the last column folds */
	char head[LINE_ROOM], tail[LINE_ROOM], bar[LINE_ROOM];
	struct figures_shown shown;
	size_t used, room, full;

	measure(progress, sending, &shown);
	snprintf(head, sizeof head, "%zu/%zu  %s / %s  %3u %%", sending->count - sending->left,
	    sending->count, shown.done, shown.all, shown.percent);
	snprintf(tail, sizeof tail, "  %s  %s", shown.rate, shown.left);
	used = strlen(head) + strlen(tail);
	if (used > width) { /* what one wants to know first */
		snprintf(head, sizeof head, "%3u %%", shown.percent);
		used = strlen(head) + strlen(tail);
	}
	room = width > used + 4 ? width - used - 4 : 0;
	bar[0] = '\0';
	if (room >= BAR_LEAST) {
		room = room < 50 ? room : 50;
		full = room * (shown.percent < 100 ? shown.percent : 100) / 100;
		memset(bar, ' ', room + 4);
		memset(bar + 3, '=', full);
		memcpy(bar, "  [", 3);
		if (full < room)
			bar[3 + full] = '>';
		memcpy(bar + 3 + room, "]", 2);
	}
	fprintf(stderr, "\r\033[K%.*s%s%.*s", (int)width, head, bar,
	    (int)(width > strlen(head) ? width - strlen(head) : 0), tail);
	fflush(stderr);
	progress->is_shown = 1;
}

/* ---- events */

static struct json
event_begin(const char *name)
{
	struct json json = {.out = stdout};

	json_open(&json, NULL, '{');
	json_text(&json, "event", name);
	json_number(&json, "time", (uint64_t)time(NULL));
	return json;
}

static void
event_end(struct json *json)
{
	json_close(json, '}');
	fputc('\n', stdout);
	fflush(stdout);
}

static struct json
event_of_item(const char *name, const struct sent_item *item)
{
	struct json json = event_begin(name);

	json_number(&json, "number", item->n);
	json_text(&json, "file", item->file);
	json_number(&json, "size", item->size);
	return json;
}

static void
event_of_progress(struct progress *progress, const struct sending *sending)
{
	struct json json = event_begin("progress");
	struct figures_shown shown;

	measure(progress, sending, &shown);
	json_number(&json, "items", sending->count - sending->left);
	json_number(&json, "all_items", sending->count);
	json_number(&json, "bytes", bytes_done(sending));
	json_number(&json, "all_bytes", sending->bytes);
	json_number(&json, "rate", (uint64_t)shown.bytes_second);
	if (shown.seconds >= 0)
		json_number(&json, "left", (uint64_t)shown.seconds);
	event_end(&json);
}

static void
event_of_end(const struct sent_end *end)
{
	static const char *const names[SENT_STATES] = {[SENT_STORED] = "stored",
	    [SENT_REFUSED] = "refused", [SENT_REMOVED] = "removed"};
	struct json json = event_of_item(names[end->item->state], end->item);

	if (end->item->state != SENT_REMOVED)
		json_text(&json, "server", end->server);
	if (end->item->state == SENT_STORED)
		json_text(&json, "name", end->there);
	if (end->item->state == SENT_REFUSED) {
		json_text(&json, "code", end->there);
		json_text(&json, "reason", end->reason);
	}
	event_end(&json);
}

/* ---- all of them */

void
progress_queued(struct progress *progress, const struct sent_item *item)
{
	struct json json;

	if (progress->form != PROGRESS_JSON)
		return;
	json = event_of_item("queued", item);
	event_end(&json);
}

void
progress_missed(struct progress *progress, const char *file, const char *reason)
{
	struct json json;

	if (progress->form != PROGRESS_JSON)
		return;
	json = event_begin("not_taken");
	json_text(&json, "file", file);
	json_text(&json, "reason", reason);
	event_end(&json);
}

void
progress_ended(struct progress *progress, const struct sent_end *end)
{
	char line[LINE_ROOM + RUNSTATE_TROUBLE_ROOM];
	const char *file = end->item->file;

	if (progress->form == PROGRESS_JSON) {
		event_of_end(end);
		return;
	}
	if (end->item->state == SENT_STORED)
		snprintf(line, sizeof line, "%s: stored at %s as %s", file, end->server,
		    end->there);
	else if (end->item->state == SENT_REFUSED)
		snprintf(line, sizeof line, "%s: refused: %s", file,
		    end->reason[0] ? end->reason : end->there);
	else
		snprintf(line, sizeof line, "%s: removed from the queue", file);
	erase(progress);
	table_plain(stdout, line);
	fputc('\n', stdout);
	fflush(stdout);
}

void
progress_tick(struct progress *progress, const struct sending *sending)
{
	struct figures_shown shown;
	int64_t now = clock_monotonic();

	/* The copying before does not count. */
	if (progress->began == 0)
		progress->began = progress->told = now;
	switch (progress->form) {
	case PROGRESS_BAR:
		if (now - progress->drawn < DRAW_EVERY && progress->is_shown)
			return;
		progress->drawn = now;
		draw(progress, sending);
		return;
	case PROGRESS_JSON:
		if (now - progress->told < EVENT_EVERY)
			return;
		progress->told = now;
		event_of_progress(progress, sending);
		return;
	case PROGRESS_PLAIN:
		if (now - progress->told < TELL_EVERY)
			return;
		progress->told = now;
		measure(progress, sending, &shown);
		fprintf(stderr, "inboxq: %zu of %zu items, %s of %s, %s, %s\n",
		    sending->count - sending->left, sending->count, shown.done, shown.all,
		    shown.rate, shown.left);
	}
}

void
progress_trouble(struct progress *progress, const char *text)
{
	struct json json;

	if (strcmp(text, progress->trouble) == 0)
		return;
	snprintf(progress->trouble, sizeof progress->trouble, "%s", text);
	if (!text[0])
		return;
	if (progress->form == PROGRESS_JSON) {
		json = event_begin("trouble");
		json_text(&json, "reason", text);
		event_end(&json);
		return;
	}
	erase(progress);
	log_complain("inboxq", "%s", text);
}

static size_t
count_in(const struct sending *sending, enum sent_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < sending->count; i++)
		count += sending->items[i].state == state;
	return count;
}

void
progress_finish(
    struct progress *progress, const struct sending *sending, const char *note, int code)
{
	const char *colon = "";
	struct json json;
	size_t told;

	erase(progress);
	fflush(stderr);
	if (progress->form == PROGRESS_JSON) {
		json = event_begin("end");
		json_number(&json, "stored", count_in(sending, SENT_STORED));
		json_number(&json, "refused", count_in(sending, SENT_REFUSED));
		json_number(&json, "removed", count_in(sending, SENT_REMOVED));
		json_number(&json, "queued", sending->left);
		json_text(&json, "reason", note);
		json_number(&json, "exit", (uint64_t)code);
		event_end(&json);
		return;
	}
	if (sending->left == 0)
		return;
	/* What has been told as it happened is not told again. */
	told = strlen(progress->trouble);
	if (note && told && strncmp(note, progress->trouble, told) == 0)
		note += told;
	else
		colon = note ? ": " : "";
	if (sending->count == 1)
		log_complain("inboxq", "it stays in the queue%s%s", colon, note ? note : "");
	else
		log_complain("inboxq", "%zu of %zu items %s in the queue%s%s", sending->left,
		    sending->count, sending->left == 1 ? "stays" : "stay", colon,
		    note ? note : "");
}
