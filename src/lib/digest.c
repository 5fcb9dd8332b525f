/* SPDX-License-Identifier: ISC */
/* What needs no more of SHA-256 than digest_start(), digest_add() and digest_end(), which are
 * in digest_evp.c, and in digest_md.c. */
#include "lib/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_CHUNK 65536

/* Reads on until the end of the file, past short reads and EINTR. */
static int
add_file(struct digest *d, int fd, long long from, unsigned char *chunk,
    unsigned long long *size)
{
	*size = 0;
	for (;;) {
		ssize_t n = pread(fd, chunk, FILE_CHUNK, (off_t)(from + (long long)*size));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			return 0;
		if (digest_add(d, chunk, (size_t)n) == -1) {
			errno = ENOMEM;
			return -1;
		}
		*size += (unsigned long long)n;
	}
}

int
digest_of(const void *data, size_t len, unsigned char out[DIGEST_SIZE])
{
	struct digest *d = digest_new();
	int rc = d && digest_start(d) == 0 && digest_add(d, data, len) == 0 ? digest_end(d, out)
	                                                                   : -1;

	digest_free(d);
	if (rc == -1)
		errno = ENOMEM;
	return rc;
}

int
digest_file(int fd, long long from, unsigned char out[DIGEST_SIZE], unsigned long long *size)
{
	struct digest *d = digest_new();
	unsigned char *chunk = malloc(FILE_CHUNK);
	int rc = -1, error;

	if (!d || !chunk || digest_start(d) == -1) {
		errno = ENOMEM;
		goto done;
	}
	if (add_file(d, fd, from, chunk, size) == -1)
		goto done;
	if (digest_end(d, out) == -1) {
		errno = ENOMEM;
		goto done;
	}
	rc = 0;
done:
	error = errno;
	free(chunk);
	digest_free(d);
	errno = error;
	return rc;
}

void
digest_print(char dst[DIGEST_TEXT_ROOM], const unsigned char digest[DIGEST_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		dst[2 * i] = hex[digest[i] >> 4];
		dst[2 * i + 1] = hex[digest[i] & 15];
	}
	dst[2 * DIGEST_SIZE] = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int
digest_parse(unsigned char out[DIGEST_SIZE], const char *hex, size_t len)
{
	if (len != (size_t)2 * DIGEST_SIZE)
		return -1;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high == -1 || low == -1)
			return -1;
		out[i] = (unsigned char)(high * 16 + low);
	}
	return 0;
}
