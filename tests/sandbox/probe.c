/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into inboxd: each thread that it makes tries first what somebody would who had got hold
 * of it, and says on standard error what became of it.  PROBE has the tries, split by ';':
 *
 *	read PATH | write PATH | list PATH | make PATH | connect PORT | listen | execute PATH
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct start {
	void *(*run)(void *);
	void *arg;
};

static int
try_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? errno : 0;
}

static int
try_socket(int port, int connects)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	rc = connects ? connect(fd, (struct sockaddr *)&to, sizeof to)
	              : bind(fd, (struct sockaddr *)&to, sizeof to);
	rc = rc < 0 ? errno : 0;
	close(fd);
	return rc;
}

static int
try_execute(const char *path)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl(path, path, (char *)0);
		_exit(errno);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)
	    ? WEXITSTATUS(status) : ECHILD;
}

static int
try_list(const char *path)
{
	DIR *listing = opendir(path);

	if (listing)
		closedir(listing);
	return listing ? 0 : errno;
}

static int
try(const char *what, const char *on)
{
	switch (what[0]) {
	case 'r':
		return try_file(on, O_RDONLY);
	case 'w':
		return try_file(on, O_WRONLY);
	case 'm':
		return try_file(on, O_WRONLY | O_CREAT);
	case 'c':
		return try_socket(atoi(on), 1);
	case 'e':
		return try_execute(on);
	case 'l':
		return strcmp(what, "list") == 0 ? try_list(on) : try_socket(0, 0);
	}
	return -1;
}

static void
try_all(void)
{
	char tries[4096], line[1024], *rest = tries, *next;

	snprintf(tries, sizeof tries, "%s", getenv("PROBE") ? getenv("PROBE") : "");
	while ((next = strsep(&rest, ";"))) {
		char *on = strchr(next, ' ');
		if (on)
			*on++ = '\0';
		int rc = try(next, on ? on : "");
		int len = snprintf(line, sizeof line,
		    "1970-01-01T00:00:00.000Z info event=probe what=%s on=\"%s\" error=%s\n", next,
		    on ? on : "", rc ? strerrorname_np(rc) : "none");
		if (write(STDERR_FILENO, line, (size_t)len) != len)
			_exit(99);
	}
}

static void *
begin(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	try_all();
	return start.run(start.arg);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
	    (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
	        RTLD_NEXT, "pthread_create");
	struct start *start = malloc(sizeof *start);

	*start = (struct start){run, arg};
	return real(thread, attr, begin, start);
}
