/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/fatal.h"
#include "lib/disk.h"

static enum fresh
copy_bytes(int from, int to, const struct tail_item *item)
{
	unsigned char buffer[64 * 1024], sha256[DIGEST_SIZE];
	struct digest *digest = digest_new();
	enum fresh result = FRESH_FAILED;
	uint64_t size = 0;
	ssize_t got;

	if (!digest || digest_start(digest) < 0)
		goto done;
	while ((got = read(from, buffer, sizeof buffer)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || disk_write(to, buffer, (size_t)got) < 0 ||
		    digest_add(digest, buffer, (size_t)got) < 0)
			goto done;
		size += (uint64_t)got;
	}
	if (digest_end(digest, sha256) < 0)
		goto done;
	result = size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0 ?
	    FRESH_COPIED : FRESH_WRONG;
done:
	digest_free(digest);
	return result;
}

void
fresh_name(const struct tail_item *item, char dst[FRESH_NAME_ROOM])
{
	snprintf(dst, FRESH_NAME_ROOM, "%s" FRESH_SUFFIX, item->name);
}

enum fresh
fresh_copy(const struct tail_item *item, const struct inbox *inbox, int from)
{
	char name[FRESH_NAME_ROOM];
	enum fresh result;
	int in, out, error;

	in = openat(from, item->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (in < 0)
		return errno == ENOENT ? FRESH_ABSENT : FRESH_FAILED;
	fresh_name(item, name);
	if (unlinkat(inbox->tmp, name, 0) < 0 && errno != ENOENT) {
		error = errno;
		close(in);
		errno = error;
		return FRESH_FAILED;
	}
	out = openat(inbox->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	result = out < 0 ? FRESH_FAILED : copy_bytes(in, out, item);
	error = errno;
	if (result == FRESH_COPIED && disk_sync_data(out) < 0)
		fatal(EX_IOERR, "sync_failed", "what=draft error=\"%s\"", strerror(errno));
	close(in);
	if (out >= 0)
		close(out);
	errno = error;
	return result;
}
