/* SPDX-License-Identifier: ISC */
/*
 * SHA-256 by EVP, which uses the processor's own instructions where it has
 * them.  The algorithm is fetched once a struct, since a fetch takes a lock
 * and a look-up that would cost more than hashing a small item.  (Rejected:
 * SHA256_Update(), deprecated in OpenSSL 3.0.)
 */
#include "lib/digest.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

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
