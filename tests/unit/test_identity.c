/* SPDX-License-Identifier: ISC */
/* One name or a refusal: every odd certificate of inbox-protocol(7), "Transport". */
#include "lib/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "certs.h"

static EVP_PKEY *key;
static char identity[IDENTITY_MAX + 1];
static struct why error;

static int
look(const struct cert_spec *spec, enum identity_kind kind)
{
	X509 *cert = certs_make(spec, key, NULL, NULL);
	int rc;

	memset(identity, 'x', sizeof(identity));
	rc = identity_from_certificate(cert, kind, identity, &error);
	X509_free(cert);
	/* Either an identity or a reason, never both. */
	assert_int_equal(rc == 0, identity[0] != '\0');
	assert_int_equal(rc == 0, error.text[0] == '\0');
	return rc;
}

static void
gives(const struct cert_spec *spec, enum identity_kind kind, const char *expected)
{
	if (look(spec, kind) == -1)
		fail_msg("refused: %s", error.text);
	assert_string_equal(identity, expected);
}

static void
refuses(const struct cert_spec *spec, enum identity_kind kind, const char *reason)
{
	if (look(spec, kind) == 0)
		fail_msg("took %s", identity);
	if (strstr(error.text, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
}

static void
takes_the_one_dns_or_uri_name(void **state)
{
	(void)state;
	gives(&(struct cert_spec){.cn = {"other"}, .eku = "clientAuth",
	    .names = {{GEN_DNS, "pc17.example", 0}}}, IDENTITY_SAN, "pc17.example");
	gives(&(struct cert_spec){.eku = "serverAuth,clientAuth",
	    .names = {{GEN_URI, "urn:uuid:1-2", 0}}}, IDENTITY_SAN, "urn:uuid:1-2");
	gives(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_EMAIL, "a@example", 0}, {GEN_DNS, "pc17", 0},
	        {GEN_IPADD, "\x7f\0\0\1", 4}}}, IDENTITY_SAN, "pc17");
}

static void
refuses_none_and_more_than_one_name(void **state)
{
	(void)state;
	refuses(&(struct cert_spec){.cn = {"c1"}, .eku = "clientAuth"}, IDENTITY_SAN,
	    "no subjectAltName");
	refuses(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_EMAIL, "a@example", 0}}}, IDENTITY_SAN, "no subjectAltName");
	refuses(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_DNS, "c1", 0}, {GEN_DNS, "c2", 0}}}, IDENTITY_SAN, "more than one");
	refuses(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_DNS, "c1", 0}, {GEN_URI, "c1", 0}}}, IDENTITY_SAN, "more than one");
	refuses(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_DNS, "c1", 0}, {GEN_DNS, "c1", 0}}}, IDENTITY_SAN, "more than one");
}

static void
refuses_bytes_that_are_not_plain(void **state)
{
	char name[] = "pc?17";

	(void)state;
	for (int c = 0; c < 256; c++) {
		struct cert_spec spec = {.eku = "clientAuth", .names = {{GEN_DNS, name, 5}}};

		name[2] = (char)c;
		if (c >= 0x21 && c <= 0x7e)
			gives(&spec, IDENTITY_SAN, name);
		else
			refuses(&spec, IDENTITY_SAN, "byte");
	}
	refuses(&(struct cert_spec){.eku = "clientAuth",
	    .names = {{GEN_DNS, "admin\0.example", 14}}}, IDENTITY_SAN, "byte");
	refuses(&(struct cert_spec){.eku = "clientAuth", .names = {{GEN_DNS, "admin\0", 6}}},
	    IDENTITY_SAN, "byte");
}

static void
refuses_an_empty_and_an_over_long_name(void **state)
{
	char longest[257];

	(void)state;
	memset(longest, 'c', 256);
	longest[256] = '\0';
	refuses(&(struct cert_spec){.eku = "clientAuth", .names = {{GEN_DNS, longest, 0}}},
	    IDENTITY_SAN, "255");
	longest[255] = '\0';
	gives(&(struct cert_spec){.eku = "clientAuth", .names = {{GEN_DNS, longest, 0}}},
	    IDENTITY_SAN, longest);
	refuses(&(struct cert_spec){.eku = "clientAuth", .names = {{GEN_DNS, "", 0}}},
	    IDENTITY_SAN, "empty");
}

static void
refuses_a_certificate_that_is_not_for_clients(void **state)
{
	(void)state;
	refuses(&(struct cert_spec){.names = {{GEN_DNS, "c1", 0}}}, IDENTITY_SAN, "clientAuth");
	refuses(&(struct cert_spec){.eku = "serverAuth", .names = {{GEN_DNS, "c1", 0}}},
	    IDENTITY_SAN, "clientAuth");
	refuses(&(struct cert_spec){.eku = "anyExtendedKeyUsage", .names = {{GEN_DNS, "c1", 0}}},
	    IDENTITY_SAN, "clientAuth");
	refuses(&(struct cert_spec){.cn = {"c1"}}, IDENTITY_CN, "clientAuth");
}

static void
refuses_a_ca(void **state)
{
	(void)state;
	refuses(&(struct cert_spec){.ca = 1, .eku = "clientAuth", .names = {{GEN_DNS, "c1", 0}}},
	    IDENTITY_SAN, "CA");
	refuses(&(struct cert_spec){.ca = 1, .cn = {"c1"}, .eku = "clientAuth"}, IDENTITY_CN,
	    "CA");
}

static void
refuses_a_second_extension_and_a_malformed_one(void **state)
{
	static const struct cert_spec spec = {.eku = "clientAuth", .names = {{GEN_DNS, "c1", 0}}};
	X509 *cert = certs_make(&spec, key, NULL, NULL);
	X509_EXTENSION *ext;
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();

	(void)state;
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:c2");
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(identity_from_certificate(cert, IDENTITY_SAN, identity, &error), -1);
	X509_EXTENSION_free(ext);
	X509_free(cert);

	cert = certs_make(&(struct cert_spec){.eku = "clientAuth"}, key, NULL, NULL);
	assert_int_equal(ASN1_OCTET_STRING_set(junk, (const unsigned char *)"\x30\x7f" "c", 3), 1);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(identity_from_certificate(cert, IDENTITY_SAN, identity, &error), -1);
	assert_non_null(strstr(error.text, "malformed"));
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(junk);
	X509_free(cert);
}

static void
takes_the_one_common_name_where_set(void **state)
{
	(void)state;
	gives(&(struct cert_spec){.cn = {"c1"}, .eku = "clientAuth",
	    .names = {{GEN_DNS, "other", 0}, {GEN_DNS, "names", 0}}}, IDENTITY_CN, "c1");
	refuses(&(struct cert_spec){.cn = {"c1", "c2"}, .eku = "clientAuth"}, IDENTITY_CN,
	    "more than one");
	refuses(&(struct cert_spec){.eku = "clientAuth", .names = {{GEN_DNS, "c1", 0}}},
	    IDENTITY_CN, "no common name");
	refuses(&(struct cert_spec){.cn = {"my pc"}, .eku = "clientAuth"}, IDENTITY_CN, "byte");
	refuses(&(struct cert_spec){.cn = {"p\xc3\xb6"}, .eku = "clientAuth"}, IDENTITY_CN,
	    "byte");
}

static void
refuses_no_certificate(void **state)
{
	(void)state;
	assert_int_equal(identity_from_certificate(NULL, IDENTITY_SAN, identity, &error), -1);
	assert_string_equal(identity, "");
	assert_string_equal(error.text, "there is no certificate");
}

static int
setup(void **state)
{
	(void)state;
	key = certs_key();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_the_one_dns_or_uri_name),
	    cmocka_unit_test(refuses_none_and_more_than_one_name),
	    cmocka_unit_test(refuses_bytes_that_are_not_plain),
	    cmocka_unit_test(refuses_an_empty_and_an_over_long_name),
	    cmocka_unit_test(refuses_a_certificate_that_is_not_for_clients),
	    cmocka_unit_test(refuses_a_ca),
	    cmocka_unit_test(refuses_a_second_extension_and_a_malformed_one),
	    cmocka_unit_test(takes_the_one_common_name_where_set),
	    cmocka_unit_test(refuses_no_certificate),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
