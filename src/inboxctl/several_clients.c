/* SPDX-License-Identifier: ISC */
/*
 * inboxctl clients of several receivers: a line a queue, whoever knows it.
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/fleet.h"
#include "inboxctl/pages/answers.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/roll_show.h"
#include "inboxctl/several.h"

/* ---- for programs */

/* What one receiver says of it, with the receiver's name. */
static json_t *
at_json(const struct roll_at *at, const struct receivers *receivers)
{
	json_t *object = json_loads(at->json, 0, NULL);

	if (json_object_set_new(object, "receiver",
	        show_plain(receivers->all[at->receiver].name)) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *
states_json(unsigned states)
{
	json_t *list = json_array();

	for (int state = CLIENT_STATES - 1; state >= 0; state--)
		if (states & 1u << state)
			json_array_append_new(
			    list, json_string(client_state_name((enum client_state)state)));
	return list;
}

/* 0, or -1: memory is out, or standard output has an error. */
static int
print_row(const struct roll_row *row, const struct receivers *receivers)
{
	const struct roll_value *state = &row->values[ROLL_STATE];
	json_t *list = json_array(), *object;
	int failed = list ? 0 : -1;

	for (const struct roll_at *at = row->at; at; at = at->next)
		failed |= json_array_append_new(list, at_json(at, receivers));
	object = json_pack("{s:s?, s:s?, s:s, s:o, s:I, s:o}", "identity",
	    row->values[ROLL_CLIENT].text, "queue", row->values[ROLL_QUEUE].text, "state",
	    state->number < CLIENT_STATES ? client_state_name((enum client_state)state->number)
	                                  : "-",
	    "states", states_json(row->states), "gaps_unknown",
	    (json_int_t)(row->values[ROLL_GAPS].number > 0 ? row->values[ROLL_GAPS].number : 0),
	    "receivers", list);
	if (!object || failed)
		failed = -1;
	else
		failed = json_dumpf(object, stdout, JSON_ENSURE_ASCII | JSON_COMPACT);
	json_decref(object);
	return failed ? -1 : 0;
}

static int
show_lines(const struct roll *roll, const struct answer *status)
{
	json_t *list = answers_json(status, roll->receivers->count, NULL);
	int failed;

	printf("{\"schema\": %d, \"now\": %lld, \"receivers\": ", SHOW_SCHEMA,
	    (long long)roll->now);
	failed = !list || json_dumpf(list, stdout, JSON_ENSURE_ASCII | JSON_COMPACT) < 0;
	json_decref(list);
	fputs(", \"clients\": [", stdout);
	for (size_t i = 0; i < roll->count && !failed; i++) {
		fputs(i ? ",\n" : "\n", stdout);
		failed = print_row(&roll->rows[i], roll->receivers) < 0;
	}
	fputs("\n]}\n", stdout);
	return failed ? -1 : 0;
}

/* ---- the whole */

int
several_clients(const struct arguments *arguments, const struct receivers *receivers)
{
	struct roll roll = {.rows = NULL};
	struct answer *status;
	struct why why;
	int code = EX_OSERR;

	if (roll_read(arguments, &roll.wish, &why) < 0) {
		complain("%s", why.text);
		return EX_USAGE;
	}
	status = answers_status(receivers, FETCH_PATIENCE);
	if (status && fleet_read(&roll, status, receivers, 0) == 0) {
		roll_filter(&roll);
		roll_sort(&roll);
		if (!arguments->json)
			code = roll_show(&roll, arguments->verbose != NULL) == 0 ? EX_OK : EX_OSERR;
		else if (show_lines(&roll, status) == 0)
			code = EX_OK;
		else
			complain("out of memory");
		if (code == EX_OK)
			code = answers_tell(status, receivers->count);
	}
	roll_free(&roll);
	answers_free(status, receivers->count);
	return code;
}
