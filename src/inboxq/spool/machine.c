/* SPDX-License-Identifier: ISC */
/*
 * The order is: the old id noted, and in sent.log that another one comes, which is put in its
 * place then; the machine noted.  A crash amid this has the next start draw another one, which
 * nobody has seen.
 */
#include "config.h"

#include "inboxq/spool/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "inboxq/spool/sentlines.h"
#include "inboxq/spool/spool_parts.h"
#include "lib/digest.h"
#include "lib/disk.h"
#include "lib/parse.h"

#define MACHINE_ID "/etc/machine-id"
#define FILE_NAME "machine"
#define OLD_IDS "queue-id.old"
#define OLD_ROOM 2048 /* bytes of older ones that are kept */
#define BLOCK 64      /* bytes, of SHA-256 */
#define TMPFS 0x01021994 /* statfs(2) */

/* inboxq's own, drawn once: what others derive from the machine-id is nothing to ours. */
static const unsigned char application[16] = {0x5c, 0x1f, 0x0e, 0x9a, 0x27, 0x43, 0x4d, 0xb8,
    0x93, 0x6e, 0xd1, 0x70, 0x3b, 0x88, 0xc5, 0x12};

/* RFC 2104, of a key and a text of 16 bytes each. */
static int
hmac(const unsigned char key[16], const unsigned char text[16], unsigned char out[DIGEST_SIZE])
{
	unsigned char inner[BLOCK + 16], outer[BLOCK + DIGEST_SIZE];

	memset(inner, 0x36, BLOCK);
	memset(outer, 0x5c, BLOCK);
	for (int i = 0; i < 16; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	memcpy(inner + BLOCK, text, 16);
	if (digest_of(inner, sizeof inner, outer + BLOCK) < 0)
		return -1;
	return digest_of(outer, sizeof outer, out);
}

/* Does it lie in memory, as systemd has it where /etc cannot be written to?  Then the next boot has
 * another one. */
static int
is_of_a_boot(int fd)
{
#ifdef __linux__
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type == TMPFS;
#else
	(void)fd;
	return 0;
#endif
}

/* The system's, as bytes.  What is no id yet (a first boot), or not for long, is none. */
static int
read_system(unsigned char id[16])
{
	char text[PROTO_ID_LEN + 1];
	int fd = open(MACHINE_ID, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = is_of_a_boot(fd) ? 0 : read(fd, text, sizeof text);
	disk_close(fd);
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len < PROTO_ID_LEN || !is_hex(text, PROTO_ID_LEN, PROTO_ID_LEN) ||
	    strspn(text, "0") >= PROTO_ID_LEN) {
		errno = ENOENT;
		return -1;
	}
	for (int i = 0; i < 16; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -1;
		id[i] = (unsigned char)byte;
	}
	return 0;
}

/* As systemd-id128 --app-specific prints it: an UUID of version 4. */
int
machine_id(char id[ID_ROOM])
{
	unsigned char system[16], derived[DIGEST_SIZE];

	if (read_system(system) < 0 || hmac(system, application, derived) < 0)
		return -1;
	derived[6] = (unsigned char)((derived[6] & 0x0f) | 0x40);
	derived[8] = (unsigned char)((derived[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++)
		snprintf(id + 2 * i, ID_ROOM - 2 * i, "%02x", derived[i]);
	return 0;
}

static int
note_old(const struct spool *spool, const char *id)
{
	char text[OLD_ROOM + ID_ROOM + 1] = "";
	ssize_t len = spool_read_file(spool->folder[SPOOL_TOP], OLD_IDS, text, OLD_ROOM);

	/* The oldest go where there are many. */
	if (len > OLD_ROOM - 2 * ID_ROOM) {
		memmove(text, text + ID_ROOM, (size_t)len - ID_ROOM + 1);
		len -= ID_ROOM;
	}
	if (len < 0)
		len = 0;
	snprintf(text + len, sizeof text - (size_t)len, "%s%s\n", len ? "\n" : "", id);
	return spool_write_file(spool, SPOOL_TOP, OLD_IDS, text, 1);
}

static int
write_id(const struct spool *spool, const char *name, const char *id)
{
	char text[ID_ROOM + 1];

	snprintf(text, sizeof text, "%s\n", id);
	return spool_write_file(spool, SPOOL_TOP, name, text, 1);
}

int
machine_settle(struct spool *spool, char old[ID_ROOM])
{
	char here[ID_ROOM], noted[ID_ROOM], drawn[ID_ROOM];

	if (machine_id(here) < 0)
		return errno == ENOENT ? 0 : -1;
	if (id_read(spool->folder[SPOOL_TOP], FILE_NAME, noted) < 0)
		return write_id(spool, FILE_NAME, here);
	if (strcmp(noted, here) == 0)
		return 0;
	memcpy(old, spool->id, ID_ROOM);
	if (id_draw(drawn) < 0 || note_old(spool, old) < 0 ||
	    sentlines_rename(spool->folder[SPOOL_TOP]) < 0 ||
	    write_id(spool, "queue-id", drawn) < 0)
		return -1;
	memcpy(spool->id, drawn, ID_ROOM);
	return write_id(spool, FILE_NAME, here) < 0 ? -1 : 1;
}
