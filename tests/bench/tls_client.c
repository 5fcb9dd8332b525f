/* SPDX-License-Identifier: ISC */
/*
 * Fresh TLS connections, as fast as a server takes them, by clients with certificates of their
 * own: so many identities, made here, in turn.
 *
 * usage: tls_client PORT CA CAKEY IDENTITIES PARALLEL COUNT WHAT
 *
 * WHAT: shake   the handshake, then close_notify
 *       resume  the same; each but the first PARALLEL takes up the session of one before
 *       hello   the handshake, HELLO, READY, QUIT, BYE
 *       hold    the handshake, HELLO, READY; all are kept until the standard input ends
 *
 * Each connection is over when the server has closed it, so that all that it costs is counted.
 * Prints "<seconds> <of COUNT, resumed>"; hold: this once all are open, and they close then.  It
 * trusts any server: its own processor time is not what is measured.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum what { SHAKE, RESUME, HELLO, HOLD, WHATS };
static const char *const words[WHATS] = {"shake", "resume", "hello", "hold"};

struct run {
	struct event_base *base;
	SSL_CTX *ctx;
	in_port_t port;
	enum what what;
	int identities, parallel, count;
	X509 **certificates;
	EVP_PKEY *key; /* of them all */
	SSL_SESSION *session; /* of the last one */
	struct link *links;   /* `parallel` of them, hold: `count`; each is a queue of its own */
	int begun, over, resumed;
};

struct link {
	struct run *run;
	struct event *event;
	SSL *ssl;
	int number, said, is_over;
};

static void
die(const char *what)
{
	fprintf(stderr, "tls_client: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- certificates like those of contrib/pki */

static void
add_extension(X509 *certificate, X509 *ca, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, ca, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!extension || X509_add_ext(certificate, extension, -1) != 1)
		die("extension");
	X509_EXTENSION_free(extension);
}

static X509 *
make_certificate(int number, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
	X509 *certificate = X509_new();
	char name[64], san[80];

	snprintf(name, sizeof name, "c%d-%d.bench.example.org", (int)getpid(), number);
	snprintf(san, sizeof san, "DNS:%s", name);
	if (!certificate || X509_set_version(certificate, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(certificate), number + 1000L) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) ||
	    !X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) ||
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
	        (const unsigned char *)name, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(certificate, X509_get_subject_name(ca)) != 1 ||
	    X509_set_pubkey(certificate, key) != 1)
		die("certificate");
	add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature");
	add_extension(certificate, ca, NID_ext_key_usage, "clientAuth");
	add_extension(certificate, ca, NID_subject_alt_name, san);
	add_extension(certificate, ca, NID_subject_key_identifier, "hash");
	add_extension(certificate, ca, NID_authority_key_identifier, "keyid");
	if (X509_sign(certificate, ca_key, EVP_sha256()) <= 0)
		die("certificate");
	return certificate;
}

static void
make_certificates(struct run *run, const char *ca_file, const char *key_file)
{
	FILE *ca_in = fopen(ca_file, "r"), *key_in = fopen(key_file, "r");
	X509 *ca = ca_in ? PEM_read_X509(ca_in, NULL, NULL, NULL) : NULL;
	EVP_PKEY *ca_key = key_in ? PEM_read_PrivateKey(key_in, NULL, NULL, NULL) : NULL;

	run->key = EVP_EC_gen("P-256");
	run->certificates = calloc((size_t)run->identities, sizeof(X509 *));
	if (!ca || !ca_key || !run->key || !run->certificates)
		die(ca_file);
	for (int i = 0; i < run->identities; i++)
		run->certificates[i] = make_certificate(i, run->key, ca, ca_key);
	fclose(ca_in);
	fclose(key_in);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}

/* ---- connections */

static void begin(struct link *link);

static void
end(struct link *link)
{
	struct run *run = link->run;
	int fd = SSL_get_fd(link->ssl);

	if (!link->is_over)
		die("a connection was cut off");
	run->resumed += SSL_session_reused(link->ssl);
	event_free(link->event);
	SSL_free(link->ssl);
	close(fd);
	if (++run->over == run->count)
		event_base_loopbreak(run->base);
	else if (run->begun < run->count)
		begin(link);
}

/* What is said next, once the answer to what was said has come. */
static void
say(struct link *link)
{
	struct run *run = link->run;
	char line[128];
	int len = 0;

	if (run->what == HOLD && link->said == 1) {
		link->said++;
		if (++run->over == run->count)
			event_base_loopbreak(run->base);
		else if (run->begun < run->count)
			begin(&run->links[run->begun]);
	} else if (run->what >= HELLO && link->said < 2) {
		len = link->said++ ? snprintf(line, sizeof line, "QUIT\n")
		    : snprintf(line, sizeof line, "HELLO 1 %016x%016x 1\n", (unsigned)getpid(),
		          (unsigned)(link - run->links));
		if (SSL_write(link->ssl, line, len) != len)
			die("write");
	} else if (run->what < HELLO) {
		link->is_over = 1;
		(void)SSL_shutdown(link->ssl);
		(void)shutdown(SSL_get_fd(link->ssl), SHUT_WR);
	}
}

static void
on_link(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	char line[2048];
	int n = 1, why;

	(void)fd;
	if (what & EV_TIMEOUT)
		die("a connection took more than a minute");
	ERR_clear_error();
	if (!SSL_is_init_finished(link->ssl)) {
		n = SSL_do_handshake(link->ssl);
		if (n == 1)
			say(link);
	}
	while (n > 0) {
		n = SSL_read(link->ssl, line, sizeof line);
		if (n > 0 && link->run->what >= HELLO) {
			link->is_over = strncmp(line, "BYE\n", 4) == 0;
			if (!link->is_over && strncmp(line, "READY ", 6) != 0)
				die("an answer that is neither READY nor BYE");
			if (!link->is_over)
				say(link);
		}
	}
	why = SSL_get_error(link->ssl, n);
	if (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) !=
	    SSL_R_UNEXPECTED_EOF_WHILE_READING)
		die("TLS");
	if (why != SSL_ERROR_WANT_READ)
		end(link);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct link *link = SSL_get_app_data(ssl);

	SSL_SESSION_free(link->run->session);
	link->run->session = session;
	return 1;
}

static void
begin(struct link *link)
{
	static const struct timeval minute = {60, 0};
	struct run *run = link->run;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = run->port};
	int number = run->begun++, on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*link = (struct link){.run = run, .number = number, .ssl = SSL_new(run->ctx)};
	link->event = event_new(run->base, fd, EV_READ | EV_PERSIST, on_link, link);
	if (!link->ssl || !link->event || event_add(link->event, &minute) == -1 ||
	    SSL_set_fd(link->ssl, fd) != 1 ||
	    SSL_use_certificate(link->ssl, run->certificates[number % run->identities]) != 1 ||
	    SSL_use_PrivateKey(link->ssl, run->key) != 1)
		die("connection");
	(void)SSL_set_app_data(link->ssl, link);
	SSL_set_connect_state(link->ssl);
	if (run->session && SSL_set_session(link->ssl, run->session) != 1)
		die("session");
	if (SSL_do_handshake(link->ssl) == 1)
		say(link);
}

static void
make_context(struct run *run)
{
	static const unsigned char alpn[] = "\007inbox/1";

	run->base = event_base_new();
	run->ctx = SSL_CTX_new(TLS_client_method());
	if (!run->base || !run->ctx ||
	    SSL_CTX_set_min_proto_version(run->ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(run->ctx, alpn, sizeof alpn - 1) != 0)
		die("context");
	SSL_CTX_set_mode(run->ctx, SSL_MODE_RELEASE_BUFFERS);
	if (run->what != RESUME)
		return;
	(void)SSL_CTX_set_session_cache_mode(run->ctx,
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(run->ctx, on_session);
}

static int
read_arguments(struct run *run, int argc, char **argv)
{
	int what = 0;

	if (argc != 8)
		return -1;
	run->port = htons((in_port_t)atoi(argv[1]));
	run->identities = atoi(argv[4]);
	run->parallel = atoi(argv[5]);
	run->count = atoi(argv[6]);
	while (what < WHATS && strcmp(argv[7], words[what]) != 0)
		what++;
	run->what = (enum what)what;
	return what < WHATS && run->identities > 0 && run->parallel > 0 &&
	    run->count >= run->parallel ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct run run = {.count = 0};
	double start;

	if (read_arguments(&run, argc, argv) == -1) {
		fprintf(stderr, "usage: tls_client PORT CA CAKEY IDENTITIES PARALLEL COUNT WHAT\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	make_certificates(&run, argv[2], argv[3]);
	make_context(&run);
	run.links = calloc((size_t)run.count, sizeof *run.links);
	if (!run.links)
		die("start");
	for (int i = 0; i < run.count; i++)
		run.links[i].run = &run;
	start = now();
	for (int i = 0; i < run.parallel; i++)
		begin(&run.links[i]);
	event_base_dispatch(run.base);
	printf("%.6f %d\n", now() - start, run.resumed);
	fflush(stdout);
	while (run.what == HOLD && getchar() != EOF) {}
	return 0;
}
