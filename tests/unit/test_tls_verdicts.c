/* SPDX-License-Identifier: ISC */
/* How long a chain that was verified is remembered, and which: the memory alone, then handshakes
 * with a server's context, counted by the calls of X509_verify_cert(). */
#include "lib/tls_verdicts.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "certs.h"
#include "lib/little.h"
#include "lib/proto.h"
#include "lib/tls.h"
#include "lib/tls_peer.h"

#define NOW 1700000000 /* seconds */
#define THREADS 4

static char dir[64];
static unsigned verified;

int __real_X509_verify_cert(X509_STORE_CTX *check);
int __wrap_X509_verify_cert(X509_STORE_CTX *check);

int
__wrap_X509_verify_cert(X509_STORE_CTX *check)
{
	verified++;
	return __real_X509_verify_cert(check);
}

/* ---- the memory */

/* Any number's, spread over the sets as digests are. */
static struct tls_verdict
verdict_of(uint64_t number)
{
	struct tls_verdict verdict = {.since = NOW, .until = NOW + 100};

	assert_int_equal(digest_of(&number, sizeof(number), verdict.chain), 0);
	return verdict;
}

static unsigned
count_found(struct tls_verdicts *v, uint64_t from, uint64_t to)
{
	unsigned found = 0;

	for (uint64_t i = from; i < to; i++) {
		struct tls_verdict verdict = verdict_of(i);

		found += (unsigned)tls_verdicts_has(v, verdict.chain, NOW);
	}
	return found;
}

static void
add(struct tls_verdicts *v, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		struct tls_verdict verdict = verdict_of(i);

		tls_verdicts_add(v, &verdict);
	}
}

static void
a_verdict_stands_from_its_second_to_the_last_before_its_end(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();
	struct tls_verdict verdict = verdict_of(1);

	(void)state;
	assert_non_null(v);
	assert_false(tls_verdicts_has(v, verdict.chain, NOW));
	tls_verdicts_add(v, &verdict);
	assert_false(tls_verdicts_has(v, verdict.chain, NOW - 1));
	assert_true(tls_verdicts_has(v, verdict.chain, NOW));
	assert_true(tls_verdicts_has(v, verdict.chain, NOW + 99));
	assert_false(tls_verdicts_has(v, verdict.chain, NOW + 100));
	/* Found anew: the new dates count, and they are one verdict. */
	verdict.since = NOW + 200;
	verdict.until = NOW + 300;
	tls_verdicts_add(v, &verdict);
	assert_false(tls_verdicts_has(v, verdict.chain, NOW));
	assert_true(tls_verdicts_has(v, verdict.chain, NOW + 299));
	tls_verdicts_free(v);
}

static void
no_other_chain_is_taken_for_it(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();
	struct tls_verdict verdict = verdict_of(1);
	static const unsigned char zeros[DIGEST_SIZE];

	(void)state;
	assert_non_null(v);
	tls_verdicts_add(v, &verdict);
	for (size_t bit = 0; bit < 8 * sizeof(verdict.chain); bit++) {
		verdict.chain[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_false(tls_verdicts_has(v, verdict.chain, NOW));
		verdict.chain[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	assert_true(tls_verdicts_has(v, verdict.chain, NOW));
	assert_false(tls_verdicts_has(v, zeros, 0));
	tls_verdicts_free(v);
}

static void
a_fleet_is_remembered_whole(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();

	(void)state;
	assert_non_null(v);
	add(v, 0, 10000);
	assert_int_equal(count_found(v, 0, 10000), 10000);
	tls_verdicts_free(v);
}

/* Who adds chains without end takes places of others, and no memory. */
static void
memory_has_a_bound(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();
	unsigned found;

	(void)state;
	assert_non_null(v);
	add(v, 0, 3 * TLS_VERDICTS_MAX);
	found = count_found(v, 0, 3 * TLS_VERDICTS_MAX);
	assert_true(found <= TLS_VERDICTS_MAX);
	assert_true(found > TLS_VERDICTS_MAX * 9 / 10);
	assert_int_equal(count_found(v, 3 * TLS_VERDICTS_MAX - 1, 3 * TLS_VERDICTS_MAX), 1);
	tls_verdicts_free(v);
}

/* Digests that were made to fall into one set: the newest stay. */
static void
a_set_that_is_full_gives_up_its_oldest(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();
	struct tls_verdict verdict = verdict_of(1);

	(void)state;
	assert_non_null(v);
	for (uint32_t i = 0; i < 100; i++) {
		little_put32(verdict.chain + 8, i);
		verdict.since = NOW + i;
		verdict.until = NOW + 1000;
		tls_verdicts_add(v, &verdict);
	}
	for (uint32_t i = 0; i < 100; i++) {
		little_put32(verdict.chain + 8, i);
		assert_int_equal(tls_verdicts_has(v, verdict.chain, NOW + 100), i >= 92);
	}
	/* One that is over goes first, whatever its age. */
	verdict.since = NOW + 1000;
	verdict.until = NOW + 1002;
	tls_verdicts_add(v, &verdict);
	assert_true(tls_verdicts_has(v, verdict.chain, NOW + 1001));
	tls_verdicts_free(v);
}

static void *
use(void *arg)
{
	add(arg, 0, 2000);
	(void)count_found(arg, 0, 2000);
	return NULL;
}

static void
threads_share_it(void **state)
{
	struct tls_verdicts *v = tls_verdicts_new();
	pthread_t threads[THREADS];

	(void)state;
	assert_non_null(v);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, v), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(count_found(v, 0, 2000), 2000);
	tls_verdicts_free(v);
}

/* ---- handshakes */

static struct tls *
make_server(const char *ca, const char *crl)
{
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	char paths[4][128];
	struct tls_settings settings = {.alpn = alpn, .certificate = paths[0], .key = paths[1],
	    .ca = paths[2], .crl = crl ? paths[3] : NULL, .server = 1};
	struct why error;
	struct tls *tls;

	snprintf(paths[0], sizeof(paths[0]), "%s/server.crt", dir);
	snprintf(paths[1], sizeof(paths[1]), "%s/server.key", dir);
	snprintf(paths[2], sizeof(paths[2]), "%s/%s", dir, ca);
	snprintf(paths[3], sizeof(paths[3]), "%s/%s", dir, crl ? crl : "");
	tls = tls_new(&settings, &error);
	if (!tls)
		fail_msg("%s", error.text);
	return tls;
}

/* A client that sends NAME.crt, and behind it those of `more` and `also`, if there are any. */
static SSL_CTX *
make_client(const char *name, const char *more, const char *also)
{
	static const unsigned char alpn[] = "\007inbox/1";
	const char *const others[] = {more, also};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.crt", dir, name);
	assert_int_equal(SSL_CTX_use_certificate_file(ctx, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1), 0);
	/* Nothing but what is named: no chain of its own making. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	for (size_t i = 0; i < 2; i++) {
		BIO *in;
		X509 *certificate;

		if (!others[i])
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, others[i]);
		in = BIO_new_file(path, "r");
		certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
		assert_non_null(certificate);
		assert_int_equal(SSL_CTX_add_extra_chain_cert(ctx, certificate), 1);
		BIO_free(in);
	}
	return ctx;
}

/* Does `tls` take this client?  Its connection is closed again. */
static int
takes(struct tls *tls, SSL_CTX *client)
{
	int fds[2], is_taken;
	SSL *there, *here;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	here = tls_connection(tls, fds[0], NULL);
	there = SSL_new(client);
	assert_non_null(here);
	assert_int_equal(SSL_set_fd(there, fds[1]), 1);
	SSL_set_connect_state(there);
	for (int i = 0; i < 20 && !SSL_is_init_finished(here); i++) {
		(void)SSL_do_handshake(there);
		(void)SSL_do_handshake(here);
	}
	is_taken = SSL_is_init_finished(here) && SSL_get_verify_result(here) == X509_V_OK;
	SSL_free(here);
	SSL_free(there);
	close(fds[0]);
	close(fds[1]);
	return is_taken;
}

static void
who_comes_again_is_not_verified_again(void **state)
{
	struct tls *tls = make_server("ca.crt", "ca.crl");
	SSL_CTX *client = make_client("client", NULL, NULL);

	(void)state;
	verified = 0;
	for (int i = 0; i < 5; i++)
		assert_true(takes(tls, client));
	assert_int_equal(verified, 1);
	SSL_CTX_free(client);
	tls_unref(tls);
}

static void
who_was_refused_is_verified_and_refused_again(void **state)
{
	struct tls *tls = make_server("ca.crt", "ca.crl");
	SSL_CTX *revoked = make_client("revoked", NULL, NULL), *other = make_client("other", NULL,
	    NULL);

	(void)state;
	verified = 0;
	for (int i = 0; i < 3; i++) {
		assert_false(takes(tls, revoked));
		assert_false(takes(tls, other));
	}
	assert_int_equal(verified, 6);
	SSL_CTX_free(revoked);
	SSL_CTX_free(other);
	tls_unref(tls);
}

/* A context made anew, as by a reload, remembers nothing, and the old one nothing new. */
static void
who_was_revoked_is_refused_after_a_reload(void **state)
{
	struct tls *before = make_server("ca.crt", NULL), *after = make_server("ca.crt", "ca.crl");
	SSL_CTX *client = make_client("revoked", NULL, NULL);

	(void)state;
	assert_true(takes(before, client));
	assert_true(takes(before, client));
	assert_false(takes(after, client));
	assert_true(takes(before, client));
	assert_false(takes(after, client));
	SSL_CTX_free(client);
	tls_unref(before);
	tls_unref(after);
}

/* The same leaf, sent with other certificates, is another chain. */
static void
what_is_sent_beside_the_leaf_counts(void **state)
{
	struct tls *tls = make_server("ca.crt", NULL);
	SSL_CTX *whole = make_client("deep", "mid.crt", NULL);
	SSL_CTX *more = make_client("deep", "mid.crt", "other-ca.crt");
	SSL_CTX *turned = make_client("deep", "other-ca.crt", "mid.crt");
	SSL_CTX *alone = make_client("deep", NULL, NULL);
	SSL_CTX *wrong = make_client("deep", "other-ca.crt", NULL);

	(void)state;
	verified = 0;
	assert_true(takes(tls, whole));
	assert_true(takes(tls, whole));
	assert_int_equal(verified, 1);
	assert_true(takes(tls, more));
	assert_true(takes(tls, turned));
	assert_int_equal(verified, 3);
	assert_false(takes(tls, alone));
	assert_false(takes(tls, wrong));
	assert_int_equal(verified, 5);
	assert_true(takes(tls, turned));
	assert_int_equal(verified, 5);
	SSL_CTX_free(whole);
	SSL_CTX_free(more);
	SSL_CTX_free(turned);
	SSL_CTX_free(alone);
	SSL_CTX_free(wrong);
	tls_unref(tls);
}

/* Takes `client` in each second before `end`, without looking again, and in none from then on. */
static void
takes_until(struct tls *tls, SSL_CTX *client, int64_t end)
{
	unsigned times = 0;
	time_t before, after;

	verified = 0;
	do {
		int is_taken;

		before = time(NULL);
		is_taken = takes(tls, client);
		after = time(NULL);
		if (after < end) {
			assert_true(is_taken);
			assert_int_equal(verified, 1);
			times++;
		}
		if (before >= end)
			assert_false(is_taken);
		(void)usleep(20000);
	} while (before <= end);
	assert_true(times >= 2);
}

/* An authority of this test's own, whose key is at hand. */
static EVP_PKEY *ca_key;
static X509 *ca;

static void
make_authority(void)
{
	static const struct cert_spec ca_spec = {.cn = {"short CA"}, .ca = 1};

	ca_key = certs_key();
	ca = certs_make(&ca_spec, ca_key, NULL, NULL);
	certs_write(dir, "short-ca.crt", 0644, ca, NULL, NULL);
}

/* Returns when it runs out. */
static int64_t
make_leaf(const char *name, long until)
{
	struct cert_spec spec = {.cn = {"c4"}, .eku = "clientAuth", .names = {{GEN_DNS, "c4", 0}},
	    .from = -60, .until = until};
	EVP_PKEY *key = certs_key();
	X509 *leaf = certs_make(&spec, key, ca, ca_key);
	int64_t end = tls_date_seconds(X509_get0_notAfter(leaf));
	char file[64];

	snprintf(file, sizeof(file), "%s.crt", name);
	certs_write(dir, file, 0644, leaf, NULL, NULL);
	snprintf(file, sizeof(file), "%s.key", name);
	certs_write(dir, file, 0600, NULL, key, NULL);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return end;
}

static void
who_runs_out_is_refused_in_that_second(void **state)
{
	int64_t end = make_leaf("brief", 3);
	struct tls *tls;
	SSL_CTX *client;

	(void)state;
	tls = make_server("short-ca.crt", NULL);
	/* server.crt is of another CA; these clients do not mind. */
	client = make_client("brief", NULL, NULL);
	takes_until(tls, client, end);
	SSL_CTX_free(client);
	tls_unref(tls);
}

static void
a_list_that_runs_out_ends_what_stood_on_it(void **state)
{
	X509_CRL *crl = certs_crl(ca, ca_key, NULL, 3);
	int64_t end = tls_date_seconds(X509_CRL_get0_nextUpdate(crl));
	struct tls *tls;
	SSL_CTX *client;

	(void)state;
	certs_write(dir, "brief.crl", 0644, NULL, NULL, crl);
	X509_CRL_free(crl);
	(void)make_leaf("lasting", 86400);
	tls = make_server("short-ca.crt", "brief.crl");
	client = make_client("lasting", NULL, NULL);
	takes_until(tls, client, end);
	SSL_CTX_free(client);
	tls_unref(tls);
}

static int
setup(void **state)
{
	(void)state;
	certs_make_dir(dir);
	certs_write_set(dir);
	make_authority();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	certs_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_verdict_stands_from_its_second_to_the_last_before_its_end),
	    cmocka_unit_test(no_other_chain_is_taken_for_it),
	    cmocka_unit_test(a_fleet_is_remembered_whole),
	    cmocka_unit_test(memory_has_a_bound),
	    cmocka_unit_test(a_set_that_is_full_gives_up_its_oldest),
	    cmocka_unit_test(threads_share_it),
	    cmocka_unit_test(who_comes_again_is_not_verified_again),
	    cmocka_unit_test(who_was_refused_is_verified_and_refused_again),
	    cmocka_unit_test(who_was_revoked_is_refused_after_a_reload),
	    cmocka_unit_test(what_is_sent_beside_the_leaf_counts),
	    cmocka_unit_test(who_runs_out_is_refused_in_that_second),
	    cmocka_unit_test(a_list_that_runs_out_ends_what_stood_on_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
