/* SPDX-License-Identifier: ISC */
/* See receiver.h. */
#include "config.h"

#include "receiver.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE_ROOM ((size_t)1024 * 1024)

/* ---- /proc */

uint64_t
receiver_memory(uint64_t pid, const char *what)
{
	uint64_t kib = RECEIVER_UNKNOWN;
	char path[64], line[256];
	size_t len = strlen(what);
	FILE *in;

	snprintf(path, sizeof path, "/proc/%" PRIu64 "/status", pid);
	in = fopen(path, "r");
	if (!in)
		return RECEIVER_UNKNOWN;
	while (fgets(line, sizeof line, in))
		if (strncmp(line, what, len) == 0 && line[len] == ':')
			kib = strtoull(line + len + 1, NULL, 10) * 1024;
	fclose(in);
	return kib;
}

uint64_t
receiver_cpu(uint64_t pid)
{
	uint64_t user, system;
	char path[64], line[1024], *at;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
	in = fopen(path, "r");
	if (!in)
		return RECEIVER_UNKNOWN;
	at = fgets(line, sizeof line, in) ? strrchr(line, ')') : NULL;
	fclose(in);
	/* Behind the name: state and ten more fields, then the two of ours; proc(5). */
	if (!at || sscanf(at + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
	    " %" SCNu64, &user, &system) != 2)
		return RECEIVER_UNKNOWN;
	return (user + system) * UINT64_C(1000000) / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t
own_cpu(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * UINT64_C(1000000) +
	    (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* ---- the status socket */

/* The page, with a NUL; NULL: it cannot be had.  The caller frees it. */
static char *
fetch(const char *socket_path)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *page = calloc(1, PAGE_ROOM + 1);
	size_t len = 0;
	ssize_t n = -1;

	if (fd >= 0 && page && strlen(socket_path) < sizeof to.sun_path) {
		snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
		if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
		    send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
			while ((n = read(fd, page + len, PAGE_ROOM - len)) > 0)
				len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (n == 0 && len > 0)
		return page;
	free(page);
	return NULL;
}

static uint64_t
metric(const char *page, const char *name)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof line, "\n%s ", name);
	at = page ? strstr(page, line) : NULL;
	return at ? strtoull(at + strlen(line), NULL, 10) : RECEIVER_UNKNOWN;
}

/* ---- system calls */

/* perf_event_open(2) of the tracepoint; root may, where tracefs is mounted. */
static uint64_t
tracepoint(void)
{
	static const char *const path[] = {
	    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
	    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id"};
	uint64_t id = 0;

	for (size_t i = 0; i < 2 && id == 0; i++) {
		FILE *in = fopen(path[i], "r");

		if (in && fscanf(in, "%" SCNu64, &id) != 1)
			id = 0;
		if (in)
			fclose(in);
	}
	return id;
}

static void
count_calls(struct receiver *receiver, uint64_t pid)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof attr};
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	attr.config = tracepoint();
	snprintf(path, sizeof path, "/proc/%" PRIu64 "/task", pid);
	dir = attr.config ? opendir(path) : NULL;
	if (!dir)
		return;
	while ((entry = readdir(dir)) && receiver->counters < RECEIVER_THREADS_MAX) {
		long thread = strtol(entry->d_name, NULL, 10);
		int fd = thread > 0 ?
		    (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1, 0) : -1;

		if (fd >= 0)
			receiver->counter[receiver->counters++] = fd;
	}
	closedir(dir);
}

static uint64_t
calls_counted(struct receiver *receiver)
{
	uint64_t all = 0;

	if (receiver->counters == 0)
		return RECEIVER_UNKNOWN;
	for (unsigned i = 0; i < receiver->counters; i++) {
		uint64_t value;

		if (read(receiver->counter[i], &value, sizeof value) == sizeof value)
			all += value;
		close(receiver->counter[i]);
	}
	receiver->counters = 0;
	return all;
}

/* ---- both ends of a run */

static uint64_t
since(uint64_t before, uint64_t now)
{
	return before == RECEIVER_UNKNOWN || now == RECEIVER_UNKNOWN ? RECEIVER_UNKNOWN :
	    now - before;
}

static void
ask(const struct options *options, uint64_t *syncs, uint64_t *rounds)
{
	char *page = options->socket ? fetch(options->socket) : NULL;

	*syncs = metric(page, "inboxd_syncs_total");
	*rounds = metric(page, "inboxd_publish_rounds_total");
	free(page);
}

void
receiver_begin(struct receiver *receiver, const struct options *options)
{
	memset(receiver, 0, sizeof *receiver);
	receiver->cpu = receiver->rss_before = RECEIVER_UNKNOWN;
	if (options->pid) {
		receiver->cpu = receiver_cpu(options->pid);
		receiver->rss_before = receiver_memory(options->pid, "VmRSS");
		count_calls(receiver, options->pid);
	}
	ask(options, &receiver->syncs, &receiver->rounds);
	receiver->own_cpu = own_cpu();
}

void
receiver_end(struct receiver *receiver, const struct options *options)
{
	uint64_t syncs, rounds;

	receiver->own_cpu = own_cpu() - receiver->own_cpu;
	receiver->calls = calls_counted(receiver);
	receiver->rss = receiver->peak = RECEIVER_UNKNOWN;
	if (options->pid) {
		receiver->cpu = since(receiver->cpu, receiver_cpu(options->pid));
		receiver->rss = receiver_memory(options->pid, "VmRSS");
		receiver->peak = receiver_memory(options->pid, "VmHWM");
	}
	ask(options, &syncs, &rounds);
	receiver->syncs = since(receiver->syncs, syncs);
	receiver->rounds = since(receiver->rounds, rounds);
}
