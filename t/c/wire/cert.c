/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made when they are needed: good ones and each kind of bad one. */
#include "wire/cert.h"

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAY 86400L

static void add_name(X509_NAME *name, const char *cn)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)cn, -1, -1, 0),
                     1);
}

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *new_cert(EVP_PKEY *key, const char *cn, long from, long to)
{
    static long serial = 1;
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), to);
    X509_set_pubkey(cert, key);
    add_name(X509_get_subject_name(cert), cn);
    return cert;
}

static void write_pem(const X509 *cert, char path[64])
{
    int fd;
    FILE *f;

    strcpy(path, "/tmp/tns-ca-XXXXXX");
    fd = mkstemp(path);
    f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(PEM_write_X509(f, cert), 1);
    fclose(f);
}

static void spell_fingerprint(const X509 *cert, char ret[96])
{
    unsigned char md[32];

    ck_assert_int_eq(X509_digest(cert, EVP_sha256(), md, NULL), 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(ret + i * 3, 4, "%02X%s", md[i], i < 31 ? ":" : "");
}

static const char *names_of(enum srv_cert kind)
{
    if (kind == SRV_OTHER_HOST)
        return "DNS:nas.example";
    return kind == SRV_PARTIAL ? "DNS:n*.tns.example" : "DNS:localhost,IP:127.0.0.1,IP:::1";
}

void cert_make(enum srv_cert kind, struct cert *ret)
{
    long from = kind == SRV_NOT_YET ? DAY : kind == SRV_EXPIRED ? -2 * DAY : -DAY;
    long to = kind == SRV_EXPIRED ? -DAY : 10 * DAY;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *ca = new_cert(ca_key, "tnstor test CA", -DAY, 10 * DAY);

    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    add_ext(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    ck_assert_int_ne(X509_sign(ca, ca_key, EVP_sha256()), 0);

    ret->key = EVP_EC_gen("P-256");
    ret->cert = new_cert(ret->key, "nas", from, to);
    add_ext(ret->cert, ca, NID_subject_alt_name, names_of(kind));
    X509_set_issuer_name(ret->cert,
                         X509_get_subject_name(kind == SRV_SELF_SIGNED ? ret->cert : ca));
    ck_assert_int_ne(X509_sign(ret->cert, kind == SRV_SELF_SIGNED ? ret->key : ca_key,
                               EVP_sha256()),
                     0);

    write_pem(ca, ret->ca_file);
    spell_fingerprint(ret->cert, ret->fingerprint);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

void cert_free(struct cert *cert)
{
    unlink(cert->ca_file);
    X509_free(cert->cert);
    EVP_PKEY_free(cert->key);
}
