/* SPDX-License-Identifier: ISC */
#include "inboxd/check.h"

#include <stdio.h>
#include <sysexits.h>

#include "inboxd/arrive/listener.h"
#include "inboxd/base/dropped.h"
#include "inboxd/base/pauses.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/footing.h"
#include "inboxd/fronts.h"
#include "inboxd/recover/segments.h"
#include "inboxd/sockets.h"
#include "lib/log.h"
#include "lib/sandbox.h"

/* The root, and whose ledger is there. */
static int
look_at_root(struct root *root, const struct settings *settings, struct why *error)
{
	char newest[SEGMENT_NAME_ROOM];
	int code;

	if (root_become_owner(settings->root, error) < 0)
		return EX_OSERR;
	code = root_look(root, settings->root, settings->id, error);
	if (code)
		return code;
	code = segments_look(root, newest, error);
	if (code)
		root_leave(root);
	return code;
}

/* The addresses of a setting, which count where no socket was passed in their place. */
static int
look_at_addresses(const struct passed *passed, enum socket_kind kind,
    const struct conf_list *addresses, struct why *error)
{
	const char *setting = sockets_setting(kind);
	int fds[PASSED_MAX];
	size_t count = passed_of(passed, (int)kind, fds);

	if (count == 0)
		return listener_check(setting, addresses, error);
	printf("%s: passed in place of what it says: %zu\n", setting, count);
	return 0;
}

int
check_start(struct settings *settings, const struct passed *passed)
{
	struct why error, why, shut;
	struct site *site;
	struct root root;
	int code = look_at_root(&root, settings, &error);

	if (code) {
		settings_free(settings);
		log_complain("inboxd", "%s", error.text);
		return code;
	}
	site = site_new(settings, root.fd, fronts_alpn(), &code, &error);
	if (!site) {
		log_complain("inboxd", "%s", error.text);
	} else if (footing_look(root.fd, site->settings, &why) < 0) {
		log_complain("inboxd", "%s", why.text);
	} else if (settings->sandbox == CONFINE_REQUIRE && sandbox_lacks(&shut) < 0) {
		log_complain("inboxd", "[receiver] sandbox = require: %s", shut.text);
	} else if (look_at_addresses(passed, SOCKET_LISTEN, &site->settings->listen, &why) < 0 ||
	    look_at_addresses(passed, SOCKET_PROXY, &site->settings->listen_proxy, &why) < 0 ||
	    look_at_addresses(passed, SOCKET_WEB, &site->settings->web, &why) < 0) {
		log_complain("inboxd", "%s", why.text);
	} else {
		struct pauses pauses = {.root = root.fd};
		pauses_look(&pauses, site, 1);
		dropped_warn(root.fd, site, NULL);
		printf("%s: %s%s\n", site->settings->root,
		    root.id[0] ? "the root with the id " : "a root that has no id yet", root.id);
		code = EX_OK;
	}
	site_unref(site);
	root_leave(&root);
	return code;
}
