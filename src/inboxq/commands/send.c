/* SPDX-License-Identifier: ISC */
/*
 * `inboxq send`: adds, has it uploaded now, and waits for the answers.  What is in the queue stays
 * there whatever becomes of us.
 */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxq/base/settings.h"
#include "inboxq/commands/adding.h"
#include "inboxq/commands/progress.h"
#include "inboxq/commands/sending.h"
#include "inboxq/commands/uploader.h"
#include "inboxq/loaded.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

#define POLL_MS 100
#define RETRY_SECONDS 5 /* between two cycles of our own, with --timeout */
/* Whoever uploads may have to wait for so long, in a server's sync; then he is stuck. */
#define STUCK_SECONDS (15 * 60)

struct send {
	struct command_call *call;
	struct sending sending;
	struct progress progress;
	struct uploader uploader;
	uint64_t timeout;   /* seconds; 0: one cycle */
	int64_t began;      /* clock_seconds() */
	int64_t rest_until; /* until then no cycle of our own begins */
	int64_t moved;      /* when anything did, last; clock_seconds() */
	struct runstate seen;
	int refused;        /* the exit code of the first that was; 0: none was */
	struct why note;    /* why items are left */
};

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	interrupted = number;
}

static void
take_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int
on_queued(void *ctx, uint64_t n, const char *file)
{
	struct send *send = ctx;

	if (sending_add(&send->sending, n, file) < 0) {
		log_complain("inboxq", "out of memory; what is queued stays queued");
		return EX_OSERR;
	}
	progress_queued(&send->progress, &send->sending.items[send->sending.count - 1]);
	return EX_OK;
}

static void
on_missed(void *ctx, const char *file, const char *reason)
{
	struct send *send = ctx;

	progress_missed(&send->progress, file ? file : "standard input", reason);
}

/* The table stands in inboxq(1), "EXIT STATUS". */
static int
code_of(const char *refusal)
{
	if (strcmp(refusal, proto_code_text(CODE_REFUSED_NO_INBOX)) == 0)
		return EX_UNAVAILABLE;
	if (strcmp(refusal, proto_code_text(CODE_REFUSED_NOT_ALLOWED)) == 0)
		return EX_NOPERM;
	return EX_DATAERR;
}

static void
on_end(void *ctx, const struct sent_end *end)
{
	struct send *send = ctx;

	if (end->item->state == SENT_REFUSED && !send->refused)
		send->refused = code_of(end->there);
	progress_ended(&send->progress, end);
}

/* ---- the wait */

static void
print_next(const struct runstate *state, char text[64])
{
	uint64_t now = (uint64_t)time(NULL);

	text[0] = '\0';
	if (state->phase == RUNSTATE_WAITING && state->next > now)
		snprintf(text, 64, "; inboxq run tries again in %d s", (int)(state->next - now));
}

/* The cycle is over, and some of ours are left: why? */
static void
say_left(struct send *send)
{
	const struct runstate *state = &send->uploader.state;
	char next[64];

	print_next(state, next);
	why_say(&send->note, "%s%s",
	    state->trouble[0] ? state->trouble : "the server has not stored all", next);
}

static int
is_late(const struct send *send)
{
	return send->timeout &&
	    (uint64_t)(clock_seconds() - send->began) >= send->timeout;
}

/* Has whoever uploads said nothing new for too long? */
static int
is_stuck(struct send *send)
{
	int64_t now = clock_seconds();

	if (memcmp(&send->seen, &send->uploader.state, sizeof send->seen) != 0) {
		send->seen = send->uploader.state;
		send->moved = now;
	}
	return now - send->moved > STUCK_SECONDS;
}

/* What the uploader is about.  1: there is no use in waiting on. */
static int
look_at_uploader(struct send *send, int *code)
{
	enum uploader_news news;

	if (clock_seconds() < send->rest_until)
		return 0;
	news = uploader_look(&send->uploader);
	sending_look(&send->sending, &send->uploader.state);
	if (send->uploader.state.trouble[0])
		progress_trouble(&send->progress, send->uploader.state.trouble);
	switch (news) {
	case UPLOADER_WORKS:
		if (is_stuck(send) && !send->timeout)
			return why_say(&send->note, "inboxq run is stuck") < 0;
		return 0;
	case UPLOADER_FAILED:
		*code = send->uploader.code;
		why_say(&send->note, "cannot upload (exit code %d); -v shows the log", *code);
		return 1;
	case UPLOADER_IS_OVER:
		break;
	}
	if (send->timeout) {
		send->rest_until = send->uploader.other ? 0 : clock_seconds() + RETRY_SECONDS;
		return 0;
	}
	if (sending_follow(&send->sending) == 0 && send->sending.left == 0)
		return 0; /* that was its last word */
	say_left(send);
	return 1;
}

/* Waits for all to end.  EX_OK, or why they have not: an exit code with send->note. */
static int
wait_for_all(struct send *send)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	int code = EX_TEMPFAIL;

	for (;;) {
		if (sending_follow(&send->sending) < 0) {
			why_say(&send->note, "sent.log: %s", strerror(errno));
			return EX_IOERR;
		}
		if (send->sending.left == 0)
			return EX_OK;
		if (interrupted) {
			why_say(&send->note,
			    "interrupted; inboxq run, or the next send, uploads %s",
			    send->sending.left == 1 ? "it" : "them");
			return EX_TEMPFAIL;
		}
		if (is_late(send)) {
			say_left(send);
			return EX_TEMPFAIL;
		}
		if (look_at_uploader(send, &code))
			return code;
		progress_tick(&send->progress, &send->sending);
		nanosleep(&pause, NULL);
	}
}

/* A certificate that does not do is said at once, and not by a process whose log nobody sees. */
static int
check_tls(struct send *send)
{
	struct tls *tls = loaded_tls(send->call->settings, &send->note);
	int rc = tls ? EX_OK : errno == EAGAIN ? EX_TEMPFAIL : EX_CONFIG;

	tls_unref(tls);
	return rc;
}

static int
upload(struct send *send)
{
	int rc = EX_OK;

	take_signals();
	send->began = send->moved = clock_seconds();
	if (runstate_holder(send->call->spool) == 0)
		rc = check_tls(send);
	if (rc == EX_OK)
		rc = wait_for_all(send);
	uploader_end(&send->uploader);
	/* In its last seconds it may have stored what was on its way. */
	if (sending_follow(&send->sending) == 0 && send->sending.left == 0)
		rc = EX_OK;
	if (send->refused && (rc == EX_OK || rc == EX_TEMPFAIL))
		rc = send->refused;
	return rc;
}

static int
run(struct command_call *call)
{
	struct send send = {.call = call};
	const char *timeout = command_value(call, "timeout");
	int added, rc = EX_OK;

	if (timeout) /* it was checked */
		(void)!parse_seconds(timeout, strlen(timeout), &send.timeout);
	progress_begin(&send.progress, command_value(call, "json") != NULL);
	sending_begin(&send.sending, call->spool);
	send.sending.on_end = on_end;
	send.sending.ctx = &send;
	uploader_begin(&send.uploader, call, command_value(call, "verbose") != NULL);
	added = adding_run(call, on_queued, on_missed, &send);
	if (send.sending.count)
		rc = upload(&send);
	if (rc == EX_OK)
		rc = added;
	progress_finish(&send.progress, &send.sending,
	    send.sending.left && send.note.text[0] ? send.note.text : NULL, rc);
	sending_free(&send.sending);
	return rc == EX_OK ? command_finish() : rc;
}

static int
check(struct command_call *call)
{
	const char *timeout = command_value(call, "timeout");
	uint64_t seconds;

	if (timeout && (parse_seconds(timeout, strlen(timeout), &seconds) < 0 || seconds == 0))
		return command_misused(call, "%s: want a time as 30s or 5m", timeout);
	return adding_check(call);
}

static const struct command_option options[] = {
    ADDING_OPTIONS,
    {0, "timeout", "TIME", "tries again and again for so long; without it, once"},
    {0, "json", NULL, "events, one a line, for programs"},
    {'v', "verbose", NULL, "the log of the upload, on standard error"},
    {0, NULL, NULL, NULL},
};

const struct command command_send = {
    .name = "send",
    .synopsis = "-i INBOX [FILE...]",
    .help = "adds files, or standard input, uploads them now, and waits until they are stored",
    .options = options,
    .rest_max = SIZE_MAX,
    .spool = COMMAND_MAKES_SPOOL,
    .check = check,
    .run = run,
};
