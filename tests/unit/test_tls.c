/* SPDX-License-Identifier: ISC */
/* What a context is not built from, and how it says so. */
#include "lib/tls.h"
#include "lib/tls_words.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "certs.h"
#include "lib/proto.h"
#include "lib/tls_peer.h"

static char dir[64];
static struct why error;

/* Files by name, below `dir`. */
static struct tls *
make(int server, const char *cert, const char *key, const char *ca, const char *crl)
{
	char paths[4][128];
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	struct tls_settings settings = {.alpn = alpn,
	    .certificate = paths[0], .key = paths[1], .ca = paths[2],
	    .crl = crl != NULL ? paths[3] : NULL, .server = server};

	snprintf(paths[0], sizeof(paths[0]), "%s/%s", dir, cert);
	snprintf(paths[1], sizeof(paths[1]), "%s/%s", dir, key);
	snprintf(paths[2], sizeof(paths[2]), "%s/%s", dir, ca);
	snprintf(paths[3], sizeof(paths[3]), "%s/%s", dir, crl != NULL ? crl : "");
	memset(&error, 'x', sizeof error);
	return tls_new(&settings, &error);
}

static void
takes(int server, const char *cert, const char *key, const char *ca, const char *crl)
{
	struct tls *tls = make(server, cert, key, ca, crl);

	if (tls == NULL)
		fail_msg("refused: %s", error.text);
	tls_unref(tls);
}

/* The message begins with the file's path and says `what`. */
static void
refuses(const char *file, const char *what, struct tls *tls)
{
	char start[128];

	if (tls != NULL)
		fail_msg("took it, and should say: %s", what);
	snprintf(start, sizeof(start), "%s/%s: ", dir, file);
	if (strncmp(error.text, start, strlen(start)) != 0 || strstr(error.text, what) == NULL)
		fail_msg("\"%s\" is not about %s and \"%s\"", error.text, file, what);
}

static void
put(const char *name, unsigned mode, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	assert_int_equal(chmod(path, mode), 0);
}

static void
takes_sound_files(void **state)
{
	(void)state;
	takes(1, "server.crt", "server.key", "ca.crt", NULL);
	takes(1, "server.crt", "server.key", "ca.crt", "ca.crl");
	takes(0, "client.crt", "client.key", "ca.crt", NULL);
	takes(0, "client.crt", "client.key", "ca.crt", "ca.crl");
	takes(1, "server.crt", "server.key", "ca.crt", "two.crl");
	takes(1, "server.crt", "server.key", "deep-ca.crt", "deep.crl");
}

static void
tells_what_runs_out_first(void **state)
{
	struct tls *tls = make(1, "server.crt", "server.key", "two-ca.crt", NULL);
	int64_t now = (int64_t)time(NULL);

	(void)state;
	assert_non_null(tls);
	assert_in_range(tls_date(tls, TLS_CERTIFICATE).until, now + 86000, now + 86401);
	assert_in_range(tls_date(tls, TLS_CERTIFICATE).from, now - 86800, now - 86399);
	assert_in_range(tls_date(tls, TLS_CA).until, now + 86000, now + 86401);
	assert_int_equal(tls_date(tls, TLS_CRL).until, 0);
	tls_unref(tls);
	/* Of two lists of one CA the newer one counts. */
	tls = make(1, "server.crt", "server.key", "ca.crt", "two.crl");
	assert_non_null(tls);
	assert_in_range(tls_date(tls, TLS_CRL).until, now + 86000, now + 86401);
	tls_unref(tls);
}

/* Which errors go by themselves, and which need another configuration. */
static void
tells_what_time_mends(void **state)
{
	(void)state;
	assert_null(make(1, "no.crt", "server.key", "ca.crt", NULL));
	assert_int_equal(errno, EAGAIN);
	put("empty", 0600, "");
	assert_null(make(1, "server.crt", "server.key", "empty", NULL));
	assert_int_equal(errno, EAGAIN);
	assert_null(make(1, "server.crt", "client.key", "ca.crt", NULL));
	assert_int_equal(errno, EAGAIN);
	assert_null(make(1, "server.crt", "server.key", "ca.crt", "old.crl"));
	assert_int_equal(errno, EAGAIN);
	assert_null(make(1, "server.crt", "server.key", "two-ca.crt", "ca.crl"));
	assert_int_equal(errno, EINVAL);
	assert_null(make(1, "client.crt", "client.key", "ca.crt", NULL));
	assert_int_equal(errno, EINVAL);
}

static void
names_the_file_that_is_missing(void **state)
{
	(void)state;
	refuses("no.crt", "No such file", make(1, "no.crt", "server.key", "ca.crt", NULL));
	refuses("no.key", "No such file", make(1, "server.crt", "no.key", "ca.crt", NULL));
	refuses("no.ca", "No such file", make(1, "server.crt", "server.key", "no.ca", NULL));
	refuses("no.crl", "No such file", make(1, "server.crt", "server.key", "ca.crt", "no.crl"));
	refuses("", "not a regular file", make(1, "", "server.key", "ca.crt", NULL));
}

static void
says_what_a_file_lacks(void **state)
{
	(void)state;
	put("empty", 0600, "");
	put("broken", 0600, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	put("words", 0600, "the certificate\n");
	refuses("empty", "is empty", make(1, "empty", "server.key", "ca.crt", NULL));
	refuses("words", "no certificate", make(1, "words", "server.key", "ca.crt", NULL));
	refuses("server.key", "no certificate",
	    make(1, "server.key", "server.key", "ca.crt", NULL));
	refuses("words", "no private key", make(1, "server.crt", "words", "ca.crt", NULL));
	refuses("words", "no certificate", make(1, "server.crt", "server.key", "words", NULL));
	refuses("broken", "PEM", make(1, "server.crt", "server.key", "broken", NULL));
	refuses("words", "no CRL", make(1, "server.crt", "server.key", "ca.crt", "words"));
	refuses("ca.crt", "no CRL", make(1, "server.crt", "server.key", "ca.crt", "ca.crt"));
}

static void
refuses_a_key_of_another_certificate(void **state)
{
	(void)state;
	refuses("client.key", "not the key", make(1, "server.crt", "client.key", "ca.crt", NULL));
}

static void
refuses_a_key_that_others_can_read(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/server.key", dir);
	assert_int_equal(chmod(path, 0604), 0);
	refuses("server.key", "chmod", make(1, "server.crt", "server.key", "ca.crt", NULL));
	assert_int_equal(chmod(path, 0640), 0);
	takes(1, "server.crt", "server.key", "ca.crt", NULL);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
refuses_an_encrypted_key_and_asks_nobody(void **state)
{
	EVP_PKEY *key = certs_key();
	char path[128], secret[] = "secret";
	FILE *out;

	(void)state;
	snprintf(path, sizeof(path), "%s/locked.key", dir);
	put("locked.key", 0600, "");
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), NULL, 0, NULL, secret),
	    1);
	fclose(out);
	EVP_PKEY_free(key);
	refuses("locked.key", "encrypted", make(1, "server.crt", "locked.key", "ca.crt", NULL));
}

static void
refuses_a_certificate_out_of_its_time(void **state)
{
	static const struct cert_spec old = {.cn = {"old"}, .from = -200, .until = -100},
	    early = {.cn = {"early"}, .from = 1000, .until = 2000};
	EVP_PKEY *key = certs_key();
	X509 *cert = certs_make(&old, key, NULL, NULL);

	(void)state;
	certs_write(dir, "old.crt", 0644, cert, NULL, NULL);
	certs_write(dir, "old.key", 0600, NULL, key, NULL);
	X509_free(cert);
	refuses("old.crt", "was valid until", make(1, "old.crt", "old.key", "ca.crt", NULL));
	refuses("old.crt", "was valid until", make(1, "server.crt", "server.key", "old.crt", NULL));
	cert = certs_make(&early, key, NULL, NULL);
	certs_write(dir, "early.crt", 0644, cert, NULL, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
	refuses("early.crt", "not valid before", make(1, "early.crt", "old.key", "ca.crt", NULL));
}

static void
refuses_a_certificate_for_the_other_end(void **state)
{
	(void)state;
	refuses("client.crt", "serverAuth", make(1, "client.crt", "client.key", "ca.crt", NULL));
	refuses("server.crt", "clientAuth", make(0, "server.crt", "server.key", "ca.crt", NULL));
}

static void
refuses_a_crl_that_is_old_or_another_ca_s(void **state)
{
	(void)state;
	refuses("old.crl", "was valid until",
	    make(1, "server.crt", "server.key", "ca.crt", "old.crl"));
	refuses("ca.crl", "not signed by",
	    make(1, "server.crt", "server.key", "other-ca.crt", "ca.crl"));
	refuses("ca.crl", "no CRL of the CA CN = other CA in",
	    make(1, "server.crt", "server.key", "two-ca.crt", "ca.crl"));
	refuses("ca.crl", "no CRL of the CA CN = middle CA in",
	    make(1, "server.crt", "server.key", "deep-ca.crt", "ca.crl"));
}

static void
wants_a_name_at_the_client_and_none_at_the_server(void **state)
{
	static const char *const bad[] = {"", ".example", "a b", "a/b", "a\n", "*", "p\xc3\xb6"};
	static const char *const good[] = {"cap.example", "127.0.0.1", "::1", "a_b-C9"};
	struct tls *client = make(0, "client.crt", "client.key", "ca.crt", NULL);
	struct tls *server = make(1, "server.crt", "server.key", "ca.crt", NULL);
	char longest[255];
	SSL *ssl;

	(void)state;
	assert_null(tls_connection(client, 0, NULL));
	assert_null(tls_connection(server, 0, "cap.example"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(tls_connection(client, 0, bad[i]));
	memset(longest, 'a', 254);
	longest[254] = '\0';
	assert_null(tls_connection(client, 0, longest));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ssl = tls_connection(client, 0, good[i]);
		assert_non_null(ssl);
		/* RFC 6066, section 3: no address as a name. */
		assert_int_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL,
		    i == 0 || i == 3);
		SSL_free(ssl);
	}
	/* A connection outlives our reference. */
	ssl = tls_connection(server, 0, NULL);
	tls_unref(server);
	tls_unref(tls_ref(client));
	assert_non_null(ssl);
	SSL_free(ssl);
	tls_unref(client);
	tls_unref(NULL);
}

/* A file made of two others. */
static void
join(const char *name, const char *first, const char *second)
{
	const char *const parts[] = {first, second};
	char path[128], bytes[4096];
	FILE *out, *in;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, parts[i]);
		in = fopen(path, "r");
		assert_non_null(in);
		for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
			assert_int_equal(fwrite(bytes, 1, n, out), n);
		fclose(in);
	}
	assert_int_equal(fclose(out), 0);
}

/* ---- what a handshake sends, and leaves */

struct pair {
	int fds[2];
	SSL *server, *client;
};

/* Takes `client`. */
static void
shake(struct pair *pair, struct tls *server, SSL *client)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fds), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fcntl(pair->fds[i], F_SETFL, O_NONBLOCK), 0);
	pair->server = tls_connection(server, pair->fds[0], NULL);
	pair->client = client;
	assert_non_null(pair->server);
	assert_int_equal(SSL_set_fd(client, pair->fds[1]), 1);
	for (int i = 0; i < 20 && !SSL_is_init_finished(pair->server); i++) {
		(void)SSL_do_handshake(pair->client);
		(void)SSL_do_handshake(pair->server);
	}
	assert_true(SSL_is_init_finished(pair->server));
}

static void
part(struct pair *pair)
{
	SSL_free(pair->server);
	SSL_free(pair->client);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

/* The names of what came, behind the leaf, each with a blank before it. */
static const char *
chain_of(SSL *ssl, int first)
{
	static char names[512];
	char name[128];
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

	names[0] = '\0';
	for (int i = first; i < sk_X509_num(chain); i++) {
		assert_true(X509_NAME_get_text_by_NID(
		    X509_get_subject_name(sk_X509_value(chain, i)), NID_commonName, name,
		    sizeof name) > 0);
		strcat(strcat(names, " "), name);
	}
	return names;
}

/* The chain of a file is as its owner made it; else it is what the other end may lack. */
static void
sends_what_leads_to_the_ca_and_no_root(void **state)
{
	static const struct {
		const char *certificate, *ca, *crl, *sent;
	} cases[] = {
	    {"client.crt", "ca.crt", NULL, ""},
	    {"client.crt", "deep-ca.crt", NULL, ""},
	    {"deep.crt", "deep-ca.crt", NULL, " middle CA"},
	    {"deep.crt", "ca.crt", NULL, ""},
	    {"deep.crt", "deep-ca.crt", "deep.crl", " middle CA"},
	    {"whole.crt", "ca.crt", NULL, " middle CA"},
	    {"whole.crt", "deep-ca.crt", NULL, " middle CA"},
	};
	struct tls *server = make(1, "server.crt", "server.key", "deep-ca.crt", "deep.crl");

	(void)state;
	join("whole.crt", "deep.crt", "mid.crt");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *key = cases[i].certificate[0] == 'c' ? "client.key" : "deep.key";
		struct tls *client =
		    make(0, cases[i].certificate, key, cases[i].ca, cases[i].crl);
		struct pair pair;

		assert_non_null(client);
		shake(&pair, server, tls_connection(client, 0, "cap.example"));
		assert_string_equal(chain_of(pair.server, 0), cases[i].sent);
		assert_string_equal(chain_of(pair.client, 1), "");
		part(&pair);
		tls_unref(client);
	}
	tls_unref(server);
}

/* Others send the root as well. */
static void
keeps_no_root_that_was_sent(void **state)
{
	struct tls *server = make(1, "server.crt", "server.key", "ca.crt", NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char path[128];
	struct pair pair;
	SSL *client;

	(void)state;
	snprintf(path, sizeof path, "%s/deep.key", dir);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof path, "%s/whole.crt", dir);
	join("whole.crt", "deep.crt", "deep-ca.crt");
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
	assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\7" PROTO_ALPN,
	    sizeof "\7" PROTO_ALPN - 1), 0);
	client = SSL_new(ctx);
	SSL_set_connect_state(client);
	shake(&pair, server, client);
	assert_string_equal(chain_of(pair.server, 0), " test CA middle CA");
	tls_peer_drop_roots(pair.server);
	assert_string_equal(chain_of(pair.server, 0), " middle CA");
	/* As after a reload: what is left will do. */
	assert_int_equal(tls_trusts(server, pair.server, &error), 0);
	part(&pair);
	SSL_CTX_free(ctx);
	tls_unref(server);
}

static void
gives_one_line_for_an_empty_queue(void **state)
{
	(void)state;
	tls_error_text(&error);
	assert_string_equal(error.text, "unknown error");
}

static int
setup(void **state)
{
	(void)state;
	certs_make_dir(dir);
	certs_write_set(dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	certs_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_sound_files),
	    cmocka_unit_test(names_the_file_that_is_missing),
	    cmocka_unit_test(says_what_a_file_lacks),
	    cmocka_unit_test(refuses_a_key_of_another_certificate),
	    cmocka_unit_test(refuses_a_key_that_others_can_read),
	    cmocka_unit_test(refuses_an_encrypted_key_and_asks_nobody),
	    cmocka_unit_test(refuses_a_certificate_out_of_its_time),
	    cmocka_unit_test(refuses_a_certificate_for_the_other_end),
	    cmocka_unit_test(tells_what_runs_out_first),
	    cmocka_unit_test(tells_what_time_mends),
	    cmocka_unit_test(refuses_a_crl_that_is_old_or_another_ca_s),
	    cmocka_unit_test(wants_a_name_at_the_client_and_none_at_the_server),
	    cmocka_unit_test(sends_what_leads_to_the_ca_and_no_root),
	    cmocka_unit_test(keeps_no_root_that_was_sent),
	    cmocka_unit_test(gives_one_line_for_an_empty_queue),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
