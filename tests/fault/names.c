/* SPDX-License-Identifier: ISC */
/*
 * A name service to be preloaded: getaddrinfo(3) by the file that NAMES names, which is read at
 * each call; a line is a host, then what becomes of it:
 *
 *	HOST [sleep=SECONDS] [again | none | ADDRESS...]
 *
 * What is asked for is appended to the file NAMES.asked.  Hosts that have no line, and addresses,
 * go to the system.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);

static void
note(const char *path, const char *host)
{
	char asked[4096];
	FILE *file;

	snprintf(asked, sizeof asked, "%s.asked", path);
	file = fopen(asked, "ae");
	if (!file)
		return;
	fprintf(file, "%s\n", host);
	fclose(file);
}

/* What the line says behind the host; NULL: it has none. */
static char *
find(const char *path, const char *host, char *line, int room)
{
	FILE *file = fopen(path, "re");
	char *rest = NULL;

	while (file && !rest && fgets(line, room, file)) {
		char *name = strtok_r(line, " \n", &rest);

		if (!name || strcmp(name, host) != 0)
			rest = NULL;
	}
	if (file)
		fclose(file);
	return rest;
}

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **found)
{
	getaddrinfo_fn *real = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
	const char *path = getenv("NAMES");
	struct addrinfo **end = found;
	char line[4096], *rest = NULL, *word;

	if (path && !(hints->ai_flags & AI_NUMERICHOST))
		rest = find(path, host, line, sizeof line);
	if (!rest)
		return real(host, port, hints, found);
	note(path, host);
	*found = NULL;
	while ((word = strtok_r(NULL, " \n", &rest))) {
		if (strncmp(word, "sleep=", 6) == 0)
			sleep((unsigned)atoi(word + 6));
		else if (strcmp(word, "again") == 0)
			return EAI_AGAIN;
		else if (strcmp(word, "none") == 0)
			return EAI_NONAME;
		else if (real(word, port, hints, end) == 0)
			end = &(*end)->ai_next;
	}
	return *found ? 0 : EAI_AGAIN;
}
