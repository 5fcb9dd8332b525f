/* SPDX-License-Identifier: ISC */
/*
 * getopt_long(3) gets letters for long options without one from LONG_ONLY on, by their row.
 */
#include "config.h"

#include "inboxq/commands/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

#define LONG_ONLY 256
#define SHARED 3 /* options that every command has */

static const struct command_option shared[SHARED + 1] = {
    {'c', "config", "FILE", "the configuration"},
    {'h', "help", NULL, "this help"},
    {'V', "version", NULL, "the version"},
    {0, NULL, NULL, NULL},
};

static void
put_options(const struct command_option *option)
{
	char shown[48];

	for (; option && option->name; option++) {
		snprintf(shown, sizeof shown, "--%s %s", option->name,
		    option->value ? option->value : "");
		if (option->letter)
			printf("  -%c, %-20s %s\n", option->letter, shown, option->help);
		else
			printf("      %-20s %s\n", shown, option->help);
	}
}

static void
put_usage(const struct command *const *commands, const struct command_call *call)
{
	printf("usage: inboxq [-c FILE] COMMAND [OPTION...]\n\n");
	for (; *commands; commands++)
		printf("  %-9s %s\n", (*commands)->name, (*commands)->help);
	printf("\n");
	put_options(shared);
	printf("\nThe configuration is %s, if -c names none.\n"
	       "'inboxq COMMAND -h' tells a command's options; inboxq(1) tells all.\n",
	    call->config);
}

static void
put_command_usage(const struct command *command)
{
	printf("usage: inboxq %s [OPTION...]%s%s\n%s\n\n", command->name,
	    command->synopsis[0] ? " " : "", command->synopsis, command->help);
	put_options(command->options);
	put_options(shared);
}

/* One of `shared`: ARGUMENTS_RUN if the reading goes on behind it. */
static enum arguments_result
take_shared(const struct command *const *commands, struct command_call *call, int letter)
{
	switch (letter) {
	case 'c':
		call->config = optarg;
		return ARGUMENTS_RUN;
	case 'h':
		if (call->command)
			put_command_usage(call->command);
		else
			put_usage(commands, call);
		return ARGUMENTS_SHOWN;
	case 'V':
		puts("inboxq " PACKAGE_VERSION);
		return ARGUMENTS_SHOWN;
	}
	fprintf(stderr, "Try 'inboxq%s%s -h'.\n", call->command ? " " : "",
	    call->command ? call->command->name : ""); /* getopt has said what is wrong */
	return ARGUMENTS_WRONG;
}

/* What getopt_long() wants: the command's options (NULL: none), then the shared ones. */
struct option_table {
	char letters[2 + 2 * (COMMAND_OPTIONS + SHARED)];
	struct option options[COMMAND_OPTIONS + SHARED + 1];
	size_t count;
};

static void
add_options(struct option_table *table, const struct command_option *option)
{
	size_t len = strlen(table->letters);

	for (int row = 0; option && option[row].name; row++) {
		char letter = option[row].letter;

		table->options[table->count++] = (struct option){option[row].name,
		    option[row].value ? required_argument : no_argument, NULL,
		    letter ? letter : LONG_ONLY + row};
		if (letter)
			table->letters[len++] = letter;
		if (letter && option[row].value)
			table->letters[len++] = ':';
	}
	table->letters[len] = '\0';
}

/* Is `letter` one of the command's?  Then its value is taken. */
static int
take_own(struct command_call *call, int letter)
{
	const struct command_option *option = call->command ? call->command->options : NULL;

	for (int row = 0; option && option[row].name; row++) {
		if (letter != (option[row].letter ? option[row].letter : LONG_ONLY + row))
			continue;
		call->values[row] = option[row].value ? optarg : "";
		return 1;
	}
	return 0;
}

/* Up to the first operand while there is no command yet, else all of them. */
static enum arguments_result
read_options(
    const struct command *const *commands, struct command_call *call, int argc, char **argv)
{
	struct option_table table = {.letters = "+"};
	enum arguments_result result = ARGUMENTS_RUN;
	int letter;

	if (call->command) {
		table.letters[0] = '\0';
		add_options(&table, call->command->options);
	}
	add_options(&table, shared);
	while (result == ARGUMENTS_RUN &&
	    (letter = getopt_long(argc, argv, table.letters, table.options, NULL)) != -1)
		if (!take_own(call, letter))
			result = take_shared(commands, call, letter);
	return result;
}

enum arguments_result
arguments_read(
    const struct command *const *commands, struct command_call *call, int argc, char **argv)
{
	enum arguments_result result = read_options(commands, call, argc, argv);
	const struct command *const *command = commands;

	if (result != ARGUMENTS_RUN)
		return result;
	while (optind < argc && *command && strcmp((*command)->name, argv[optind]) != 0)
		command++;
	if (optind >= argc || !*command) {
		if (optind < argc)
			log_complain("inboxq", "%s: no such command", argv[optind]);
		else
			log_complain("inboxq", "which command?");
		fputs("Try 'inboxq -h'.\n", stderr);
		return ARGUMENTS_WRONG;
	}
	call->command = *command;
	/* As a command line of its own: options may stand behind operands, which the first
	 * reading ruled out. */
	argv[optind] = argv[0];
	argv += optind;
	argc -= optind;
	optind = 0;
	result = read_options(commands, call, argc, argv);
	if (result != ARGUMENTS_RUN)
		return result;
	call->rest = argv + optind;
	call->count = (size_t)(argc - optind);
	if (call->count <= call->command->rest_max)
		return ARGUMENTS_RUN;
	(void)!command_misused(call, "%s: one too many", call->rest[call->command->rest_max]);
	return ARGUMENTS_WRONG;
}
