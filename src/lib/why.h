/* SPDX-License-Identifier: ISC */
/* Why something failed, or is not as it should be: a sentence for people, without its full stop. */
#ifndef LIB_WHY_H
#define LIB_WHY_H

#include "lib/attr.h"

#define WHY_ROOM 640

struct why {
	char text[WHY_ROOM];
};

/* Says it; what is longer is cut.  `why` itself may be among what is printed.  Returns -1, for
 * who fails with it. */
int why_say(struct why *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
