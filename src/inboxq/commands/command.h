/* SPDX-License-Identifier: ISC */
/*
 * What a command of inboxq is: a row of a table, which main.c walks.  A command has a file in
 * this room, with its options and what it does; rows.h names all of them.
 *
 * How to add one: its file, with a `const struct command`; its line in rows.h and in the table
 * of main.c; an entry in inboxq(1), and one for each option [lint].
 */
#ifndef INBOXQ_COMMANDS_COMMAND_H
#define INBOXQ_COMMANDS_COMMAND_H

#include <stddef.h>

#include "lib/attr.h"

struct settings;
struct spool;
struct command_call;

#define COMMAND_OPTIONS 12 /* that a command has at most */

/* -c, -h and -V are every command's, and stand in no table. */
struct command_option {
	char letter;       /* 0: it has none */
	const char *name;  /* "inbox" is --inbox; NULL ends a table */
	const char *value; /* what its value is called, "INBOX"; NULL: it has none */
	const char *help;  /* a line */
};

enum command_spool { COMMAND_NO_SPOOL, COMMAND_SPOOL, COMMAND_MAKES_SPOOL };

struct command {
	const char *name;
	const char *synopsis; /* what stands behind the name: "-i INBOX [FILE...]" */
	const char *help;     /* a line */
	const struct command_option *options; /* NULL: none of its own */
	size_t rest_max;                      /* operands */
	enum command_spool spool;             /* does main() open it, or make it? */
	int logs; /* a service: what it has to say are events, for the log */
	/* What can be told without a look at any file.  May set call->holds_hangup.  NULL: all is
	 * well.  EX_OK, or an exit code, having said why (command_misused()). */
	int (*check)(struct command_call *call);
	/* Returns the exit code (sysexits.h), having said what went wrong. */
	int (*run)(struct command_call *call);
};

/* One call of a command; all is borrowed. */
struct command_call {
	const struct command *command;
	const char *config;                  /* the file */
	struct settings *settings;           /* what stands in it; for run() */
	struct spool *spool;                 /* for run(), where the command has one */
	const char *values[COMMAND_OPTIONS]; /* command_value() */
	char **rest;                         /* operands */
	size_t count;                        /* of them */
	int holds_hangup; /* SIGHUP stays blocked until the command is ready for it */
};

/* The value of an option by its long name, of the last where it was given twice; "" for one
 * that takes none; NULL: it was not given. */
const char *command_value(const struct command_call *call, const char *name);

/* The call is wrong: says so, and where to look.  EX_USAGE. */
MUST_CHECK int command_misused(const struct command_call *call, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* Is --inbox given, and the name of one?  Is --priority one, if it is given?  EX_OK, or as
 * command_misused(). */
MUST_CHECK int command_check_inbox(const struct command_call *call);
MUST_CHECK int command_check_priority(const struct command_call *call);
/* Says what failed, with errno's text.  EX_TEMPFAIL where another one has the spool's lock, else
 * EX_IOERR. */
MUST_CHECK int command_trouble(const char *what);
/* Standard output reached its reader: EX_OK, or EX_IOERR, having said why (but where the reader
 * had read enough). */
MUST_CHECK int command_finish(void);

#endif
