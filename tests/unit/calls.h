/* SPDX-License-Identifier: ISC */
/*
 * The calls by which items become durable and visible, watched: a test sees in which order they
 * come, makes them wait, and makes them fail.  They go through the __wrap_ functions of calls.c
 * (ld --wrap, calls_ldflags in Makefile.am); no sync is real.
 *
 * What a descriptor is is told by what it shows: a folder is looked up, the ledger is opened for
 * appending, and a segment of the journal has its size.
 */
#ifndef UNIT_CALLS_H
#define UNIT_CALLS_H

#include <sys/types.h>

enum call {
	CALL_JOURNAL,    /* 'J': a segment is synced */
	CALL_DRAFT,      /* 'd': a draft is */
	CALL_LEDGER,     /* 'l': the ledger's file is */
	CALL_TMP,        /* 't': the folder is */
	CALL_NEW,        /* 'n' */
	CALL_FILESYSTEM, /* 's': syncfs(2) */
	CALL_RENAME,     /* 'r': a draft into new/ */
	CALL_OPEN,       /* 'o': a file is made in tmp/ */
	CALL_UNLINK,     /* 'u': one there is deleted */
	CALL_FILL,       /* 'w': bytes are written to a draft; in no trace */
	CALL_RECORD,     /* bytes are written to the ledger; in no trace */
	CALL_BATCH,      /* or to a segment of the journal; likewise */
	CALL_OTHER,      /* in no trace */
	CALL_COUNT
};

/* Forgets all, and takes these folders (descriptors) for an inbox's. */
void calls_begin(int tmp, int new);

/* From now on they wait, each; whatever waits goes on at calls_go().  At calls_pass() it does, too,
 * and later ones wait still. */
void calls_hold(enum call call);
void calls_go(enum call call);
void calls_pass(enum call call);
/* Waits until one waits. */
void calls_await(enum call call);

/* The next so many fail; -1: all. */
void calls_fail(enum call call, int error, int times);
/* How many there were since calls_begin(). */
unsigned calls_count(enum call call);

/* Which file of the ledger was synced last. */
ino_t calls_ledger(void);

/* What there was since it was last asked, a letter a call, in order; until it is asked again. */
const char *calls_trace(void);

#endif
