/* SPDX-License-Identifier: ISC */
/* inboxq: the client's copy queue.  The command line; what the commands do is in
 * commands.c and run.c. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxq/commands.h"
#include "inboxq/loaded.h"
#include "inboxq/run.h"
#include "inboxq/base/settings.h"
#include "inboxq/spool/spool.h"
#include "lib/inherit.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

static const char usage_text[] =
    "usage: inboxq add [-c FILE] -i INBOX [-n NAME] [FILE...]\n"
    "       inboxq run [-c FILE] [--once] [-v]\n"
    "       inboxq list|status|check [-c FILE]\n"
    "       inboxq requeue [-c FILE] N...|--all\n"
    "       inboxq remove [-c FILE] N...\n"
    "       inboxq -h|-V\n";

enum command { COMMAND_ADD, COMMAND_RUN, COMMAND_LIST, COMMAND_STATUS, COMMAND_REQUEUE,
	COMMAND_REMOVE, COMMAND_CHECK, COMMANDS };

static const struct {
	const char *name, *options;
	int makes_spool, takes_arguments;
} commands[COMMANDS] = {
    [COMMAND_ADD] = {"add", "i:n:", 1, 1},
    [COMMAND_RUN] = {"run", "v1", 1, 0},
    [COMMAND_LIST] = {"list", "", 0, 0},
    [COMMAND_STATUS] = {"status", "", 0, 0},
    [COMMAND_REQUEUE] = {"requeue", "a", 0, 1},
    [COMMAND_REMOVE] = {"remove", "", 0, 1},
    [COMMAND_CHECK] = {"check", "", 0, 0},
};

struct arguments {
	enum command command;
	const char *config, *inbox, *name;
	int all;
	struct run_options run;
	char **rest;
	size_t count;
};

static int
say_usage(const char *what)
{
	if (what)
		log_complain("inboxq", "%s", what);
	fputs(usage_text, stderr);
	return EX_USAGE;
}

static const struct option long_options[] = {
    {"all", no_argument, NULL, 'a'},
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"inbox", required_argument, NULL, 'i'},
    {"name", required_argument, NULL, 'n'},
    {"once", no_argument, NULL, '1'},
    {"progress", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

/* An option letter into *arguments; -1: not known. */
static int
take_option(struct arguments *arguments, int letter)
{
	switch (letter) {
	case 'a':
		arguments->all = 1;
		break;
	case 'c':
		arguments->config = optarg;
		break;
	case 'i':
		arguments->inbox = optarg;
		break;
	case 'n':
		arguments->name = optarg;
		break;
	case '1':
		arguments->run.once = 1;
		break;
	case 'v':
		arguments->run.progress = 1;
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(EX_OK);
	case 'V':
		puts("inboxq " PACKAGE_VERSION);
		exit(EX_OK);
	default:
		return -1;
	}
	return 0;
}

static int
find_command(struct arguments *arguments, const char *name)
{
	for (int i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			arguments->command = (enum command)i;
			return 0;
		}
	}
	return -1;
}

/* Options may stand before the command and behind it.  EX_OK or EX_USAGE. */
static int
read_arguments(struct arguments *arguments, int argc, char **argv)
{
	const char *allowed;
	int letter;

	while ((letter = getopt_long(argc, argv, "+c:hV", long_options, NULL)) != -1)
		if (!strchr("chV", letter) || take_option(arguments, letter) < 0)
			return say_usage(NULL);
	if (optind >= argc)
		return say_usage("which command?");
	if (find_command(arguments, argv[optind]) < 0) {
		log_complain("inboxq", "%s: no such command", argv[optind]);
		return say_usage(NULL);
	}
	optind++;
	allowed = commands[arguments->command].options;
	while ((letter = getopt_long(argc, argv, "c:hVi:n:v", long_options, NULL)) != -1) {
		if (letter == '?')
			return say_usage(NULL);
		if (!strchr("chV", letter) && !strchr(allowed, letter))
			return say_usage("that option is not for this command");
		if (take_option(arguments, letter) < 0)
			return say_usage(NULL);
	}
	arguments->rest = argv + optind;
	arguments->count = (size_t)(argc - optind);
	if (arguments->count && !commands[arguments->command].takes_arguments)
		return say_usage("surplus arguments");
	return EX_OK;
}

/* What can be told without looking at a file. */
static int
check_arguments(const struct arguments *arguments)
{
	int takes_numbers =
	    arguments->command == COMMAND_REQUEUE || arguments->command == COMMAND_REMOVE;

	if (takes_numbers && (arguments->all ? arguments->count != 0 : arguments->count == 0))
		return say_usage("want numbers as list shows them");
	if (arguments->command != COMMAND_ADD)
		return EX_OK;
	if (!arguments->inbox)
		return say_usage("add: -i INBOX is missing");
	if (!is_plain_name(arguments->inbox, strlen(arguments->inbox), PROTO_INBOX_MAX))
		return say_usage("add: an inbox is 1 to 64 letters, digits, dots, hyphens or "
		                 "underscores, a letter or digit first");
	if (arguments->name && arguments->count)
		return say_usage("add: -n is for standard input; files have their own names");
	return EX_OK;
}

/* `requeue` and `remove`: numbers. */
static int
run_numbers(struct spool *spool, const struct arguments *arguments)
{
	uint64_t *numbers;
	int rc = EX_OK;

	if (arguments->all)
		return command_requeue(spool, NULL, 0);
	numbers = calloc(arguments->count, sizeof *numbers);
	if (!numbers)
		return EX_OSERR;
	for (size_t i = 0; i < arguments->count && rc == EX_OK; i++) {
		const char *text = arguments->rest[i];

		if (parse_u64(text, strlen(text), PROTO_NUMBER_MAX, &numbers[i]) < 0) {
			log_complain("inboxq", "%s: not a number", text);
			rc = EX_USAGE;
		}
	}
	if (rc == EX_OK && arguments->command == COMMAND_REQUEUE)
		rc = command_requeue(spool, numbers, arguments->count);
	else if (rc == EX_OK)
		rc = command_remove(spool, numbers, arguments->count);
	free(numbers);
	return rc;
}

static int
run_command(struct spool *spool, struct settings *settings, const struct arguments *arguments)
{
	switch (arguments->command) {
	case COMMAND_ADD:
		return command_add(spool, arguments->inbox, arguments->name, arguments->rest,
		    arguments->count);
	case COMMAND_RUN:
		return run_queue(arguments->config, settings, spool, &arguments->run);
	case COMMAND_LIST:
		return command_list(spool);
	case COMMAND_STATUS:
		return command_status(spool);
	case COMMAND_REQUEUE:
	case COMMAND_REMOVE:
		return run_numbers(spool, arguments);
	case COMMAND_CHECK:
	case COMMANDS:
		break;
	}
	return EX_SOFTWARE;
}

/* What a start or a reload reads beside the file of the settings; the spool is not looked at. */
static int
check(const struct settings *settings, const char *config)
{
	struct why error;
	struct tls *tls = loaded_tls(settings, &error);
	int rc = tls ? EX_OK : errno == EAGAIN ? EX_TEMPFAIL : EX_CONFIG;

	if (tls)
		printf("%s: fine\n", config);
	else
		log_complain("inboxq", "%s", error.text);
	tls_unref(tls);
	return rc;
}

static void
print_conf_error(void *ctx, const char *message)
{
	const struct arguments *arguments = ctx;

	if (arguments->command == COMMAND_RUN)
		log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	else
		log_complain("inboxq", "%s", message);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = {.config = SETTINGS_DEFAULT};
	const struct conf_report report = {print_conf_error, &arguments};
	struct why why;
	struct settings settings;
	struct spool *spool = NULL;
	int rc;

	if (inherit_descriptors() < 0)
		return EX_OSERR;
	rc = read_arguments(&arguments, argc, argv);
	if (rc == EX_OK)
		rc = check_arguments(&arguments);
	if (rc != EX_OK)
		return rc;
	inherit_signals(arguments.command == COMMAND_RUN && !arguments.run.once);
	umask(077);
	if (settings_read(arguments.config, &settings, &report) < 0) {
		rc = EX_CONFIG;
		goto out;
	}
	log_setup(conf_log_level(&settings.log), (enum log_format)settings.log.format);
	if (arguments.command == COMMAND_RUN && log_start() < 0) {
		rc = EX_OSERR;
		goto out;
	}
	if (arguments.command == COMMAND_CHECK) {
		rc = check(&settings, arguments.config);
		goto out;
	}
	spool = spool_open(settings.spool, commands[arguments.command].makes_spool, &why);
	if (!spool) {
		rc = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CANTCREAT;
		if (arguments.command == COMMAND_RUN)
			log_event(LOG_CRIT, "start_failed", "error=\"%s\" exit=%d", why.text, rc);
		else
			log_complain("inboxq", "%s", why.text);
		goto out;
	}
	rc = run_command(spool, &settings, &arguments);
out:
	spool_close(spool);
	settings_free(&settings);
	return rc;
}
