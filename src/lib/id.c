/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/parse.h"

int
id_read(int dir, const char *name, char id[ID_ROOM])
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[ID_ROOM + 1]; /* with its LF, and one byte more than may be there */
	ssize_t len;

	id[0] = '\0';
	if (fd < 0)
		return -1;
	do
		len = read(fd, text, sizeof text);
	while (len < 0 && errno == EINTR);
	disk_close(fd);
	if (len < 0)
		return -1;
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (!is_hex(text, (size_t)len, PROTO_ID_LEN)) {
		errno = EILSEQ;
		return -1;
	}
	snprintf(id, ID_ROOM, "%.*s", PROTO_ID_LEN, text);
	return 0;
}

int
id_draw(char id[ID_ROOM])
{
	unsigned char random[PROTO_ID_LEN / 2];

	if (getentropy(random, sizeof random) < 0)
		return -1;
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(id + 2 * i, ID_ROOM - 2 * i, "%02x", random[i]);
	return 0;
}

int
id_make(int drafts, const char *draft, int dir, const char *name)
{
	char text[ID_ROOM + 1];

	if (id_draw(text) < 0)
		return -1;
	snprintf(text + PROTO_ID_LEN, 2, "\n");
	if (disk_write_text(drafts, draft, text) < 0)
		return -1;
	if (disk_publish(drafts, draft, dir, name) < 0) {
		int error = errno;

		(void)unlinkat(drafts, draft, 0);
		errno = error;
		if (errno != EEXIST)
			return -1;
	}
	return disk_sync_dir(dir);
}
