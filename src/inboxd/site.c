/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/site.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/parse.h"
#include "lib/tls.h"

static const char *const parts[] = {"tmp", "new", "cur"};
#define PARTS (sizeof parts / sizeof parts[0])

int
site_open_root(const char *path, char error[SITE_ERROR_ROOM])
{
	char why[DISK_WHY_ROOM];
	int fd = disk_open_dir(AT_FDCWD, path);

	if (fd < 0) {
		snprintf(error, SITE_ERROR_ROOM, "root %s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; `inboxd -m` makes missing folders" : "");
		return -1;
	}
	if (disk_check_dir(fd, 0, NULL, why) < 0) {
		snprintf(error, SITE_ERROR_ROOM, "root %s: %s", path, why);
		close(fd);
		return -1;
	}
	return fd;
}

/* A checked folder below `at`, on device `dev`; the descriptor or -1. */
static int
open_part(int at, const char *part, dev_t dev, const char *shown, char error[SITE_ERROR_ROOM])
{
	char why[DISK_WHY_ROOM];
	int fd = disk_open_dir(at, part);

	if (fd < 0) {
		snprintf(error, SITE_ERROR_ROOM, "%s: %s%s", shown, strerror(errno),
		    errno == ENOENT ? "; `inboxd -m` makes missing folders" : "");
		return -1;
	}
	if (disk_check_dir(fd, dev, NULL, why) < 0) {
		snprintf(error, SITE_ERROR_ROOM, "%s: %s", shown, why);
		close(fd);
		return -1;
	}
	return fd;
}

int
inbox_open(struct inbox *inbox, int root, const char *name, char error[SITE_ERROR_ROOM])
{
	int folder, fds[PARTS] = {-1, -1, -1};
	char shown[PROTO_INBOX_MAX + 32];
	struct stat root_stat;
	size_t i;

	snprintf(inbox->name, sizeof inbox->name, "%s", name);
	snprintf(shown, sizeof shown, "inbox folder %s", name);
	inbox->tmp = inbox->new = -1;
	if (fstat(root, &root_stat) < 0) {
		snprintf(error, SITE_ERROR_ROOM, "root: %s", strerror(errno));
		return -1;
	}
	folder = open_part(root, name, root_stat.st_dev, shown, error);
	if (folder < 0)
		return -1;
	for (i = 0; i < PARTS; i++) {
		snprintf(shown, sizeof shown, "inbox folder %s/%s", name, parts[i]);
		fds[i] = open_part(folder, parts[i], root_stat.st_dev, shown, error);
		if (fds[i] < 0)
			break;
	}
	close(folder);
	if (fds[2] >= 0)
		close(fds[2]); /* cur/ is the consumers'; it only has to be there */
	inbox->tmp = fds[0];
	inbox->new = fds[1];
	if (i == PARTS)
		return 0;
	inbox_close(inbox);
	return -1;
}

void
inbox_close(struct inbox *inbox)
{
	if (inbox->tmp >= 0)
		close(inbox->tmp);
	if (inbox->new >= 0)
		close(inbox->new);
	inbox->tmp = inbox->new = -1;
}

static struct tls *
open_tls(const struct settings *settings, char error[SITE_ERROR_ROOM])
{
	struct tls_settings wanted = {
	    .certificate = settings->certificate,
	    .key = settings->key,
	    .ca = settings->ca,
	    .crl = settings->crl,
	    .tls12 = settings->minimum == 1,
	    .server = 1,
	};
	char why[TLS_ERROR_ROOM];
	struct tls *tls = tls_new(&wanted, why);

	if (!tls)
		snprintf(error, SITE_ERROR_ROOM, "%s", why);
	return tls;
}

static void
find_host(struct site *site)
{
	char *host = site->host;

	if (site->settings->host)
		snprintf(host, sizeof site->host, "%s", site->settings->host);
	else if (gethostname(host, sizeof site->host - 1) < 0)
		host[0] = '\0';
	if (!is_plain_name(host, strlen(host), 255))
		snprintf(host, sizeof site->host, "inboxd");
}

static void
free_site(struct site *site)
{
	for (size_t i = 0; i < site->inbox_count; i++) {
		inbox_close(&site->inboxes[i]);
		free(site->inboxes[i].folder);
	}
	free(site->inboxes);
	tls_unref(site->tls);
	settings_free(site->settings);
	free(site);
}

static char *
folder_path(const char *root, const char *name)
{
	size_t room = strlen(root) + 1 + strlen(name) + 1;
	char *path = malloc(room);

	if (path)
		snprintf(path, room, "%s/%s", root, name);
	return path;
}

struct site *
site_new(struct settings *settings, int root, char error[SITE_ERROR_ROOM])
{
	struct site *site = calloc(1, sizeof *site);

	if (!site) {
		settings_free(settings);
		snprintf(error, SITE_ERROR_ROOM, "out of memory");
		return NULL;
	}
	site->settings = settings;
	atomic_init(&site->references, 1);
	find_host(site);
	site->tls = open_tls(settings, error);
	if (!site->tls)
		goto fail;
	site->inboxes = calloc(settings->inbox_count, sizeof *site->inboxes);
	if (!site->inboxes) {
		snprintf(error, SITE_ERROR_ROOM, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < settings->inbox_count; i++) {
		const struct inbox_settings *from = &settings->inboxes[i];
		struct inbox *inbox = &site->inboxes[i];
		if (inbox_open(inbox, root, from->name, error) < 0)
			goto fail;
		site->inbox_count++;
		inbox->folder = folder_path(settings->root, from->name);
		if (!inbox->folder) {
			snprintf(error, SITE_ERROR_ROOM, "out of memory");
			goto fail;
		}
		inbox->size = from->size ? from->size : settings->item;
		inbox->suffix = from->suffix ? from->suffix : "";
		inbox->clients = &from->clients;
		if (inbox->size > site->item)
			site->item = inbox->size;
	}
	return site;
fail:
	free_site(site);
	return NULL;
}

struct site *
site_ref(struct site *site)
{
	atomic_fetch_add_explicit(&site->references, 1, memory_order_relaxed);
	return site;
}

void
site_unref(struct site *site)
{
	if (site && atomic_fetch_sub_explicit(&site->references, 1, memory_order_acq_rel) == 1)
		free_site(site);
}

struct inbox *
site_find_inbox(struct site *site, const char *name, size_t len)
{
	for (size_t i = 0; i < site->inbox_count; i++) {
		const char *known = site->inboxes[i].name;
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return &site->inboxes[i];
	}
	return NULL;
}

int
inbox_allows(const struct inbox *inbox, const char *identity)
{
	for (size_t i = 0; i < inbox->clients->count; i++) {
		if (fnmatch(inbox->clients->items[i], identity, FNM_NOESCAPE) == 0)
			return 1;
	}
	return 0;
}

/* Makes one folder where it is missing, and opens it. */
static int
make_folder(int at, const char *name, const char *shown, char error[SITE_ERROR_ROOM])
{
	int fd;

	if (mkdirat(at, name, 0700) == 0) {
		printf("made %s\n", shown);
		if (at != AT_FDCWD && disk_sync_dir(at) < 0) {
			snprintf(error, SITE_ERROR_ROOM, "%s: sync: %s", shown, strerror(errno));
			return -1;
		}
	} else if (errno != EEXIST) {
		snprintf(error, SITE_ERROR_ROOM, "%s: %s", shown, strerror(errno));
		return -1;
	}
	fd = disk_open_dir(at, name);
	if (fd < 0)
		snprintf(error, SITE_ERROR_ROOM, "%s: %s", shown, strerror(errno));
	return fd;
}

static int
make_inbox(int root, const char *root_path, const char *name, char error[SITE_ERROR_ROOM])
{
	char shown[512];
	int folder, part;

	snprintf(shown, sizeof shown, "%s/%s", root_path, name);
	folder = make_folder(root, name, shown, error);
	if (folder < 0)
		return -1;
	for (size_t i = 0; i < PARTS; i++) {
		snprintf(shown, sizeof shown, "%s/%s/%s", root_path, name, parts[i]);
		part = make_folder(folder, parts[i], shown, error);
		if (part < 0) {
			close(folder);
			return -1;
		}
		close(part);
	}
	close(folder);
	return 0;
}

int
site_make_folders(const struct settings *settings, char error[SITE_ERROR_ROOM])
{
	char shown[512];
	int root, ledger, rc = 0;

	root = make_folder(AT_FDCWD, settings->root, settings->root, error);
	if (root < 0)
		return -1;
	snprintf(shown, sizeof shown, "%s/ledger", settings->root);
	ledger = make_folder(root, "ledger", shown, error);
	if (ledger < 0)
		rc = -1;
	else
		close(ledger);
	for (size_t i = 0; rc == 0 && i < settings->inbox_count; i++)
		rc = make_inbox(root, settings->root, settings->inboxes[i].name, error);
	close(root);
	return rc;
}
