/* SPDX-License-Identifier: ISC */
/*
 * A table of sets: a digest's first bytes say which set it is in, and a set has room for a few.
 * Where one is full of verdicts that stand, the table doubles, up to its limit; then the oldest
 * of the set goes.  So there is no list to be kept in order, and no walk.
 *
 * (Rejected: resumption of sessions, which saves less (DESIGN, "Rejected") and would have to
 * check all that this leaves out.  The leaf alone as the key: what else a peer sends decides on
 * the chain that is built.)
 */
#include "config.h"

#include "lib/tls_verdicts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>

#include "lib/little.h"
#include "lib/tls_peer.h"

#define WAYS 8          /* verdicts in a set */
#define SETS_FIRST 16   /* to begin with; a power of two */
#define CHAIN_MAX 16384 /* bytes of certificates; longer ones are verified each time */

struct tls_verdicts {
	CRYPTO_RWLOCK *lock; /* of all that follows */
	struct tls_verdict (*sets)[WAYS];
	size_t count; /* of them; a power of two */
};

struct tls_verdicts *
tls_verdicts_new(void)
{
	struct tls_verdicts *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->count = SETS_FIRST;
	v->sets = calloc(v->count, sizeof *v->sets);
	v->lock = CRYPTO_THREAD_lock_new();
	if (v->sets && v->lock)
		return v;
	tls_verdicts_free(v);
	return NULL;
}

void
tls_verdicts_free(struct tls_verdicts *v)
{
	if (!v)
		return;
	CRYPTO_THREAD_lock_free(v->lock);
	free(v->sets);
	free(v);
}

/* ---- the memory */

static struct tls_verdict *
set_of(const struct tls_verdicts *v, const unsigned char chain[DIGEST_SIZE])
{
	return v->sets[little_get32(chain) & (v->count - 1)];
}

static int
stands(const struct tls_verdict *verdict, int64_t now)
{
	/* Nor before it was found: who set the clock back may have a certificate that is not
	 * valid yet. */
	return verdict->since <= now && now < verdict->until;
}

int
tls_verdicts_has(struct tls_verdicts *v, const unsigned char chain[DIGEST_SIZE], int64_t now)
{
	const struct tls_verdict *set;
	int is_found = 0;

	if (CRYPTO_THREAD_read_lock(v->lock) != 1)
		return 0;
	set = set_of(v, chain);
	for (size_t i = 0; i < WAYS && !is_found; i++)
		is_found = stands(&set[i], now) && memcmp(set[i].chain, chain, DIGEST_SIZE) == 0;
	CRYPTO_THREAD_unlock(v->lock);
	return is_found;
}

/* Where `verdict` may stand: its own old place, one that is free or over, or NULL. */
static struct tls_verdict *
find_place(struct tls_verdicts *v, const struct tls_verdict *verdict)
{
	struct tls_verdict *set = set_of(v, verdict->chain), *found = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (memcmp(set[i].chain, verdict->chain, DIGEST_SIZE) == 0)
			return &set[i];
		if (!stands(&set[i], verdict->since))
			found = &set[i];
	}
	return found;
}

static struct tls_verdict *
oldest_of(struct tls_verdict *set)
{
	struct tls_verdict *oldest = set;

	for (size_t i = 1; i < WAYS; i++) {
		if (set[i].since < oldest->since)
			oldest = &set[i];
	}
	return oldest;
}

/* Twice as many sets: each is divided between itself and a new one.  -1: no more than there
 * are. */
static int
grow(struct tls_verdicts *v)
{
	size_t half = v->count;
	struct tls_verdict(*grown)[WAYS];

	if (2 * half * WAYS > TLS_VERDICTS_MAX)
		return -1;
	grown = calloc(2 * half, sizeof *grown);
	if (!grown)
		return -1;
	for (size_t i = 0; i < half * WAYS; i++) {
		const struct tls_verdict *old = &v->sets[i / WAYS][i % WAYS];

		if (old->until != 0)
			grown[little_get32(old->chain) & (2 * half - 1)][i % WAYS] = *old;
	}
	free(v->sets);
	v->sets = grown;
	v->count = 2 * half;
	return 0;
}

void
tls_verdicts_add(struct tls_verdicts *v, const struct tls_verdict *verdict)
{
	struct tls_verdict *place;

	if (CRYPTO_THREAD_write_lock(v->lock) != 1)
		return;
	do
		place = find_place(v, verdict);
	while (!place && grow(v) == 0);
	if (!place)
		place = oldest_of(set_of(v, verdict->chain));
	*place = *verdict;
	CRYPTO_THREAD_unlock(v->lock);
}

/* ---- what is remembered */

/* `at`, moved behind the certificate and its length; NULL: it does not fit. */
static unsigned char *
put_certificate(unsigned char *at, const unsigned char *end, X509 *certificate)
{
	int len = i2d_X509(certificate, NULL);

	if (len <= 0 || len > end - at - 4)
		return NULL;
	little_put32(at, (uint32_t)len);
	at += 4;
	return i2d_X509(certificate, &at) == len ? at : NULL;
}

/* Of the leaf, then of all that was sent.  -1: it is too long. */
static int
digest_chain(X509_STORE_CTX *check, unsigned char digest[DIGEST_SIZE])
{
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(check);
	unsigned char bytes[CHAIN_MAX], *end = bytes + sizeof bytes;
	unsigned char *at = put_certificate(bytes, end, X509_STORE_CTX_get0_cert(check));

	for (int i = 0; at && i < sk_X509_num(sent); i++)
		at = put_certificate(at, end, sk_X509_value(sent, i));
	return at ? digest_of(bytes, (size_t)(at - bytes), digest) : -1;
}

/* A date that a list begins to count at, or ends, changes the verdict on everybody. */
static void
end_with_list(struct tls_verdict *verdict, const ASN1_TIME *date)
{
	int64_t at = date ? tls_date_seconds(date) : 0;

	if (at > verdict->since && at < verdict->until)
		verdict->until = at;
}

static void
end_with_lists(struct tls_verdict *verdict, X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *all;

	X509_STORE_lock(store); /* a look-up may sort them */
	all = X509_STORE_get0_objects(store);
	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		const X509_CRL *list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));

		if (!list)
			continue;
		end_with_list(verdict, X509_CRL_get0_lastUpdate(list));
		end_with_list(verdict, X509_CRL_get0_nextUpdate(list));
	}
	X509_STORE_unlock(store);
}

static void
end_with_certificates(struct tls_verdict *verdict, const STACK_OF(X509) *chain)
{
	verdict->until = sk_X509_num(chain) > 0 ? INT64_MAX : 0;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t at = tls_date_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));

		if (at < verdict->until)
			verdict->until = at;
	}
}

int
tls_verdicts_verify(X509_STORE_CTX *check, void *arg)
{
	struct tls_verdicts *v = arg;
	struct tls_verdict verdict = {.since = time(NULL)};
	int is_short = digest_chain(check, verdict.chain) == 0;

	if (is_short && tls_verdicts_has(v, verdict.chain, verdict.since)) {
		X509_STORE_CTX_set_error(check, X509_V_OK);
		return 1;
	}
	if (X509_verify_cert(check) != 1)
		return 0;
	end_with_certificates(&verdict, X509_STORE_CTX_get0_chain(check));
	end_with_lists(&verdict, X509_STORE_CTX_get0_store(check));
	if (is_short && verdict.until > verdict.since)
		tls_verdicts_add(v, &verdict);
	return 1;
}
