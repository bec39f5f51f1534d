/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM-SHA-512 messages (RFC 5802) with an API key: the user name carries the number of the key. */
#include "session/scram_priv.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* "n,,": no channel binding, no other identity to act for; and its base64. */
#define GS2_HEADER "n,,"
#define GS2_BASE64 "biws"

/* The least that RFC 5802 allows (the secret is random, not a password), the most that a NAS takes. */
#define ITERATIONS_MIN 4096u
#define ITERATIONS_MAX 5000000u
#define SALT_MAX 256
#define NONCE_TEXT_MAX 256

static void to_base64(const unsigned char *bytes, size_t len, char *ret)
{
    EVP_EncodeBlock((unsigned char *)ret, bytes, (int)len);
}

/* Bytes of a base64 word of text_len characters; -1 when it is none, or longer than cap. */
static int from_base64(const char *text, size_t text_len, unsigned char *ret, size_t cap)
{
    unsigned char padded[NONCE_TEXT_MAX + SALT_MAX * 2];
    int n, pad = 0;

    if (text_len == 0 || text_len % 4 || text_len > sizeof padded)
        return -1;
    while (pad < 2 && text[text_len - 1 - (size_t)pad] == '=')
        pad++;
    n = EVP_DecodeBlock(padded, (const unsigned char *)text, (int)text_len);
    if (n < pad || (size_t)(n - pad) > cap)
        return -1;
    memcpy(ret, padded, (size_t)(n - pad));
    return n - pad;
}

int tns__scram_first(struct tns_scram *sc, const char *user, const struct tns_secret *key,
                     char ret_first[300], struct tns_error *err)
{
    const char *text = tns__secret_bytes(key);
    size_t digits = strspn(text, "0123456789");
    char nonce[64];

    if (digits == 0 || digits > 9 || text[digits] != '-' || !text[digits + 1])
        return tns__error_set(
            err, TNS_E_CONFIG,
            "api_key: not of the form <number>-<secret> that this NAS gives out");
    sc->secret = text + digits + 1;
    sc->secret_len = tns__secret_len(key) - digits - 1;
    to_base64(sc->nonce, sizeof sc->nonce, nonce);
    if (!tns__fmt(sc->bare, sizeof sc->bare, "n=%s:%.*s,r=%s", user, (int)digits, text,
                  nonce))
        return tns__error_set(err, TNS_E_CONFIG, "tn_user: too long");
    tns__fmt(ret_first, 300, GS2_HEADER "%s", sc->bare);
    return 0;
}

struct server_first {
    char nonce[NONCE_TEXT_MAX];
    unsigned char salt[SALT_MAX];
    int salt_len;
    unsigned iterations;
};

/* The nonce must continue ours. The NAS joins the bytes and encodes them anew; RFC 5802 joins
 * the texts: both are ours and fresh. */
static bool continues_ours(const struct tns_scram *sc, const char *nonce)
{
    unsigned char bytes[NONCE_TEXT_MAX];
    int len = from_base64(nonce, strlen(nonce), bytes, sizeof bytes);
    const char *ours = strstr(sc->bare, ",r=") + 3;

    if (len > TNS_SCRAM_NONCE && !memcmp(bytes, sc->nonce, TNS_SCRAM_NONCE))
        return true;
    return strlen(nonce) > strlen(ours) && tns__starts_with(nonce, ours);
}

static int read_server_first(const struct tns_scram *sc, const char *text,
                             struct server_first *ret, struct tns_error *err)
{
    char salt[SALT_MAX * 4 / 3 + 8];
    uint64_t iterations;
    char count[16];

    if (sscanf(text, "r=%255[^,],s=%348[^,],i=%15[0-9]", ret->nonce, salt, count) != 3 ||
        !tns__parse_u64(count, &iterations))
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "SCRAM: the first message of the NAS cannot be read");
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX)
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "SCRAM: the NAS asks for %llu iterations",
                              (unsigned long long)iterations);
    ret->iterations = (unsigned)iterations;
    ret->salt_len = from_base64(salt, strlen(salt), ret->salt, sizeof ret->salt);
    if (ret->salt_len <= 0 || !continues_ours(sc, ret->nonce))
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "SCRAM: the NAS sent a wrong salt or nonce");
    return 0;
}

static bool hmac(const unsigned char *key, const char *text, unsigned char *ret)
{
    return HMAC(EVP_sha512(), key, TNS_SCRAM_HASH, (const unsigned char *)text,
                strlen(text), ret, NULL) != NULL;
}

/* ClientKey XOR HMAC(H(ClientKey), AuthMessage), and the signature of the server beside it. */
static bool prove(const struct tns_scram *sc, const struct server_first *sf,
                  const char *message, unsigned char *ret_proof,
                  unsigned char *ret_signature)
{
    unsigned char salted[TNS_SCRAM_HASH], client[TNS_SCRAM_HASH], stored[TNS_SCRAM_HASH];
    unsigned char server[TNS_SCRAM_HASH];
    bool ok =
        PKCS5_PBKDF2_HMAC(sc->secret, (int)sc->secret_len, sf->salt, sf->salt_len,
                          (int)sf->iterations, EVP_sha512(), sizeof salted, salted) == 1 &&
        hmac(salted, "Client Key", client) && hmac(salted, "Server Key", server) &&
        EVP_Digest(client, sizeof client, stored, NULL, EVP_sha512(), NULL) == 1 &&
        hmac(stored, message, ret_proof) && hmac(server, message, ret_signature);

    for (size_t i = 0; ok && i < TNS_SCRAM_HASH; i++)
        ret_proof[i] ^= client[i];
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    OPENSSL_cleanse(stored, sizeof stored);
    OPENSSL_cleanse(server, sizeof server);
    return ok;
}

int tns__scram_final(struct tns_scram *sc, const char *server_first, char ret_final[512],
                     struct tns_error *err)
{
    struct server_first sf = { 0 };
    unsigned char proof[TNS_SCRAM_HASH], signature[TNS_SCRAM_HASH];
    char message[1200], final[320], proof_text[96];
    int rc = read_server_first(sc, server_first, &sf, err);

    if (rc)
        return rc;
    if (!tns__fmt(final, sizeof final, "c=" GS2_BASE64 ",r=%s", sf.nonce) ||
        !tns__fmt(message, sizeof message, "%s,%s,%s", sc->bare, server_first, final))
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "SCRAM: the first message of the NAS is too long");
    if (!prove(sc, &sf, message, proof, signature))
        return tns__error_set(err, TNS_E_NOMEM, "SCRAM: cannot compute the proof");
    to_base64(proof, sizeof proof, proof_text);
    to_base64(signature, sizeof signature, sc->expected);
    tns__fmt(ret_final, 512, "%s,p=%s", final, proof_text);
    return 0;
}

int tns__scram_verify(const struct tns_scram *sc, const char *server_final,
                      struct tns_error *err)
{
    size_t len = strlen(sc->expected);

    if (len && tns__starts_with(server_final, "v=") && strlen(server_final) == len + 2 &&
        CRYPTO_memcmp(server_final + 2, sc->expected, len) == 0)
        return 0;
    return tns__error_set(
        err, TNS_E_AUTH,
        "SCRAM: the other side cannot prove that it knows this API key: it is "
        "not the NAS");
}
