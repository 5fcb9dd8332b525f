/* SPDX-License-Identifier: ISC */
/* See sizes.h. */
#include "config.h"

#include "sizes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "lib/parse.h"

static int
parse_pair(struct sizes *sizes, const char *text, size_t len, struct why *why)
{
	const char *colon = memchr(text, ':', len);
	size_t first = colon ? (size_t)(colon - text) : len;
	uint64_t size, weight = 1;

	if (parse_size(text, first, &size) < 0 ||
	    (colon && parse_u64(colon + 1, len - first - 1, UINT32_MAX, &weight) < 0))
		return why_say(why, "\"%.*s\": want SIZE or SIZE:WEIGHT", (int)len, text);
	if (sizes->count == SIZES_MAX)
		return why_say(why, "more than %d sizes", SIZES_MAX);
	sizes->size[sizes->count] = size;
	sizes->weight[sizes->count++] = weight;
	sizes->total += weight;
	if (size > sizes->most)
		sizes->most = size;
	return 0;
}

static int
parse_lognormal(struct sizes *sizes, const char *text, struct why *why)
{
	char median[32], most[32], end;
	uint64_t value;

	if (sscanf(text, "lognormal:%31[^:]:%lf:%31[^:]%c", median, &sizes->sigma, most,
	    &end) != 3 || parse_size(median, strlen(median), &value) < 0 || value == 0 ||
	    parse_size(most, strlen(most), &sizes->most) < 0 || !(sizes->sigma >= 0.0))
		return why_say(why, "\"%s\": want lognormal:MEDIAN:SIGMA:MOST", text);
	sizes->median = (double)value;
	return 0;
}

int
sizes_parse(struct sizes *sizes, const char *text, struct why *why)
{
	memset(sizes, 0, sizeof *sizes);
	if (strncmp(text, "lognormal", 9) == 0)
		return parse_lognormal(sizes, text, why);
	for (;;) {
		size_t len = strcspn(text, ",");

		if (parse_pair(sizes, text, len, why) < 0)
			return -1;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	return sizes->total > 0 ? 0 : why_say(why, "all weights are 0");
}

/* Box and Muller. */
static uint64_t
draw_lognormal(const struct sizes *sizes, uint64_t chance)
{
	struct dice dice = {chance};
	double u = 1.0 - dice_unit(&dice), v = dice_unit(&dice);
	double normal = sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
	double size = sizes->median * exp(sizes->sigma * normal);

	return size < (double)sizes->most ? (uint64_t)size : sizes->most;
}

uint64_t
sizes_draw(const struct sizes *sizes, uint64_t chance)
{
	uint64_t at;
	unsigned i = 0;

	if (sizes->count == 0)
		return draw_lognormal(sizes, chance);
	at = dice_mix(chance) % sizes->total;
	while (at >= sizes->weight[i])
		at -= sizes->weight[i++];
	return sizes->size[i];
}
