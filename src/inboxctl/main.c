/* SPDX-License-Identifier: ISC */
/*
 * inboxctl(8): a table of commands, each a page to get and a way to show it.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxctl/fetch.h"
#include "inboxctl/show.h"
#include "inboxctl/table.h"

#define DEFAULT_SOCKET RUNSTATEDIR "/inboxd/status.sock"

static const struct command {
	const char *name, *page, *help;
	show_fn *show;
} commands[] = {
    {"status", "/status", "how the receiver is and how its items ended", show_status},
    {"clients", "/clients", "each client's queue: seen, stored, pending, missing", show_clients},
    {"inboxes", "/inboxes", "each inbox: what waits in it, and since when", show_inboxes},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
put_usage(FILE *out)
{
	fputs("usage: inboxctl [-hV] [-s SOCKET] [--json] COMMAND\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n  -s SOCKET  the receiver's status socket (" DEFAULT_SOCKET ")\n"
	      "  --json     the page as the receiver sends it\n"
	      "  -h, -V     this help, the version\n",
	    out);
}

static void
complain(const char *what, const char *why)
{
	fputs("inboxctl: ", stderr);
	table_plain(stderr, what);
	fputs(": ", stderr);
	table_plain(stderr, why);
	fputc('\n', stderr);
}

static int
usage_error(const char *what, const char *why)
{
	complain(what, why);
	fputs("Try 'inboxctl -h'.\n", stderr);
	return EX_USAGE;
}

static int
run(const struct command *command, const char *socket_path, int json)
{
	struct fetch_page page;
	char why[SHOW_WHY_ROOM] = "";
	int rc;

	switch (fetch_page(socket_path, command->page, &page)) {
	case FETCH_OK:
		break;
	case FETCH_UNREACHABLE:
		complain(socket_path, page.why);
		fputs("Is the receiver running (systemctl status inboxd), is this its [status] "
		      "socket,\nand may you open it (ls -l)?  -s names another one.\n",
		    stderr);
		return EX_UNAVAILABLE;
	case FETCH_REFUSED:
		complain(socket_path, page.why);
		return EX_UNAVAILABLE;
	case FETCH_PROTOCOL:
		complain(socket_path, page.why);
		return EX_PROTOCOL;
	}
	if (json) {
		rc = show_check(page.text, page.len, why);
		if (rc == 0) {
			fwrite(page.text, 1, page.len, stdout);
			if (page.len > 0 && page.text[page.len - 1] != '\n')
				fputc('\n', stdout);
		}
	} else {
		rc = command->show(page.text, page.len, stdout, why);
	}
	free(page.text);
	if (rc == -1) {
		complain(socket_path, why);
		return EX_PROTOCOL;
	}
	return EX_OK;
}

/* An answer that did not reach its reader is no success. */
static int
finish(int code)
{
	if (fflush(stdout) == EOF || ferror(stdout)) {
		perror("inboxctl: standard output");
		return code == EX_OK ? EX_IOERR : code;
	}
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
	    {"socket", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	const char *socket_path = DEFAULT_SOCKET;
	int json = 0, option;

	while ((option = getopt_long(argc, argv, "s:hV", options, NULL)) != -1) {
		switch (option) {
		case 's':
			socket_path = optarg;
			break;
		case 'j':
			json = 1;
			break;
		case 'h':
			put_usage(stdout);
			return finish(EX_OK);
		case 'V':
			puts("inboxctl " PACKAGE_VERSION);
			return finish(EX_OK);
		default:
			fputs("Try 'inboxctl -h'.\n", stderr);
			return EX_USAGE;
		}
	}
	if (optind == argc)
		return usage_error("no command", "which of status, clients, inboxes?");
	if (optind + 1 < argc)
		return usage_error(argv[optind + 1], "one command at a time");
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return finish(run(&commands[i], socket_path, json));
	return usage_error(argv[optind], "no such command");
}
