/* SPDX-License-Identifier: ISC */
/*
 * The page of Prometheus (/metrics), read: as much of its text format as a receiver writes.  A line
 * that is no sample of this kind is passed over.
 */
#ifndef LIB_SAMPLES_H
#define LIB_SAMPLES_H

#include <stdint.h>

#include "lib/attr.h"

#define SAMPLES_LABEL_ROOM 128

struct sample {
	char label[SAMPLES_LABEL_ROOM]; /* the value of its one label, printable; "": it has none */
	int64_t value;                  /* without what stands behind the point */
};

/*
 * The next sample of this metric behind *at, which is moved on; at first *at is the page's text,
 * closed by NUL.  `label`, as key="value": only one that has it; NULL: any.  0, or -1: there is no
 * more.
 */
MUST_CHECK int samples_next(const char **at, const char *metric, const char *label,
    struct sample *out);

#endif
