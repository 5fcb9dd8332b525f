/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/tls_words.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/escape.h"

#define NAMES_ROOM 256 /* bytes of all the names of a certificate */

static void
take_text(BIO *bio, char *text, size_t room)
{
	int len = bio ? BIO_read(bio, text, (int)room - 1) : 0;

	text[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
}

void
tls_name_text(const X509_NAME *name, char text[TLS_NAME_ROOM])
{
	BIO *bio = BIO_new(BIO_s_mem());

	/* RFC 2253's order would be from the end. */
	if (bio)
		(void)X509_NAME_print_ex(
		    bio, name, 0, XN_FLAG_ONELINE | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB);
	take_text(bio, text, TLS_NAME_ROOM);
}

void
tls_date_text(const ASN1_TIME *date, char text[TLS_DATE_ROOM])
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio && (!date || ASN1_TIME_print(bio, date) != 1))
		(void)BIO_puts(bio, "a date that cannot be read");
	take_text(bio, text, TLS_DATE_ROOM);
}

/* ---- verdicts */

struct names {
	char text[NAMES_ROOM];
	size_t len;
};

/* What does not fit is left out, which the text tells. */
static void
add_name(struct names *names, const void *bytes, size_t len)
{
	char one[ESCAPE_ROOM(64)];
	int added;

	escape_bytes(one, sizeof one, bytes, len);
	if (names->len >= NAMES_ROOM - 8 || names->len + strlen(one) >= NAMES_ROOM - 8) {
		if (names->len < NAMES_ROOM - 8)
			snprintf(names->text + names->len, NAMES_ROOM - names->len, ", ...");
		names->len = NAMES_ROOM;
		return;
	}
	added = snprintf(names->text + names->len, NAMES_ROOM - names->len, "%s%s",
	    names->len ? ", " : "", one);
	names->len += (size_t)added;
}

static void
add_address(struct names *names, const ASN1_OCTET_STRING *address)
{
	int len = ASN1_STRING_length(address);
	char text[INET6_ADDRSTRLEN];

	if ((len == 4 || len == 16) && inet_ntop(len == 4 ? AF_INET : AF_INET6,
	                                   ASN1_STRING_get0_data(address), text, sizeof text))
		add_name(names, text, strlen(text));
}

/* The names and addresses that a certificate proves, in one line. */
static void
list_names(X509 *certificate, struct names *names)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	names->len = 0;
	names->text[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type == GEN_DNS)
			add_name(names, ASN1_STRING_get0_data(name->d.dNSName),
			    (size_t)ASN1_STRING_length(name->d.dNSName));
		else if (name->type == GEN_IPADD)
			add_address(names, name->d.iPAddress);
	}
	GENERAL_NAMES_free(all);
	if (names->len == 0)
		snprintf(names->text, NAMES_ROOM, "none (subjectAltName, DNS or IP)");
}

static void
tell_mismatch(X509_STORE_CTX *check, X509 *certificate, char *text, size_t room)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
	const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
	char *address = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(param);
	struct names names;

	list_names(certificate, &names);
	snprintf(text, room, "%s: wanted %.100s, the certificate's names: %s",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)),
	    host ? host : address ? address : "another", names.text);
	OPENSSL_free(address);
}

static void
tell_revoked(X509_STORE_CTX *check, X509 *certificate, const char *subject, char *text,
    size_t room)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(check);
	X509_REVOKED *entry = NULL;
	char date[TLS_DATE_ROOM] = "a date not told";

	if (crl && X509_CRL_get0_by_cert(crl, &entry, certificate) != 0 && entry)
		tls_date_text(X509_REVOKED_get0_revocationDate(entry), date);
	snprintf(text, room, "certificate revoked: %s, on %s", subject, date);
}

/* Is it we who serve? */
static int
is_server(X509_STORE_CTX *check)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx());

	return ssl && SSL_is_server(ssl);
}

/* What the verdict is about, where it is about a certificate. */
static void
tell(X509_STORE_CTX *check, X509 *certificate, char *text, size_t room)
{
	char subject[TLS_NAME_ROOM], issuer[TLS_NAME_ROOM], date[TLS_DATE_ROOM];
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(check);
	int error = X509_STORE_CTX_get_error(check);
	const char *reason = X509_verify_cert_error_string(error);

	tls_name_text(X509_get_subject_name(certificate), subject);
	tls_name_text(X509_get_issuer_name(certificate), issuer);
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		tls_date_text(X509_get0_notAfter(certificate), date);
		snprintf(text, room, "%s: %s was valid until %s", reason, subject, date);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		tls_date_text(X509_get0_notBefore(certificate), date);
		snprintf(text, room, "%s: %s is not valid before %s; is this machine's clock "
		    "right?", reason, subject, date);
		break;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		tls_date_text(crl ? X509_CRL_get0_nextUpdate(crl) : NULL, date);
		snprintf(text, room, "%s: the list of %s was valid until %s", reason, issuer, date);
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		snprintf(text, room, "%s: there is none of %s", reason, issuer);
		break;
	case X509_V_ERR_CERT_REVOKED:
		tell_revoked(check, certificate, subject, text, room);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(text, room, "%s: %s is signed by %s, which is not in ca, nor was it sent",
		    reason, subject, issuer);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(text, room, "%s: %s has signed itself, and is not in ca", reason, subject);
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		snprintf(text, room, "%s: its chain ends at %s, which is not in ca", reason,
		    subject);
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		snprintf(text, room, "%s: %s is not for %s", reason, subject, is_server(check)
		    ? "a client (extended key usage clientAuth)"
		    : "a server (extended key usage serverAuth)");
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		tell_mismatch(check, certificate, text, room);
		break;
	default:
		snprintf(text, room, "%s: %s", reason, subject);
	}
}

void
tls_words_verdict(X509_STORE_CTX *check, char *text, size_t room)
{
	X509 *certificate = X509_STORE_CTX_get_current_cert(check);

	if (certificate)
		tell(check, certificate, text, room);
	else
		snprintf(text, room, "%s",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
	ERR_clear_error();
}

void
tls_error_text(struct why *error)
{
	/* The oldest error is the cause, the later ones say who passed it on. */
	const char *data = NULL, *reason;
	int flags = 0;
	unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);

	if (code == 0) {
		why_say(error, "unknown error");
		return;
	}
	reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) :
	    ERR_reason_error_string(code);
	if (!(flags & ERR_TXT_STRING) || !data)
		data = "";
	why_say(error, data[0] != '\0' ? "%s (%s)" : "%s%s",
	    reason ? reason : "unknown reason", data);
	ERR_clear_error();
}

/* ---- alerts (RFC 8446, section 6.2), as they are meant by who sends them */

static const struct {
	int alert;
	const char *name, *meaning;
	int is_ours; /* about our certificate */
} alerts[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "handshake failure",
        "there is no cipher, or the like, that both ends take", 0},
    {SSL_AD_BAD_CERTIFICATE, "bad certificate",
        "our certificate is not sound to it, or not valid yet by its clock", 1},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported certificate",
        "our certificate is not for this purpose", 1},
    {SSL_AD_CERTIFICATE_REVOKED, "certificate revoked",
        "our certificate is on its CA's list of revoked ones", 1},
    {SSL_AD_CERTIFICATE_EXPIRED, "certificate expired",
        "our certificate has run out by its clock", 1},
    {SSL_AD_CERTIFICATE_UNKNOWN, "certificate unknown",
        "it does not take our certificate, for some other reason", 1},
    {SSL_AD_UNKNOWN_CA, "unknown ca", "it does not know who signed our certificate", 1},
    {SSL_AD_ACCESS_DENIED, "access denied",
        "it believes our certificate, but does not let us in", 1},
    {SSL_AD_DECRYPT_ERROR, "decrypt error", "a signature of ours is not right to it", 1},
    {SSL_AD_PROTOCOL_VERSION, "protocol version",
        "there is no version of TLS that both ends take ([tls] minimum)", 0},
    {SSL_AD_INSUFFICIENT_SECURITY, "insufficient security", "our ciphers are too weak for it", 0},
    {SSL_AD_INTERNAL_ERROR, "internal error",
        "it has a trouble of its own, as a list of revoked certificates that has run out", 0},
    {SSL_AD_UNRECOGNIZED_NAME, "unrecognized name", "it is no server of that name", 0},
    {SSL_AD_CERTIFICATE_REQUIRED, "certificate required", "it wants a certificate, and got none",
        1},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "no application protocol",
        "it speaks TLS, but not our protocol", 0},
};

/* Ours, as it may be seen from there. */
static void
add_ours(const SSL *ssl, struct why *why)
{
	X509 *ours = SSL_get_certificate(ssl);
	char subject[TLS_NAME_ROOM], issuer[TLS_NAME_ROOM], date[TLS_DATE_ROOM];

	if (!ours)
		return;
	tls_name_text(X509_get_subject_name(ours), subject);
	tls_name_text(X509_get_issuer_name(ours), issuer);
	tls_date_text(X509_get0_notAfter(ours), date);
	(void)why_say(why, "%s (ours: %s, signed by %s, valid until %s)", why->text, subject,
	    issuer, date);
}

static void
tell_alert(const SSL *ssl, int alert, struct why *why)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
		if (alerts[i].alert != alert)
			continue;
		(void)why_say(why, "alert %s: %s", alerts[i].name, alerts[i].meaning);
		if (alerts[i].is_ours)
			add_ours(ssl, why);
		return;
	}
	(void)why_say(why, "alert %s of the peer", SSL_alert_desc_string_long(alert));
}

void
tls_words_error(const SSL *ssl, struct why *why)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

	if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
		tell_alert(ssl, reason - SSL_AD_REASON_OFFSET, why);
		ERR_clear_error();
		return;
	}
	tls_error_text(why);
	switch (reason) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		(void)why_say(why, "%s: the peer does not speak TLS", why->text);
		break;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_WRONG_SSL_VERSION:
		(void)why_say(why, "%s: there is no version of TLS that both ends take "
		    "([tls] minimum)", why->text);
		break;
	default:
		break;
	}
}
