/* SPDX-License-Identifier: ISC */
#include "inboxctl/root/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "lib/segment.h"
#include "lib/walk.h"

int
root_open(struct root *root, const char *path)
{
	const char *what = "";

	root->path = path;
	root->ledger = -1;
	root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root->fd < 0)
		goto fail;
	what = "/ledger";
	root->ledger = openat(root->fd, "ledger", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root->ledger < 0)
		goto fail;
	what = "/" ID_OF_ROOT;
	if (id_read(root->fd, ID_OF_ROOT, root->id) == 0 || errno == ENOENT)
		return 0;
	if (errno == EILSEQ) {
		complain("%s%s: want 32 digits of lower-case hexadecimal", root->path, what);
		root_close(root);
		return -1;
	}
fail:
	complain("%s%s: %s; -r names the receiver's root, and only its user may read it",
	    root->path, what, strerror(errno));
	root_close(root);
	return -1;
}

void
root_learn_id(struct root *root)
{
	char name[SEGMENT_NAME_ROOM];
	struct record begin;
	struct walk walk;
	int fd;

	if (root->id[0] || segment_find_newest(root->ledger, name) < 0 || name[0] == '\0')
		return;
	fd = segment_open(root->ledger, name);
	if (fd < 0)
		return; /* who reads it all will say so */
	walk_start(&walk, fd, name, NULL);
	if (walk_next(&walk, &begin) == WALK_RECORD && begin.type == RECORD_BEGIN)
		snprintf(root->id, sizeof root->id, "%s", begin.root);
	close(fd);
}

void
root_close(struct root *root)
{
	if (root->ledger >= 0)
		close(root->ledger);
	if (root->fd >= 0)
		close(root->fd);
	root->fd = root->ledger = -1;
}
