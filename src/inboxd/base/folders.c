/* SPDX-License-Identifier: ISC */
#include "inboxd/base/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxd/base/inbox.h"
#include "inboxd/base/root.h"
#include "inboxd/base/settings.h"
#include "lib/disk.h"
#include "lib/id.h"

/* Makes one folder where it is missing, and opens it. */
static int
make_folder(int at, const char *name, const char *shown, struct why *error)
{
	int fd;

	if (mkdirat(at, name, 0700) == 0) {
		printf("made %s\n", shown);
		if ((at == AT_FDCWD ? disk_sync_above(name) : disk_sync_dir(at)) < 0) {
			return why_say(error, "%s: sync: %s", shown, strerror(errno));
		}
	} else if (errno != EEXIST) {
		return why_say(error, "%s: %s", shown, strerror(errno));
	}
	fd = disk_open_dir(at, name);
	if (fd < 0)
		why_say(error, "%s: %s", shown, strerror(errno));
	return fd;
}

static int
fail_share(const char *shown, struct why *error)
{
	return why_say(error, "%s: to give it to the inbox's group: %s%s", shown,
	    strerror(errno), errno == EPERM ? "; be root for it, or a member" : "");
}

/* The folder is the group's, of this mode.  Only root may give to a group that it is not in:
 * who became the owner is root again for it. */
static int
share_folder(int fd, gid_t group, mode_t mode, const char *shown, struct why *error)
{
	uid_t owner = geteuid();
	struct stat st;
	int rc;

	if (fstat(fd, &st) == 0 && st.st_gid == group && (st.st_mode & 07777) == mode)
		return 0;
	if (getuid() == 0 && seteuid(0) < 0)
		return fail_share(shown, error);
	rc = fchown(fd, (uid_t)-1, group) < 0 || fchmod(fd, mode) < 0 ? fail_share(shown, error)
	                                                              : 0;
	if (getuid() == 0 && seteuid(owner) < 0)
		return fail_share(shown, error);
	if (rc == 0)
		printf("shared %s\n", shown);
	return rc;
}

/* tmp/ gives its group to the items that are made there; new/ and cur/ let it take them. */
static const mode_t shared_modes[INBOX_PARTS] = {02700, 02770, 02770};

static int
make_part(int folder, const char *above, const char *name, const struct group *group, mode_t mode,
    struct why *error)
{
	char shown[512];
	int part, rc = 0;

	snprintf(shown, sizeof shown, "%s/%s", above, name);
	part = make_folder(folder, name, shown, error);
	if (part < 0)
		return -1;
	if (group)
		rc = share_folder(part, group->gr_gid, mode, shown, error);
	disk_close(part);
	return rc;
}

static int
make_inbox(int root, const char *root_path, const struct inbox_settings *inbox,
    struct why *error)
{
	const struct group *group = inbox->group ? getgrnam(inbox->group) : NULL;
	char shown[512];
	int folder, rc = 0;

	snprintf(shown, sizeof shown, "%s/%s", root_path, inbox->name);
	folder = make_folder(root, inbox->name, shown, error);
	if (folder < 0)
		return -1;
	if (group)
		rc = share_folder(folder, group->gr_gid, 0710, shown, error);
	for (size_t i = 0; rc == 0 && i < INBOX_PARTS; i++)
		rc = make_part(folder, shown, inbox_parts[i], group, shared_modes[i], error);
	if (rc == 0 && inbox->meta == META_JSON)
		rc = make_part(folder, shown, INBOX_META, group, 02770, error);
	close(folder);
	return rc;
}

static int
make_below(int root, const struct settings *settings, struct why *error)
{
	char shown[512];
	int ledger, rc = 0;

	snprintf(shown, sizeof shown, "%s/ledger", settings->root);
	ledger = make_folder(root, "ledger", shown, error);
	if (ledger < 0)
		return -1;
	close(ledger);
	for (size_t i = 0; rc == 0 && i < settings->inbox_count; i++)
		rc = make_inbox(root, settings->root, &settings->inboxes[i], error);
	return rc;
}

/* Who takes items out must come through the root; what else is in it is closed to them. */
static int
open_way(int root, const struct settings *settings, struct why *error)
{
	struct stat st;
	size_t i = 0;

	while (i < settings->inbox_count && !settings->inboxes[i].group)
		i++;
	if (i == settings->inbox_count || (fstat(root, &st) == 0 && (st.st_mode & S_IXOTH)))
		return 0;
	if (fchmod(root, 0711) < 0)
		return fail_share(settings->root, error);
	printf("opened %s, mode 0711\n", settings->root);
	return 0;
}

/* Where the setting says which root it must be, nothing is made for any other. */
static int
check_id(const struct settings *settings, struct why *error)
{
	char id[ID_ROOM] = "";
	int root;

	if (!settings->id)
		return 0;
	root = disk_open_dir(AT_FDCWD, settings->root);
	if ((root < 0 && errno != ENOENT) ||
	    (root >= 0 && id_read(root, ID_OF_ROOT, id) < 0 && errno != ENOENT)) {
		why_say(error, "root %s: %s", settings->root, strerror(errno));
		disk_close(root);
		return -1;
	}
	disk_close(root);
	return root_check_id(settings->root, id, settings->id, error) ? -1 : 0;
}

int
folders_make(const struct settings *settings, struct why *error)
{
	int root, rc;

	if (check_id(settings, error) < 0)
		return -1;
	root = make_folder(AT_FDCWD, settings->root, settings->root, error);
	if (root < 0)
		return -1;
	rc = root_become_owner(settings->root, error);
	if (rc == 0 && geteuid() == 0)
		printf("%s is root's, as is what it holds: for another user, chown -R it\n",
		    settings->root);
	if (rc == 0)
		rc = make_below(root, settings, error);
	if (rc == 0)
		rc = open_way(root, settings, error);
	close(root);
	return rc;
}
