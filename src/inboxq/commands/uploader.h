/* SPDX-License-Identifier: ISC */
/*
 * Who uploads what is in the queue: the `inboxq run` that there is, which is told to try now; or,
 * where there is none, a process of our own that does one copy cycle.  All of them look alike
 * from here: they hold run.lock, and write run.state and sent.log.
 *
 * Rejected: a cycle in our own process, which would be a second way to see how far it is, and
 * could not be shown while a name is looked up or the disk is slow.
 */
#ifndef INBOXQ_COMMANDS_UPLOADER_H
#define INBOXQ_COMMANDS_UPLOADER_H

#include <sys/types.h>

#include "inboxq/commands/command.h"
#include "inboxq/spool/runstate.h"
#include "lib/attr.h"
#include "lib/why.h"

enum uploader_news {
	UPLOADER_WORKS,
	UPLOADER_IS_OVER, /* it has tried what it can for now */
	UPLOADER_FAILED,  /* our own could not do its work: `code` is its exit code */
};

struct uploader {
	struct command_call *call;
	int shows_log;
	pid_t child, other;    /* our own; who was told to try now; 0: nobody */
	struct runstate state; /* the last word of either */
	uint64_t hurries;      /* of `other`, before he was told */
	uint64_t waits;        /* of `other`: a cycle is over when he has come to wait once more */
	int64_t idle;          /* since when he has had nothing under way, monotonic; 0: he has */
	int code;
};

void uploader_begin(struct uploader *uploader, struct command_call *call, int shows_log);
/* Sees to it that somebody works, and looks how he is.  To be called often.  After
 * UPLOADER_IS_OVER another call begins anew. */
MUST_CHECK enum uploader_news uploader_look(struct uploader *uploader);
/* Ends our own in order, which takes some seconds at most; other processes go on. */
void uploader_end(struct uploader *uploader);

#endif
