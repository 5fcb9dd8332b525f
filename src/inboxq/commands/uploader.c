/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/uploader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/run.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"

#define IDLE_SECONDS 3 /* all that waits is put off, if nothing is under way for so long */
#define END_TRIES 100  /* of 100 ms: run's own stop takes five seconds, and a slow disk more */

void
uploader_begin(struct uploader *uploader, struct command_call *call, int shows_log)
{
	memset(uploader, 0, sizeof *uploader);
	uploader->call = call;
	uploader->shows_log = shows_log;
}

/* Never returns. */
static void
be_child(const struct uploader *uploader)
{
	const struct command_call *call = uploader->call;
	const struct run_options options = {.once = 1};
	int null = uploader->shows_log ? -1 : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		(void)!dup2(null, STDERR_FILENO);
	exit(run_queue(call->config, call->settings, call->spool, &options));
}

static int
start_child(struct uploader *uploader)
{
	fflush(NULL); /* lest it be written twice */
	memset(&uploader->state, 0, sizeof uploader->state);
	uploader->child = fork();
	if (uploader->child == 0)
		be_child(uploader);
	if (uploader->child > 0)
		return 0;
	uploader->child = 0;
	uploader->code = EX_OSERR;
	return -1;
}

static enum uploader_news
look_at_child(struct uploader *uploader)
{
	struct runstate state;
	int status;
	pid_t ended = waitpid(uploader->child, &status, WNOHANG);

	if (runstate_read(uploader->call->spool, &state) == 0 &&
	    state.process == (uint64_t)uploader->child)
		uploader->state = state;
	if (ended == 0)
		return UPLOADER_WORKS;
	uploader->child = 0;
	if (ended < 0 || !WIFEXITED(status)) {
		uploader->code = EX_SOFTWARE;
		return UPLOADER_FAILED;
	}
	switch (WEXITSTATUS(status)) {
	case EX_UNAVAILABLE: /* another one was quicker: he is the one to look at */
		return UPLOADER_WORKS;
	case EX_OK:
	case EX_DATAERR:
	case EX_TEMPFAIL:
		return UPLOADER_IS_OVER;
	}
	uploader->code = WEXITSTATUS(status);
	return UPLOADER_FAILED;
}

/* Is all that waits put off?  Then he has nothing under way, and stays connected. */
static int
is_idle(struct uploader *uploader)
{
	int64_t now = clock_seconds();

	if (uploader->state.phase != RUNSTATE_CONNECTED || uploader->state.sent > 0 ||
	    uploader->state.waiting == 0)
		uploader->idle = 0;
	else if (uploader->idle == 0)
		uploader->idle = now;
	return uploader->idle && now - uploader->idle >= IDLE_SECONDS;
}

static enum uploader_news
look_at_other(struct uploader *uploader, pid_t holder)
{
	struct runstate state;
	int is_his = runstate_read(uploader->call->spool, &state) == 0 &&
	    (holder < 0 || state.process == (uint64_t)holder);

	if (!is_his)
		return UPLOADER_WORKS; /* he has said nothing yet */
	uploader->state = state;
	if (uploader->other != holder) {
		uploader->other = holder;
		uploader->waits = state.waits;
		uploader->idle = 0;
		uploader->hurries = state.hurries;
		/* One who may not be told goes by his own time. */
		if (holder < 0 || kill(holder, SIGUSR1) < 0)
			uploader->hurries = UINT64_MAX;
		return UPLOADER_WORKS;
	}
	/* What he did before he was told is not what we wait for. */
	if (uploader->hurries != UINT64_MAX && state.hurries <= uploader->hurries)
		return UPLOADER_WORKS;
	if (uploader->hurries != UINT64_MAX && uploader->waits < state.hurry_waits)
		uploader->waits = state.hurry_waits;
	/* A single cycle ends, and ours begins. */
	if (state.once || (state.waits <= uploader->waits && !is_idle(uploader)))
		return UPLOADER_WORKS;
	uploader->waits = state.waits;
	uploader->idle = 0;
	return UPLOADER_IS_OVER;
}

enum uploader_news
uploader_look(struct uploader *uploader)
{
	pid_t holder;

	if (uploader->child > 0)
		return look_at_child(uploader);
	holder = runstate_holder(uploader->call->spool);
	if (holder != 0)
		return look_at_other(uploader, holder);
	uploader->other = 0;
	return start_child(uploader) < 0 ? UPLOADER_FAILED : UPLOADER_WORKS;
}

void
uploader_end(struct uploader *uploader)
{
	const struct timespec pause = {0, 100 * 1000000};

	for (int tries = 0; uploader->child > 0 && tries <= END_TRIES; tries++) {
		/* He may not have been ready for the one before. */
		if (tries % 10 == 0)
			(void)kill(uploader->child, tries < END_TRIES ? SIGTERM : SIGKILL);
		if (waitpid(uploader->child, NULL, WNOHANG) != 0)
			uploader->child = 0;
		else
			nanosleep(&pause, NULL);
	}
	if (uploader->child > 0)
		(void)!waitpid(uploader->child, NULL, 0);
	uploader->child = 0;
}
