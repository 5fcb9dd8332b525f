/* SPDX-License-Identifier: ISC */
/* What the command line says: text as it stands there, NULL where it does not. */
#ifndef INBOXCTL_BASE_ARGUMENTS_H
#define INBOXCTL_BASE_ARGUMENTS_H

#include <stddef.h>

#define GIVEN_MAX 64

/* What may be given several times, in order. */
struct given {
	const char *words[GIVEN_MAX];
	size_t count;
};

struct arguments {
	const char *config, *socket, *root;   /* the last one given */
	struct given configs, sockets, roots; /* all */
	const char *receivers;
	const char *client, *queue, *item, *inbox, *name, *since, *until, *type;
	const char *interval, *batch, *lines;
	const char *json, *quick, *force, *verbose, *once, *follow; /* not NULL: given */
	const char *warning, *critical, *only, *ignore; /* of check: lists, with commas */
	const char *behind, *missing, *gaps, *failed, *never_came, *known; /* likewise */
	const char *silent; /* ""; or a time */
	const char *sort, *limit;
	const char *reason, *timeout;
	const char *operand; /* behind a command that has one: never NULL then, where it must */
	const char *second;  /* behind that one; NULL where it may be left out, and was */
	const char *third;   /* likewise */
};

#endif
