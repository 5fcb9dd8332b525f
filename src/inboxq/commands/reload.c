/* SPDX-License-Identifier: ISC */
/*
 * `inboxq reload`: SIGHUP for the `inboxq run` that has the spool, whose answer stands in
 * run.state.  A signal alone has none: who sends it would take a reload that was refused for one
 * that was done.
 */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxq/spool/runstate.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PATIENCE (10 * CLOCK_SECOND)

/* 1 once it has answered, with what it says in `state`; 0: not yet. */
static int
has_answered(const struct command_call *call, const struct runstate *before, struct runstate *state)
{
	return runstate_read(call->spool, state) == 0 && state->process == before->process &&
	    state->reloads != before->reloads;
}

static int
wait_for_answer(const struct command_call *call, const struct runstate *before)
{
	const struct timespec pause = {0, 20000000};
	int64_t until = clock_monotonic() + PATIENCE;
	struct runstate state;

	while (!has_answered(call, before, &state)) {
		if (clock_monotonic() >= until) {
			log_complain("inboxq", "process %llu does not answer: its log may say why",
			    (unsigned long long)before->process);
			return EX_TEMPFAIL;
		}
		nanosleep(&pause, NULL);
	}
	if (!state.reload_error[0])
		return EX_OK;
	log_complain("inboxq", "not taken, the old configuration stays: %s", state.reload_error);
	return EX_CONFIG;
}

static int
run(struct command_call *call)
{
	pid_t holder = runstate_holder(call->spool);
	struct runstate before;

	if (holder <= 0 || runstate_read(call->spool, &before) < 0 || before.once ||
	    before.process != (uint64_t)holder) {
		log_complain("inboxq", "no inboxq run is at work that could reload");
		return EX_UNAVAILABLE;
	}
	if (kill(holder, SIGHUP) < 0) {
		log_complain("inboxq", "process %ld: %s", (long)holder, strerror(errno));
		return errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
	}
	return wait_for_answer(call, &before);
}

const struct command command_reload = {
    .name = "reload",
    .synopsis = "",
    .help = "has run read its configuration anew, and says whether it was taken",
    .spool = COMMAND_SPOOL,
    .run = run,
};
