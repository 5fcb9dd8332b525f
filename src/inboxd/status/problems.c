/* SPDX-License-Identifier: ISC */
#include "inboxd/status/problems.h"

#include <stdlib.h>

#include "inboxd/status/metrics.h"

/* 0, or -1: memory is out. */
static int
judge(const struct status_source *source, const uint64_t values[STATS_CELLS], int64_t now,
    struct health_verdict verdicts[HEALTH_ROWS])
{
	struct health_limits limits;
	char *page = metrics_page(source, values, 0);

	if (!page)
		return -1;
	health_limits_default(&limits);
	health_judge(page, now, &limits, verdicts);
	free(page);
	return 0;
}

json_t *
problems_json(const struct status_source *source, const uint64_t values[STATS_CELLS], int64_t now)
{
	struct health_verdict verdicts[HEALTH_ROWS];
	char text[HEALTH_TEXT_ROOM];
	json_t *problems = json_array();

	if (judge(source, values, now, verdicts) < 0)
		goto fail;
	for (int severity = HEALTH_CRITICAL; severity > HEALTH_OK; severity--) {
		for (size_t i = 0; i < HEALTH_ROWS; i++) {
			if ((int)verdicts[i].severity != severity)
				continue;
			health_text(text, i, &verdicts[i]);
			if (json_array_append_new(problems,
			        json_pack("{s:s, s:s, s:o}", "severity",
			            health_word(verdicts[i].severity), "name", health_rows[i].name,
			            "text", json_text(text))) == -1)
				goto fail;
		}
	}
	return problems;
fail:
	json_decref(problems);
	return NULL;
}

enum health_severity
problems_worst(const struct status_source *source, const uint64_t values[STATS_CELLS],
    int64_t now, char text[HEALTH_TEXT_ROOM])
{
	struct health_verdict verdicts[HEALTH_ROWS];
	size_t worst = 0;

	text[0] = '\0';
	if (judge(source, values, now, verdicts) < 0)
		return HEALTH_OK;
	for (size_t i = 1; i < HEALTH_ROWS; i++)
		if (verdicts[i].severity > verdicts[worst].severity)
			worst = i;
	if (verdicts[worst].severity > HEALTH_OK)
		health_text(text, worst, &verdicts[worst]);
	return verdicts[worst].severity;
}
