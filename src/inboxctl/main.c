/* SPDX-License-Identifier: ISC */
/*
 * inboxctl(8): a table of commands and one of options.  A command shows a page
 * of the status socket, or reads the receiver's root by itself.
 */
#include "config.h"

#include <getopt.h>
#include <locale.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/agent.h"
#include "inboxctl/base/arguments.h"
#include "inboxctl/base/complain.h"
#include "inboxctl/base/places.h"
#include "inboxctl/base/receivers.h"
#include "inboxctl/check.h"
#include "inboxctl/client.h"
#include "inboxctl/clients.h"
#include "inboxctl/duplicates.h"
#include "inboxctl/forget.h"
#include "inboxctl/gap.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pause.h"
#include "inboxctl/print.h"
#include "inboxctl/reload.h"
#include "inboxctl/screens/show_inboxes.h"
#include "inboxctl/several.h"
#include "inboxctl/show_ledger.h"
#include "inboxctl/show_status.h"
#include "inboxctl/top.h"
#include "inboxctl/verify.h"
#include "lib/inherit.h"
#include "lib/parse.h"

#define DEFAULT_CONFIG SYSCONFDIR "/inboxd.conf"

/* Which commands an option is for, and what they need to know the place of. */
enum { CLIENTS = 1, LEDGER = 2, VERIFY = 4, RELOAD = 8, PRINT = 16, FORGET = 32, STATUS = 64,
	INBOXES = 128, TOP = 256, CHECK = 512, PAUSE = 1024, RESUME = 2048, DRAIN = 4096,
	CLIENT = 8192, GAP = 16384, DUPLICATES = 32768, AGENT = 65536,
	PAGE = STATUS | CLIENTS | INBOXES,
	SHOWN = PAGE | CLIENT | LEDGER | VERIFY | DUPLICATES | FORGET | GAP | PAUSE | RESUME,
	SEVERAL = STATUS | CLIENTS | CLIENT | INBOXES | CHECK | DUPLICATES,
	AT_ROOT = CLIENT | LEDGER | VERIFY | PRINT | DUPLICATES,
	AT_SOCKET = PAGE | CLIENT | RELOAD | FORGET | GAP | TOP | CHECK | PAUSE | RESUME | DRAIN |
	    AGENT };

static const struct command {
	const char *name, *help;
	int kind;
	const char *page; /* of the status socket, and who shows it */
	show_fn *show;
	int (*run)(const struct arguments *arguments);
	const char *operand; /* what it has to have behind it, or in brackets may; NULL: nothing */
	const char *second;  /* and what it may have behind that: two, where it has two words */
	/* Of several receivers at a time; NULL: of one. */
	int (*several)(const struct arguments *arguments, const struct receivers *receivers);
} commands[] = {
    {"status", "how the receiver is and what matters now", STATUS, NULL, NULL, show_status,
        NULL, NULL, several_status},
    {"clients", "how each client is, and who should come and does not", CLIENTS, NULL, NULL,
        clients_command, NULL, NULL, several_clients},
    {"client", "one client's story: what it misses, what came last", CLIENT, NULL, NULL,
        client_command, "CLIENT", NULL, several_client},
    {"inboxes", "each inbox: what waits in it, and since when", INBOXES, "/inboxes", show_inboxes,
        NULL, NULL, NULL, several_inboxes},
    {"top", "a live screen of what it does", TOP, NULL, NULL, top, NULL, NULL, NULL},
    {"check", "what is wrong, in a line and an exit code for Nagios", CHECK, NULL, NULL,
        check, NULL, NULL, several_check},
    {"agent", "may new clients come, in a line for HAProxy's agent-check", AGENT, NULL, NULL,
        agent, NULL, NULL, NULL},
    {"ledger", "what was accepted: who, when, what, under which name", LEDGER, NULL, NULL,
        show_ledger, NULL, NULL, NULL},
    {"verify", "the inboxes against ledger and journal", VERIFY, NULL, NULL, verify, NULL, NULL,
        NULL},
    {"duplicates", "items that were stored more than once, by the ledgers", DUPLICATES, NULL,
        NULL, NULL, NULL, NULL, duplicates},
    {"print", "an item's bytes, wherever they are", PRINT, NULL, NULL, print_item, "NAME",
        NULL, NULL},
    {"reload", "has its configuration taken anew, or says why it is not", RELOAD, NULL, NULL,
        reload, NULL, NULL, NULL},
    {"forget", "has a client's queues forgotten, or one of them", FORGET, NULL, NULL, forget,
        "CLIENT", "[QUEUE]", NULL},
    {"gap", "has numbers that are missing taken for known", GAP, NULL, NULL, gap, "CLIENT",
        "[QUEUE] FIRST[-LAST]", NULL},
    {"pause", "has an inbox, or all, take nothing until resume", PAUSE, NULL, NULL, pause_inbox,
        "[INBOX]", NULL, NULL},
    {"resume", "has an inbox, or all, take items again", RESUME, NULL, NULL, resume_inbox,
        "[INBOX]", NULL, NULL},
    {"drain", "pauses all, and waits until nothing is under way", DRAIN, NULL, NULL, drain, NULL,
        NULL, NULL},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

#define LETTERS_END 256 /* in getopt_long()'s values: behind it the choices that have no letter */

static const struct choice {
	/* value: what it is called, in brackets where it may be left out; NULL: it has none */
	const char *name, *value, *help;
	int letter; /* 0: it has none */
	int commands;
	size_t at;   /* in struct arguments */
	size_t list; /* likewise a struct given: it may stand several times; 0: it has none */
} choices[] = {
#define LISTED(member, list, value, commands, letter, help)                            \
	{#member, value, help, letter, commands, offsetof(struct arguments, member), \
	    offsetof(struct arguments, list)}
#define CHOICE_AS(name, member, value, commands, letter, help) \
	{name, value, help, letter, commands, offsetof(struct arguments, member), 0}
#define CHOICE(member, value, commands, letter, help) \
	CHOICE_AS(#member, member, value, commands, letter, help)
    CHOICE(json, NULL, SHOWN, 0, "for programs"),
    LISTED(config, configs, "FILE", AT_SOCKET | AT_ROOT, 'c',
        "the receiver's configuration (" DEFAULT_CONFIG ")"),
    LISTED(socket, sockets, "SOCKET", AT_SOCKET, 's',
        "the receiver's status socket, whatever that says"),
    LISTED(root, roots, "ROOT", AT_ROOT, 'r', "the receiver's root, whatever that says"),
    CHOICE(receivers, "FILE", SEVERAL, 'R', "several receivers, a section each"),
    CHOICE(silent, "[TIME]", CLIENTS, 0, "those unseen for long, or for so long"),
    CHOICE(behind, NULL, CLIENTS, 0, "those whose items wait for long"),
    CHOICE(missing, NULL, CLIENTS, 0, "those with gaps that nobody has confirmed"),
    CHOICE(gaps, NULL, CLIENTS, 0, "those with gaps, confirmed or not"),
    CHOICE_AS("never-came", never_came, NULL, CLIENTS, 0,
        "those that are expected and never came"),
    CHOICE(failed, NULL, CLIENTS, 0, "those with items set aside"),
    CHOICE(sort, "COLUMN,...", CLIENTS, 0, "by these; -COLUMN: turned round"),
    CHOICE(limit, "N", CLIENTS, 0, "so many lines at most"),
    CHOICE(verbose, NULL, STATUS | INBOXES | CLIENTS, 'v', "all there is"),
    CHOICE(interval, "TIME", TOP, 0, "how often it asks (2s)"),
    CHOICE(batch, "N", TOP, 0, "prints so many screens, as text"),
    CHOICE(once, NULL, TOP, 0, "prints one"),
    CHOICE(warning, "NAME=N", CHECK, 0, "a warning from there on; a list, by commas"),
    CHOICE(critical, "NAME=N", CHECK, 0, "critical from there on; likewise"),
    CHOICE(only, "NAME", CHECK, 0, "look at nothing else; likewise"),
    CHOICE(ignore, "NAME", CHECK, 0, "do not look at these"),
    CHOICE(inbox, "NAME", LEDGER | VERIFY, 0, "only of this inbox"),
    CHOICE(client, "GLOB", LEDGER | CLIENTS, 0, "only of these clients"),
    CHOICE(lines, "N", LEDGER, 'n', "the last ones alone"),
    CHOICE(follow, NULL, LEDGER, 'f', "and what comes, until it is interrupted"),
    CHOICE(queue, "ID", LEDGER, 0, "only of this queue; its first digits do"),
    CHOICE(item, "N", LEDGER, 0, "only of this number in its queue"),
    CHOICE(name, "GLOB", LEDGER, 0, "only of items so named"),
    CHOICE(since, "TIME", LEDGER | DUPLICATES, 0,
        "not before: 2026-11-22, 2026-11-22T14:11, 24h"),
    CHOICE(until, "TIME", LEDGER, 0, "before"),
    CHOICE(type, "TYPE,...", LEDGER, 0, "these records, or all (accept)"),
    CHOICE(quick, NULL, VERIFY, 0, "sizes only, no digests"),
    CHOICE(known, NULL, GAP, 0, "somebody knows what became of them"),
    CHOICE(force, NULL, FORGET, 0, "with items that may be stored again then"),
    CHOICE(reason, "TEXT", PAUSE | DRAIN, 0, "why, for those who ask"),
    CHOICE(timeout, "TIME", DRAIN, 0, "how long it waits (5m)"),
};
#define CHOICES (sizeof choices / sizeof choices[0])

static void
put_usage(FILE *out)
{
	char shown[40];

	fputs("usage: inboxctl [-hV] COMMAND [OPTION...]\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *operand = commands[i].operand, *second = commands[i].second;
		snprintf(shown, sizeof shown, "%s%s%s%s%s", commands[i].name, operand ? " " : "",
		    operand ? operand : "", second ? " " : "", second ? second : "");
		fprintf(out, "  %-21s %s\n", shown, commands[i].help);
	}
	for (size_t i = 0; i < CHOICES; i++) {
		const struct choice *choice = &choices[i];
		if (i == 0 || choice->commands != choices[i - 1].commands) {
			fputs("\n ", out);
			for (size_t k = 0; k < COMMANDS; k++)
				if (commands[k].kind & choice->commands)
					fprintf(out, " %s", commands[k].name);
			fputs(":\n", out);
		}
		snprintf(shown, sizeof shown, "--%s %s", choice->name,
		    choice->value ? choice->value : "");
		if (choice->letter)
			fprintf(out, "  -%c, %-17s %s\n", choice->letter, shown, choice->help);
		else
			fprintf(out, "      %-17s %s\n", shown, choice->help);
	}
	fputs("\n  -h, -V                this help, the version\n", out);
}

static int
usage_error(const char *what, const char *why)
{
	complain("%s: %s", what, why);
	fputs("Try 'inboxctl -h'.\n", stderr);
	return EX_USAGE;
}

static int
show_page(const struct command *command, const struct arguments *arguments)
{
	const struct showing showing = {stdout, terminal_screen(STDOUT_FILENO), arguments};
	struct json_t *page;
	struct why why = {""};
	int code = page_get(arguments->socket, command->page, &page);

	if (code == EX_OK &&
	    (arguments->json ? show_json : command->show)(page, &showing, &why) == -1) {
		complain("%s: %s", arguments->socket, why.text);
		code = EX_PROTOCOL;
	}
	show_free(page);
	return code;
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

/* Where the receiver is, as far as the command has to know. */
static int
find_places(int kind, struct arguments *arguments, struct places *places)
{
	const char *config = arguments->config ? arguments->config : DEFAULT_CONFIG;
	int lacks_root = kind & AT_ROOT && !arguments->root;
	int lacks_socket = kind & AT_SOCKET && !arguments->socket;

	if (!lacks_root && !lacks_socket)
		return 0;
	if (places_read(places, config) < 0) {
		fprintf(stderr, "-%c says where the receiver's %s is, -c its configuration.\n",
		    lacks_root ? 'r' : 's', lacks_root ? "root" : "socket");
		return -1;
	}
	if (lacks_root)
		arguments->root = places->root;
	if (lacks_socket)
		arguments->socket = places->socket;
	return 0;
}

static int
run_several(const struct command *command, const struct arguments *arguments)
{
	struct receivers receivers = {NULL, 0};
	int code = EX_CONFIG;

	if (receivers_read(&receivers, arguments, DEFAULT_CONFIG,
	        command->kind & AT_SOCKET ? RECEIVERS_SOCKET : RECEIVERS_ROOT) == 0)
		code = command->several(arguments, &receivers);
	receivers_free(&receivers);
	return code;
}

static int
run(const struct command *command, struct arguments *arguments)
{
	struct places places = {NULL, NULL};
	int code = EX_CONFIG, is_several = receivers_are_several(arguments);

	if (is_several && !command->several)
		return usage_error(command->name, "of one receiver at a time");
	if (command->several && (is_several || (!command->run && !command->page)))
		return run_several(command, arguments);
	if (find_places(command->kind, arguments, &places) == 0)
		code = command->run ? command->run(arguments)
		                    : show_page(command, arguments);
	places_free(&places);
	return code;
}

static int
is_optional(const struct choice *choice)
{
	return choice->value && choice->value[0] == '[';
}

/* getopt(3) takes "--silent=24h"; people write "--silent 24h", too. */
static int
is_time(const char *word)
{
	uint64_t seconds;

	return word && parse_seconds(word, strlen(word), &seconds) == 0;
}

static int
take_listed(const struct choice *choice, struct arguments *arguments, const char *value)
{
	struct given *given = (void *)((char *)arguments + choice->list);

	if (given->count == GIVEN_MAX) {
		complain("--%s: %d times at most; -R names more receivers", choice->name,
		    GIVEN_MAX);
		return -1;
	}
	given->words[given->count++] = value;
	return 0;
}

/* 0, 'h' or 'V' for what is asked instead of a command, -1: wrong, and told.
 * *given gets a bit a choice. */
static int
read_options(int argc, char **argv, struct arguments *arguments, uint64_t *given)
{
	struct option options[CHOICES + 3] = {
	    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}};
	int letter;

	for (size_t i = 0; i < CHOICES; i++)
		options[i + 2] = (struct option){choices[i].name,
		    is_optional(&choices[i]) ? optional_argument
		        : choices[i].value   ? required_argument
		                             : no_argument,
		    NULL, choices[i].letter ? choices[i].letter : LETTERS_END + (int)i};
	while ((letter = getopt_long(argc, argv, "c:s:r:R:n:fvhV", options, NULL)) != -1) {
		if (letter == 'h' || letter == 'V')
			return letter;
		size_t i = letter >= LETTERS_END ? (size_t)(letter - LETTERS_END) : 0;
		while (letter < LETTERS_END && i < CHOICES && choices[i].letter != letter)
			i++;
		if (i == CHOICES)
			return -1; /* getopt has told */
		if (!optarg && is_optional(&choices[i]) && is_time(argv[optind]))
			optarg = argv[optind++];
		if ((*given & UINT64_C(1) << i) && choices[i].commands == CHECK) {
			complain("--%s: once, with commas in it", choices[i].name);
			return -1;
		}
		const char *value = optarg ? optarg : "";
		if (choices[i].list && take_listed(&choices[i], arguments, value) < 0)
			return -1;
		memcpy((char *)arguments + choices[i].at, &value, sizeof value);
		*given |= UINT64_C(1) << i;
	}
	return 0;
}

static const char *
list_commands(const char *why, char *list, size_t room)
{
	size_t len = (size_t)snprintf(list, room, "%swhich of", why);

	for (size_t i = 0; i < COMMANDS && len < room; i++)
		len += (size_t)snprintf(list + len, room - len, "%s %s", i == 0 ? "" : ",",
		    commands[i].name);
	return list;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static int
begin(int argc, char **argv)
{
	struct arguments arguments = {.socket = NULL};
	const struct command *command;
	uint64_t given = 0;
	char list[256];

	if (inherit_descriptors() < 0)
		return EX_OSERR;
	setlocale(LC_CTYPE, ""); /* names as people wrote them: lib/table.h */
	switch (read_options(argc, argv, &arguments, &given)) {
	case 'h':
		put_usage(stdout);
		return finish(EX_OK);
	case 'V':
		puts("inboxctl " PACKAGE_VERSION);
		return finish(EX_OK);
	case -1:
		fputs("Try 'inboxctl -h'.\n", stderr);
		return EX_USAGE;
	}
	if (optind == argc)
		return usage_error("no command", list_commands("", list, sizeof list));
	command = find_command(argv[optind++]);
	if (!command)
		return usage_error(argv[optind - 1],
		    list_commands("no such command: ", list, sizeof list));
	if (command->operand && command->operand[0] != '[' && optind == argc)
		return usage_error(command->name, strcmp(command->operand, "CLIENT") == 0
		        ? "whose?  It wants a CLIENT"
		        : "of which item?  It wants a NAME");
	if (command->operand && optind < argc)
		arguments.operand = argv[optind++];
	if (command->second && optind < argc)
		arguments.second = argv[optind++];
	if (command->second && strchr(command->second, ' ') && optind < argc)
		arguments.third = argv[optind++];
	if (optind < argc)
		return usage_error(argv[optind], command->second ? "one queue at a time"
		        : command->operand                       ? "one at a time"
		        : find_command(argv[optind])             ? "one command at a time"
		                                                 : "only options may stand here");
	for (size_t i = 0; i < CHOICES; i++)
		if ((given & UINT64_C(1) << i) && !(choices[i].commands & command->kind)) {
			complain("%s: has no option --%s", command->name, choices[i].name);
			fputs("Try 'inboxctl -h'.\n", stderr);
			return EX_USAGE;
		}
	return finish(run(command, &arguments));
}

/* Has it the exit codes of a check?  So it has where the command cannot be made out, too. */
static int
wants_check(int argc, char **argv)
{
	const struct command *command = NULL;

	for (int i = 1; i < argc && !command; i++)
		command = find_command(argv[i]);
	return command && command->kind == CHECK;
}

int
main(int argc, char **argv)
{
	int is_check = wants_check(argc, argv), code = begin(argc, argv);

	return is_check ? check_exit(code) : code;
}
