/* SPDX-License-Identifier: ISC */
/* What a handle of libinboxq is, for inboxq itself, which has its spool open already. */
#ifndef LIBINBOXQ_HANDLE_H
#define LIBINBOXQ_HANDLE_H

struct spool;

struct inboxq {
	struct spool *spool;
};

#endif
