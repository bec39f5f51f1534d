/* SPDX-License-Identifier: Apache-2.0 */
/* Checked helpers on strings and numbers, and the two sources of names: random and SHA-256. */
#include "base/text.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char hex_digits[] = "0123456789abcdef";

bool tns__fmt(char *buf, size_t cap, const char *fmt, ...)
{
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(buf, cap, fmt, ap);
    va_end(ap);
    return len >= 0 && (size_t)len < cap;
}

bool tns__parse_u64(const char *s, uint64_t *ret)
{
    uint64_t value = 0;

    if (!s || !*s)
        return false;

    for (; *s; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
            return false;
    }

    *ret = value;
    return true;
}

bool tns__starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void hex_put(const unsigned char *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++) {
        *ret++ = hex_digits[bytes[i] >> 4];
        *ret++ = hex_digits[bytes[i] & 15];
    }
    *ret = '\0';
}

int tns__hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool tns__uuid_new(char ret[37])
{
    static const unsigned char lengths[] = { 4, 2, 2, 2, 6 };
    unsigned char bytes[16];
    const unsigned char *p = bytes;

    /* up to 256 bytes come whole and uninterrupted once the kernel's pool is ready */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;

    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4: random */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* RFC 4122 variant  */

    for (size_t i = 0; i < sizeof(lengths); i++) {
        hex_put(p, lengths[i], ret);
        p += lengths[i];
        ret += 2 * lengths[i];
        *ret++ = i + 1 < sizeof(lengths) ? '-' : '\0';
    }
    return true;
}

bool tns__sha256_hex(const void *data, size_t len, size_t n, char *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t digest_len = 0;

    if (EVP_Q_digest(NULL, "SHA256", NULL, data, len, digest, &digest_len) != 1 ||
        n > digest_len)
        return false;

    hex_put(digest, n, ret);
    return true;
}
