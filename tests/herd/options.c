/* SPDX-License-Identifier: ISC */
/* See options.h.  A row an option: what it is called, what it takes, where it goes. */
#include "config.h"

#include "options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/parse.h"

enum kind { NUMBER, SIZE, REAL, PERCENT, TEXT, FLAG, SIZES, CONNECT };

struct row {
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t min, max; /* of a NUMBER */
	const char *help;
};

#define AT(member) offsetof(struct options, member)
#define SPARE_DESCRIPTORS 64
#define CLIENTS_MAX 1000000

static const struct row rows[] = {
	{"pki", TEXT, AT(pki), 0, 0, "FOLDER with ca.crt and ca.key, by contrib/pki"},
	{"name", TEXT, AT(name), 0, 0, "the receiver's name in its certificate (localhost)"},
	{"inbox", TEXT, AT(inbox), 0, 0, "the inbox (status)"},
	{"clients", NUMBER, AT(clients), 1, CLIENTS_MAX, "virtual clients (1)"},
	{"items", NUMBER, AT(items), 0, INT64_MAX / 2, "items a client (1)"},
	{"sizes", SIZES, AT(sizes), 0, 0, "SIZE:WEIGHT,... or lognormal:MEDIAN:SIGMA:MOST (1K)"},
	{"connect", CONNECT, AT(fresh), 0, 0, "keep (one connection), or fresh (one an item)"},
	{"window", NUMBER, AT(window), 1, 65536, "items a client has in flight (16)"},
	{"think", REAL, AT(think), 0, 0, "mean seconds between a client's items (0)"},
	{"pace", REAL, AT(pace), 0, 0, "items a second of each client, in turn with the others"},
	{"ramp", REAL, AT(ramp), 0, 0, "seconds within which the clients begin (0)"},
	{"at-once", FLAG, AT(at_once), 0, 0, "all are due at one moment, the start of a second"},
	{"all-ready", FLAG, AT(all_ready), 0, 0, "no item goes out before all have heard READY"},
	{"identical", FLAG, AT(identical), 0, 0,
	    "all have the same queue id, bytes and clock: only certificates tell them apart"},
	{"seed", NUMBER, AT(seed), 0, INT64_MAX, "what is drawn, is drawn from this (drawn)"},
	{"threads", NUMBER, AT(threads), 1, 64, "event loops (1 for each processor)"},
	{"seconds", REAL, AT(seconds), 0, 0, "no new items after so long (0: all go)"},
	{"limit", REAL, AT(limit), 0, 0, "give up after so many seconds (600)"},
	{"certificates", NUMBER, AT(certificates), 0, CLIENTS_MAX,
	    "so many, reused in turn (0: each client its own)"},
	{"sources", NUMBER, AT(sources), 0, 1000000,
	    "connect from so many addresses of 127.0.0.0/8 (0: as the system likes)"},
	{"open", NUMBER, AT(open), 1, 1000000,
	    "connections at once; who is due beyond that waits for one to end"},
	{"patience", REAL, AT(patience), 0, 0, "seconds that a client waits for a word (120)"},
	{"no-verify", FLAG, AT(no_verify), 0, 0, "do not verify the receiver's certificate"},
	{"handshakes", FLAG, AT(handshakes), 0, 0,
	    "no HELLO: a handshake and an orderly end, an item's worth (any TLS server)"},
	{"large", SIZE, AT(large), 0, 0,
	    "the first client uploads an item of so many bytes beside the others', by OPEN"},
	{"idle", NUMBER, AT(idle), 1, 1000000,
	    "hold so many connections, measure the receiver, and what one more waits"},
#define X(name, option, help) {option, PERCENT, AT(fault[FAULT_##name]), 0, 0, help},
	FAULTS(X)
#undef X
	{"wrong-digest", PERCENT, AT(wrong_digest), 0, 0,
	    "of items: sent under a digest that is not theirs, first"},
	{"again", PERCENT, AT(again), 0, 0, "of items: sent again though acknowledged"},
	{"hold", REAL, AT(hold), 0, 0,
	    "seconds that a silent or half-open connection, or --idle, lasts (5)"},
	{"pid", NUMBER, AT(pid), 1, INT32_MAX, "the receiver's process, to be measured"},
	{"socket", TEXT, AT(socket), 0, 0, "its status socket, to be asked"},
	{"book", TEXT, AT(book), 0, 0, "FILE for what was acknowledged"},
	{"root", TEXT, AT(root), 0, 0, "the receiver's root: inbox and ledger are judged"},
	{"judge", FLAG, AT(judge), 0, 0, "judge --root by --book alone; sends nothing"},
	{"json", FLAG, AT(json), 0, 0, "report in JSON"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void
print_help(void)
{
	printf("usage: inboxload --pki FOLDER [OPTION...] HOST:PORT\n"
	    "       inboxload --judge --book FILE --root FOLDER [--inbox NAME]\n\n"
	    "Virtual clients of inbox/1; what was acknowledged is held against the receiver's "
	    "disk.\nEnds with 0; 1: something was lost, torn, twice there or unexpected; 2: not "
	    "all was\nacknowledged; 64: usage; 69: it cannot be run.  Rates are percent of "
	    "connections.\n\n");
	for (size_t i = 0; i < ROWS; i++)
		printf("  --%-14s %s\n", rows[i].name, rows[i].help);
}

static void
bad_usage(const char *what, const char *why)
{
	fprintf(stderr, "inboxload: %s: %s (--help tells more)\n", what, why);
	exit(64);
}

static double
parse_real(const struct row *row, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= 0.0 && value <= 1e9))
		bad_usage(row->name, "want a number from 0 on");
	if (row->kind == PERCENT && value > 100.0)
		bad_usage(row->name, "want a percentage, 0 to 100");
	return value;
}

static void
set_option(struct options *options, const struct row *row, const char *text)
{
	void *at = (char *)options + row->offset;
	char want[80];
	struct why why;

	switch (row->kind) {
	case NUMBER:
		snprintf(want, sizeof want, "want %" PRIu64 " to %" PRIu64, row->min, row->max);
		if (parse_u64(text, strlen(text), row->max, at) < 0 || *(uint64_t *)at < row->min)
			bad_usage(row->name, want);
		break;
	case SIZE:
		if (parse_size(text, strlen(text), at) < 0)
			bad_usage(row->name, "want a size, as 4K");
		break;
	case REAL:
	case PERCENT:
		*(double *)at = parse_real(row, text);
		break;
	case TEXT:
		*(const char **)at = text;
		break;
	case FLAG:
		*(uint64_t *)at = 1;
		break;
	case SIZES:
		if (sizes_parse(at, text, &why) < 0)
			bad_usage(row->name, why.text);
		break;
	case CONNECT:
		*(uint64_t *)at = strcmp(text, "fresh") == 0;
		if (strcmp(text, "fresh") != 0 && strcmp(text, "keep") != 0)
			bad_usage(row->name, "want keep or fresh");
		break;
	}
}

static void
set_defaults(struct options *options)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct rlimit limit = {0, 0};
	struct why why;

	memset(options, 0, sizeof *options);
	options->name = "localhost";
	options->inbox = "status";
	options->clients = options->items = 1;
	options->window = 16;
	options->threads = processors > 0 ? (uint64_t)processors : 1;
	options->limit = 600.0;
	options->patience = 120.0;
	options->hold = 5.0;
	options->seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	if (sizes_parse(&options->sizes, "1K", &why) < 0)
		abort();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	options->open = limit.rlim_cur > 2 * SPARE_DESCRIPTORS ?
	    limit.rlim_cur - SPARE_DESCRIPTORS : SPARE_DESCRIPTORS;
}

static void
check(struct options *options, int count, char **words)
{
	double all = 0.0;
	char *colon;

	for (int i = 0; i < FAULT_COUNT; i++)
		all += options->fault[i];
	if (all > 100.0)
		bad_usage("faults", "more than 100 percent of connections");
	if (options->judge && (!options->book || !options->root))
		bad_usage("judge", "want --book and --root");
	if (options->judge)
		return;
	if (count != 1 || !options->pki)
		bad_usage("arguments", "want --pki FOLDER and one HOST:PORT");
	colon = strrchr(words[0], ':');
	if (!colon || (size_t)(colon - words[0]) >= sizeof options->host ||
	    strlen(colon + 1) >= sizeof options->port)
		bad_usage(words[0], "want HOST:PORT");
	snprintf(options->host, sizeof options->host, "%.*s", (int)(colon - words[0]), words[0]);
	snprintf(options->port, sizeof options->port, "%s", colon + 1);
	if (options->idle && !options->pid)
		bad_usage("idle", "want --pid, too");
	if (options->idle) {
		options->clients = options->idle;
		options->items = 0;
		options->all_ready = 1;
	}
	if (options->threads > options->clients)
		options->threads = options->clients;
	if (options->open < options->threads)
		options->threads = options->open;
	if (options->certificates == 0 || options->certificates > options->clients)
		options->certificates = options->clients;
}

void
options_read(struct options *options, int argc, char **argv)
{
	struct option list[ROWS + 2] = {{0}};
	int index, letter;

	for (size_t i = 0; i < ROWS; i++) {
		list[i].name = rows[i].name;
		list[i].has_arg = rows[i].kind == FLAG ? no_argument : required_argument;
		list[i].val = 1;
	}
	list[ROWS].name = "help";
	list[ROWS].val = 'h';
	set_defaults(options);
	while ((letter = getopt_long(argc, argv, "h", list, &index)) != -1) {
		if (letter == 'h') {
			print_help();
			exit(0);
		}
		if (letter != 1)
			exit(64);
		set_option(options, &rows[index], optarg);
	}
	check(options, argc - optind, argv + optind);
}
