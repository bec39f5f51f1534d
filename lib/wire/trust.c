/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on a peer: chain and host name, or the fingerprint, and in words why it was refused. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "wire/wire_priv.h"

#define DATE_LEN 40

static void fingerprint_spell(const unsigned char digest[32], char ret[96])
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < 32; i++) {
        ret[i * 3] = hex[digest[i] >> 4];
        ret[i * 3 + 1] = hex[digest[i] & 15];
        ret[i * 3 + 2] = ':';
    }
    ret[95] = '\0';
}

static void date_spell(const ASN1_TIME *when, char ret[DATE_LEN])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = 0;

    if (bio && when && ASN1_TIME_print(bio, when))
        n = BIO_read(bio, ret, DATE_LEN - 1);
    ret[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

/* An administrator meets these texts first: each says what to do about it. */
static void trust_explain(struct tns_trust *trust, X509_STORE_CTX *store, int why)
{
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    const char *peer = trust->peer->label;
    struct tns_error *err = &trust->error;
    char date[DATE_LEN] = "";

    switch (why) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        date_spell(cert ? X509_get0_notAfter(cert) : NULL, date);
        tns__error_set(
            err, TNS_E_TLS,
            "the certificate of %s expired on %s: renew it, or check the clock of this "
            "node",
            peer, date);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date_spell(cert ? X509_get0_notBefore(cert) : NULL, date);
        tns__error_set(
            err, TNS_E_TLS,
            "the certificate of %s is not valid before %s: check the clock of this node "
            "and of the NAS",
            peer, date);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        tns__error_set(
            err, TNS_E_TLS,
            "the certificate of %s is not for host %s: use a name that it holds, or set "
            "the fingerprint %s if it is the right one",
            peer, trust->peer->host, trust->fingerprint);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        tns__error_set(
            err, TNS_E_TLS,
            "the certificate of %s is self-signed: set the fingerprint %s if it is the "
            "right one",
            peer, trust->fingerprint);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        tns__error_set(
            err, TNS_E_TLS,
            "the certificate of %s is issued by nobody this node trusts: set a CA file, "
            "or the fingerprint %s if it is the right one",
            peer, trust->fingerprint);
        break;
    default:
        tns__error_set(err, TNS_E_TLS, "the certificate of %s is refused: %s", peer,
                       X509_verify_cert_error_string(why));
        break;
    }
}

static bool trust_by_fingerprint(struct tns_trust *trust, const unsigned char digest[32])
{
    const struct tns_peer *peer = trust->peer;

    for (size_t i = 0; i < peer->n_fingerprints; i++)
        if (memcmp(peer->fingerprints[i], digest, 32) == 0)
            return true;
    tns__error_set(
        &trust->error, TNS_E_TLS,
        "the certificate of %s has the fingerprint %s, which is not the configured one",
        peer->label, trust->fingerprint);
    return false;
}

static bool trust_by_chain(struct tns_trust *trust, X509_STORE_CTX *store)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    const char *host = trust->peer->host;

    /* The host is set here, not by libwebsockets, which cuts it at the first colon. */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, host) &&
        !X509_VERIFY_PARAM_set1_host(param, host, 0)) {
        tns__error_nomem(&trust->error);
        return false;
    }
    if (X509_verify_cert(store) == 1)
        return true;
    trust_explain(trust, store, X509_STORE_CTX_get_error(store));
    return false;
}

/* libwebsockets has a callback of its own, with flags that overrule: here nothing is overruled. */
static int trust_no_overrule(int ok, X509_STORE_CTX *store)
{
    (void)store;
    return ok;
}

/* Takes the place of OpenSSL's own verification (SSL_CTX_set_cert_verify_callback). */
static int trust_judge(X509_STORE_CTX *store, void *arg)
{
    struct tns_trust *trust = arg;
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    trust->accepted = false;
    if (!leaf || !X509_digest(leaf, EVP_sha256(), digest, &len) || len != 32) {
        tns__error_set(&trust->error, TNS_E_TLS, "%s shows no usable certificate",
                       trust->peer->label);
        return 0;
    }
    fingerprint_spell(digest, trust->fingerprint);
    X509_STORE_CTX_set_verify_cb(store, trust_no_overrule);

    if (trust->peer->n_fingerprints > 0)
        trust->accepted = trust_by_fingerprint(trust, digest);
    else
        trust->accepted = trust->peer->insecure || trust_by_chain(trust, store);

    if (trust->accepted)
        X509_STORE_CTX_set_error(store, X509_V_OK);
    else if (X509_STORE_CTX_get_error(store) == X509_V_OK)
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return trust->accepted;
}

static void trust_note_failure(struct tns_trust *trust, unsigned long code)
{
    const char *peer = trust->peer->label;
    const char *reason = ERR_reason_error_string(code);

    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        tns__error_set(&trust->error, TNS_E_TLS,
                       "%s does not speak TLS: check the port and the scheme", peer);
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        tns__error_set(&trust->error, TNS_E_TLS, "%s offers nothing newer than TLS 1.1",
                       peer);
        break;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        tns__error_set(&trust->error, TNS_E_TRANSPORT,
                       "%s closed the connection during the TLS handshake", peer);
        trust->error.flags |= TNS_F_RETRYABLE;
        break;
    default:
        tns__error_set(&trust->error, TNS_E_TLS, "TLS handshake with %s: %s", peer,
                       reason ? reason : "failed");
        break;
    }
}

/* A number of our own: the usual ones are libwebsockets'. */
static int trust_index;
static pthread_once_t trust_index_once = PTHREAD_ONCE_INIT;

static void trust_take_index(void)
{
    trust_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* libwebsockets reports no cause of a failed handshake: here it is still in OpenSSL's queue. */
static void trust_watch(const SSL *ssl, int where, int ret)
{
    struct tns_trust *trust = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), trust_index);
    unsigned long code;

    if (!trust)
        return;
    if (where & SSL_CB_HANDSHAKE_START)
        trust->started = true;
    if (!(where & SSL_CB_EXIT) || ret > 0)
        return;
    code = ERR_peek_last_error();
    if (code)
        trust_note_failure(trust, code);
}

static int trust_load_roots(const struct tns_peer *peer, SSL_CTX *ssl_ctx,
                            struct tns_error *err)
{
    if (peer->n_fingerprints > 0 || peer->insecure)
        return 0;
    if (peer->ca_file && SSL_CTX_load_verify_file(ssl_ctx, peer->ca_file) != 1) {
        ERR_clear_error();
        return tns__error_set(err, TNS_E_CONFIG, "CA file %s holds no usable certificate",
                              peer->ca_file);
    }
    /* Debian's hashed directory: only the root that is needed is read, which saves 25 ms. */
    if (!peer->ca_file && SSL_CTX_set_default_verify_paths(ssl_ctx) != 1) {
        ERR_clear_error();
        return tns__error_nomem(err);
    }
    return 0;
}

int tns__trust_new(struct tns_trust *trust, SSL_CTX **ret, struct tns_error *err)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_client_method());
    int rc;

    pthread_once(&trust_index_once, trust_take_index);
    if (!ssl_ctx || trust_index < 0 ||
        SSL_CTX_set_ex_data(ssl_ctx, trust_index, trust) != 1 ||
        SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ssl_ctx);
        return tns__error_nomem(err);
    }
    SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* How libwebsockets writes: again from another buffer, and content with a part. */
    SSL_CTX_set_mode(ssl_ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_info_callback(ssl_ctx, trust_watch);
    SSL_CTX_set_cert_verify_callback(ssl_ctx, trust_judge, trust);
    rc = trust_load_roots(trust->peer, ssl_ctx, err);
    if (rc < 0)
        SSL_CTX_free(ssl_ctx);
    else
        *ret = ssl_ctx;
    return rc;
}
