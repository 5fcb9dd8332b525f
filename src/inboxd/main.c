/* SPDX-License-Identifier: ISC */
/* inboxd: what the command line asks for.  The receiver itself is server.c. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/folders.h"
#include "inboxd/base/settings.h"
#include "inboxd/check.h"
#include "inboxd/server.h"
#include "inboxd/sockets.h"
#include "inboxd/threads.h"
#include "lib/inherit.h"
#include "lib/log.h"

#define DEFAULT_CONFIG SYSCONFDIR "/inboxd.conf"

enum task { TASK_SERVE, TASK_CHECK, TASK_PRINT, TASK_MAKE_FOLDERS };

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: inboxd [-c FILE] [-t | -T | -m]\n"
	    "       inboxd -h | -V\n"
	    "\n"
	    "Receives items from inboxq(1) and stores them in inbox folders.\n"
	    "It stays in the foreground and logs to standard error.\n"
	    "\n"
	    "  -c FILE  the configuration (" DEFAULT_CONFIG ")\n"
	    "  -t       check the configuration and end\n"
	    "  -T       print the effective configuration and end\n"
	    "  -m       make what is missing of root and inboxes, and end\n"
	    "  -V, --version  print the version\n"
	    "  -h, --help     print this\n"
	    "\n"
	    "Signals: SIGHUP reloads, SIGTERM drains and ends.  See inboxd(8).\n");
}

static void
print_conf_error(void *ctx, const char *message)
{
	const enum task *task = ctx;

	if (*task == TASK_SERVE)
		log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	else
		log_complain("inboxd", "%s", message);
}

static int
make_folders(const struct settings *settings)
{
	struct why error;

	if (folders_make(settings, &error) == 0)
		return 0;
	log_complain("inboxd", "%s", error.text);
	return EX_CANTCREAT;
}

static int
print_settings(const struct settings *settings)
{
	if (conf_print(stdout, &settings_schema, settings) == 0 && fflush(stdout) == 0)
		return 0;
	log_complain("inboxd", "standard output: %s", strerror(errno));
	return EX_IOERR;
}

static void
warn_of_limit(const char *event, uint64_t limit, uint64_t wanted, const char *note)
{
	if (limit < wanted)
		log_event(LOG_WARNING, event, "limit=%" PRIu64 " wanted=%" PRIu64 " note=\"%s\"",
		    limit, wanted, note);
}

/* 0, or EX_OSERR where no start can succeed. */
static int
raise_limits(const struct settings *settings)
{
	/* A connection needs a descriptor, and so does its draft; a draft at the commit
	 * thread, or the publisher, needs one, and so does a large item that is open. */
	uint64_t wanted = 2 * settings->connections + settings->handshakes +
	    settings->all_opens + settings->queue + THREADS_LAG_MAX + 128;
	/* An event loop and its mailbox need some, an inbox has four folders. */
	uint64_t least = 32 + 8 * (1 + settings->workers) + 4 * settings->inbox_count;
	uint64_t descriptors = inherit_limit(RLIMIT_NOFILE);

	warn_of_limit("descriptors", descriptors, wanted,
	    "raise LimitNOFILE, or lower [limits] connections");
	warn_of_limit("file_size", inherit_limit(RLIMIT_FSIZE), UINT64_MAX,
	    "files that would be larger are treated as a full disk: raise LimitFSIZE");
	if (descriptors >= least)
		return 0;
	log_event(LOG_CRIT, "start_failed",
	    "error=\"%" PRIu64 " descriptors are less than the %" PRIu64
	    " that a start takes: raise LimitNOFILE\" exit=%d",
	    descriptors, least, EX_OSERR);
	return EX_OSERR;
}

/* What whoever started us has passed; or why that will not do. */
struct inheritance {
	struct passed passed;
	struct why fault;
	int is_at_fault;
};

static int
serve(const char *config, struct settings *settings, const struct inheritance *inherited)
{
	log_setup(conf_log_level(&settings->log), (enum log_format)settings->log.format);
	if (raise_limits(settings) != 0) {
		settings_free(settings);
		return EX_OSERR;
	}
	if (inherited->is_at_fault)
		end_now(start_failed(EX_CONFIG, "start_failed", inherited->fault.text));
	server_run(config, settings, &inherited->passed);
	return EX_OK;
}

static int
check(const char *config, struct settings *settings, const struct inheritance *inherited)
{
	int code;

	if (inherited->is_at_fault) {
		settings_free(settings);
		log_complain("inboxd", "%s", inherited->fault.text);
		return EX_CONFIG;
	}
	code = check_start(settings, &inherited->passed);
	if (code == 0)
		printf("%s: fine\n", config);
	return code;
}

int
main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG;
	enum task task = TASK_SERVE;
	const struct conf_report report = {print_conf_error, &task};
	struct settings *settings;
	struct inheritance inheritance;
	static const struct option names[] = {
	    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	int option, rc = 0;

	if (inherit_descriptors() < 0)
		return EX_OSERR;
	inheritance.is_at_fault = sockets_take(&inheritance.passed, &inheritance.fault) < 0;
	umask(027); /* what is made says its own mode */
	while ((option = getopt_long(argc, argv, "c:tTmVh", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 't':
			task = TASK_CHECK;
			break;
		case 'T':
			task = TASK_PRINT;
			break;
		case 'm':
			task = TASK_MAKE_FOLDERS;
			break;
		case 'V':
			printf("inboxd %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		log_complain("inboxd", "unexpected argument \"%s\"", argv[optind]);
		usage(stderr);
		return EX_USAGE;
	}
	inherit_signals(task == TASK_SERVE);
	settings = settings_load(config, &report);
	if (!settings)
		return EX_CONFIG;
	if (task == TASK_SERVE)
		return serve(config, settings, &inheritance);
	if (task == TASK_CHECK)
		return check(config, settings, &inheritance);
	rc = task == TASK_PRINT ? print_settings(settings) : make_folders(settings);
	settings_free(settings);
	return rc;
}
