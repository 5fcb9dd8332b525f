/* SPDX-License-Identifier: ISC */
/*
 * In the words of HAProxy's agent-check (its Configuration Manual, "agent-check"): "up ready", and
 * new clients come; "drain", and they come no more, while those that are there stay; "down", and
 * why.
 */
#include "config.h"

#include "inboxctl/agent.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/pages/fetch.h"
#include "lib/table.h"

#define PATIENCE 1000 /* milliseconds, for each of two pages: who asks does not wait for long */

static void
say_down(const char *why)
{
	fputs("down #", stdout);
	table_plain(stdout, why);
	putchar('\n');
}

/* Does it run as ever?  "draining", "paused" and what may come are words for no new clients. */
static int
is_running(const struct fetch_page *status)
{
	json_t *root = json_loadb(status->text, status->len, JSON_REJECT_DUPLICATES, NULL);
	const char *state = json_string_value(json_object_get(root, "state"));
	int is = state && strcmp(state, "running") == 0;

	json_decref(root);
	return is;
}

int
agent(const struct arguments *arguments)
{
	struct fetch_page health, status;

	if (fetch_page_within(arguments->socket, "/healthz", PATIENCE, &health) != FETCH_OK) {
		say_down(health.why.text);
		return EX_OK;
	}
	free(health.text);
	if (fetch_page_within(arguments->socket, "/status", PATIENCE, &status) != FETCH_OK) {
		say_down(status.why.text);
		return EX_OK;
	}
	puts(is_running(&status) ? "up ready" : "drain");
	free(status.text);
	return EX_OK;
}
