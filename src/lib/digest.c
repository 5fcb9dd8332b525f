/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 by EVP, which uses the processor's own instructions where it has
 * them.  The algorithm is fetched once a struct, since a fetch takes a lock
 * and a look-up that would cost more than hashing a small item.  (Rejected:
 * SHA256_Update(), deprecated in OpenSSL 3.0.)
 */
#include "lib/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define FILE_CHUNK 65536

struct digest {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct digest *
digest_new(void)
{
	struct digest *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	if (!d->md || !d->ctx) {
		ERR_clear_error();
		digest_free(d);
		return NULL;
	}
	return d;
}

void
digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

/* OpenSSL says 1 for success; its error queue is the thread's, and must not
 * be left full for whoever looks at it next. */
static int
answer(int ok)
{
	if (ok == 1)
		return 0;
	ERR_clear_error();
	return -1;
}

int
digest_start(struct digest *d)
{
	return answer(EVP_DigestInit_ex2(d->ctx, d->md, NULL));
}

int
digest_add(struct digest *d, const void *data, size_t len)
{
	return answer(EVP_DigestUpdate(d->ctx, data, len));
}

int
digest_end(struct digest *d, unsigned char out[DIGEST_SIZE])
{
	return answer(EVP_DigestFinal_ex(d->ctx, out, NULL));
}

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
