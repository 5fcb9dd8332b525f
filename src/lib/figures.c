/* SPDX-License-Identifier: ISC */
#include "lib/figures.h"

const struct figure figures_rows[FIGURES_COUNT] = {
#define X(member, kind, most, name, head) \
	{{{name, KIND_##kind, 0, most}, offsetof(struct figures, member)}, head},
    FIGURES(X)
#undef X
};

/* What has no row would be lost by the next start. */
#define X(member, kind, most, name, head) +sizeof(((struct figures *)0)->member)
_Static_assert((FIGURES(X) + 7) / 8 * 8 == sizeof(struct figures), "each figure has its row");
#undef X
