/* SPDX-License-Identifier: ISC */
/* inbox-relay: what the command line asks for.  The work is relay.c. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "inbox-relay/engine.h"
#include "inbox-relay/relay.h"
#include "inbox-relay/settings.h"
#include "lib/inherit.h"
#include "lib/log.h"

enum task { TASK_RELAY, TASK_ONCE, TASK_CHECK, TASK_PRINT, TASK_SCHEMA };

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: inbox-relay [-c FILE] [-o | -s | -t | -T]\n"
	    "       inbox-relay -h | -V\n"
	    "\n"
	    "Takes items out of inboxes into PostgreSQL or NATS JetStream.\n"
	    "It stays in the foreground and logs to standard error.\n"
	    "\n"
	    "  -c FILE  the configuration (" SETTINGS_DEFAULT ")\n"
	    "  -o       once: take what is there, and end\n"
	    "  -s       print what makes the table or the stream, and end\n"
	    "  -t       check configuration, folders and engine, and end\n"
	    "  -T       print the effective configuration and end\n"
	    "  -V, --version  print the version\n"
	    "  -h, --help     print this\n"
	    "\n"
	    "SIGTERM ends it.  See inbox-relay(8).\n");
}

static void
print_conf_error(void *ctx, const char *message)
{
	const enum task *task = ctx;

	if (*task == TASK_RELAY || *task == TASK_ONCE)
		log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	else
		log_complain("inbox-relay", "%s", message);
}

static int
printed(int rc)
{
	if (rc == 0 && fflush(stdout) == 0)
		return EX_OK;
	log_complain("inbox-relay", "standard output: %s", strerror(errno));
	return EX_IOERR;
}

static int
run(enum task task, const char *config, const struct settings *settings)
{
	int code;

	switch (task) {
	case TASK_RELAY:
	case TASK_ONCE:
		log_setup(conf_log_level(&settings->log), (enum log_format)settings->log.format);
		if (log_start() < 0)
			return EX_OSERR;
		return relay_run(settings, task == TASK_ONCE);
	case TASK_CHECK:
		code = relay_check(settings);
		if (code == EX_OK)
			printf("%s: fine\n", config);
		return code;
	case TASK_PRINT:
		return printed(conf_print(stdout, &settings_schema, settings));
	case TASK_SCHEMA:
		engine_of(settings->type)->print_schema(settings, stdout);
		return printed(0);
	}
	return EX_SOFTWARE;
}

int
main(int argc, char **argv)
{
	static const struct option names[] = {
	    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	const char *config = SETTINGS_DEFAULT;
	enum task task = TASK_RELAY;
	const struct conf_report report = {print_conf_error, &task};
	struct settings settings;
	int option, rc = EX_CONFIG;

	if (inherit_descriptors() < 0)
		return EX_OSERR;
	while ((option = getopt_long(argc, argv, "c:ostTVh", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 'o':
			task = TASK_ONCE;
			break;
		case 's':
			task = TASK_SCHEMA;
			break;
		case 't':
			task = TASK_CHECK;
			break;
		case 'T':
			task = TASK_PRINT;
			break;
		case 'V':
			printf("inbox-relay %s\n", PACKAGE_VERSION);
			return EX_OK;
		case 'h':
			usage(stdout);
			return EX_OK;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		log_complain("inbox-relay", "unexpected argument \"%s\"", argv[optind]);
		usage(stderr);
		return EX_USAGE;
	}
	inherit_signals(0);
	umask(077);
	(void)inherit_limit(RLIMIT_NOFILE);
	if (settings_read(config, &settings, &report) == 0)
		rc = run(task, config, &settings);
	settings_free(&settings);
	return rc;
}
