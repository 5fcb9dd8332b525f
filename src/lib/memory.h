/* SPDX-License-Identifier: ISC */
/* Memory that was freed, and which the C library keeps. */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

/* Gives it back to the system, where the library can do that; else does nothing.  It looks at all
 * that is free: some ten milliseconds for 100 MiB, in which other threads may wait for memory. */
void memory_give_back(void);

#endif
