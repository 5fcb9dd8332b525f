/* SPDX-License-Identifier: ISC */
#include "inboxd/publish/beside.h"

#include <errno.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/meta.h"
#include "lib/disk.h"

int
beside_write(struct publication *p)
{
	p->beside_fd = meta_write(p->draft.inbox, p->draft.name, p->beside);
	return p->beside_fd < 0 ? -1 : 0;
}

void
beside_sync(struct publication *p)
{
	if (disk_sync_data(p->beside_fd) == 0)
		return;
	if (draft_failure(errno) != DRAFT_FULL)
		fatal_sync("meta");
	beside_close(p);
}

void
beside_close(struct publication *p)
{
	if (!beside_is_open(p))
		return;
	disk_close(p->beside_fd);
	p->beside_fd = -1;
}

void
beside_free(struct publication *p)
{
	beside_close(p);
	free(p->beside);
	p->beside = NULL;
}

int
beside_make_as(const struct publication *p, const char *name)
{
	int fd;

	if (!p->beside)
		return 0;
	fd = meta_write(p->draft.inbox, name, p->beside);
	if (fd < 0)
		return -1;
	if (disk_sync_data(fd) < 0) {
		if (draft_failure(errno) != DRAFT_FULL)
			fatal_sync("meta");
		disk_close(fd);
		beside_drop(p, name);
		return -1;
	}
	disk_close(fd);
	if (disk_sync_dir(p->draft.inbox->meta_dir) < 0)
		fatal_sync("folder");
	return 0;
}

void
beside_drop(const struct publication *p, const char *name)
{
	int error = errno;

	if (p->beside)
		meta_remove(p->draft.inbox, name);
	errno = error;
}
