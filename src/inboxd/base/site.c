/* SPDX-License-Identifier: ISC */
#include "inboxd/base/site.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxd/base/expected.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/parse.h"
#include "lib/tls.h"

/* A slip that is mended soon costs little time, a part of what it lasted; one that lasts does
 * not have the fleet ask day and night.  Seconds. */
#define FORGIVE_PART 4
#define FORGIVE_MIN 15
#define FORGIVE_MAX 900

static struct tls *
open_tls(const struct settings *settings, const char *const *alpn, int *code,
    struct why *error)
{
	struct tls_settings wanted = {
	    .certificate = settings->tls.certificate,
	    .key = settings->tls.key,
	    .ca = settings->tls.ca,
	    .crl = settings->tls.crl,
	    .tls12 = settings->tls.minimum,
	    .server = 1,
	    .alpn = alpn,
	};
	struct why why;
	struct tls *tls = tls_new(&wanted, &why);

	if (tls)
		return tls;
	if (errno == EAGAIN)
		*code = EX_TEMPFAIL;
	why_say(error, "%s", why.text);
	return NULL;
}

/* Before they are read. */
static int
take_imprints(struct settings *settings, struct why *error)
{
	const char *const paths[] = {settings->tls.certificate, settings->tls.key,
	    settings->tls.ca, settings->tls.crl};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (paths[i] && imprints_take(&settings->files, paths[i]) < 0) {
			why_say(error, "%s: %s", paths[i], strerror(errno));
			return -1;
		}
	return 0;
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
	expected_free(site->expected);
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

/* Whatever it fails at: errno tells whether that was a shortage, or the file system. */
static int
add_inbox(struct site *site, int root, const struct inbox_settings *from, struct why *error)
{
	struct inbox *inbox = &site->inboxes[site->inbox_count];

	if (inbox_open(inbox, root, from->name, from->group != NULL, error) < 0)
		return -1;
	site->inbox_count++;
	inbox->size = from->size ? from->size : site->settings->item;
	inbox->suffix = from->suffix ? from->suffix : "";
	inbox->meta = from->meta;
	inbox->clients = &from->clients;
	inbox->most = (struct inflow_bounds){from->waiting_items, from->waiting_bytes};
	if (inbox->size > site->item)
		site->item = inbox->size;
	errno = 0;
	if (inbox_open_meta(inbox, from->group != NULL, error) < 0 ||
	    (from->group && inbox_check_group(inbox, from->group, error) < 0))
		return -1;
	inbox->folder = folder_path(site->settings->root, from->name);
	return inbox->folder ? 0 : why_say(error, "out of memory");
}

struct site *
site_new(struct settings *settings, int root, const char *const *alpn, int *code,
    struct why *error)
{
	struct site *site = calloc(1, sizeof *site);

	*code = EX_CONFIG;
	if (!site) {
		settings_free(settings);
		why_say(error, "out of memory");
		return NULL;
	}
	site->settings = settings;
	site->since = (uint64_t)clock_seconds();
	atomic_init(&site->references, 1);
	find_host(site);
	if (take_imprints(settings, error) < 0) {
		*code = EX_OSERR;
		goto fail;
	}
	site->tls = open_tls(settings, alpn, code, error);
	if (!site->tls)
		goto fail;
	site->expected = expected_read(&settings->expected, &settings->files, error);
	if (!site->expected)
		goto fail;
	site->inboxes = calloc(settings->inbox_count, sizeof *site->inboxes);
	if (!site->inboxes) {
		why_say(error, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < settings->inbox_count; i++) {
		if (add_inbox(site, root, &settings->inboxes[i], error) == 0)
			continue;
		if (disk_is_shortage(errno))
			*code = EX_OSERR;
		else if (disk_is_gone(errno))
			*code = EX_IOERR;
		goto fail;
	}
	return site;
fail:
	free_site(site);
	return NULL;
}

static int
has_same_rules(const struct inbox *a, const struct inbox *b)
{
	if (a->size != b->size || a->clients->count != b->clients->count)
		return 0;
	for (size_t i = 0; i < a->clients->count; i++) {
		if (strcmp(a->clients->items[i], b->clients->items[i]) != 0)
			return 0;
	}
	return 1;
}

void
site_succeed(struct site *site, const struct site *old)
{
	size_t same = 0;

	for (size_t i = 0; i < site->inbox_count; i++) {
		struct inbox *inbox = &site->inboxes[i];
		struct inbox *before = site_find_inbox(old, inbox->name, strlen(inbox->name));
		if (!before)
			continue;
		inflow_ref(before->inflow);
		inflow_unref(inbox->inflow);
		inbox->inflow = before->inflow;
		same += (size_t)has_same_rules(inbox, before);
	}
	if (same == site->inbox_count && same == old->inbox_count)
		site->since = old->since;
}

uint64_t
site_forgives(const struct site *site, uint64_t now)
{
	uint64_t age = now > site->since ? now - site->since : 0, seconds = age / FORGIVE_PART;

	if (age >= site->settings->forgive)
		return 0;
	return seconds < FORGIVE_MIN ? FORGIVE_MIN : seconds > FORGIVE_MAX ? FORGIVE_MAX : seconds;
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
site_find_inbox(const struct site *site, const char *name, size_t len)
{
	for (size_t i = 0; i < site->inbox_count; i++) {
		const char *known = site->inboxes[i].name;
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return &site->inboxes[i];
	}
	return NULL;
}
