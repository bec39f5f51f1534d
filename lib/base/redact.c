/* SPDX-License-Identifier: Apache-2.0 */
/* The second net: known secrets, and what looks like an API key, starred out of a text. */
#include <string.h>

#include "base/secret.h"
#include "base/secret_priv.h"
#include "base/text.h"

/* Anything shorter would star out half of every log line. */
#define REDACT_MIN_LEN 6
#define API_KEY_LEN 64

/* \u00XX at p: its value, or -1. Above ASCII, JSON writers emit UTF-8 or code points; the
 * middleware's keys are ASCII. */
static int redact_unicode(const char *p)
{
    int high, low;

    if (strncmp(p, "\\u00", 4) != 0)
        return -1;
    high = tns__hex_value(p[4]);
    low = high < 0 ? -1 : tns__hex_value(p[5]);
    return low < 0 ? -1 : high * 16 + low;
}

/* How many bytes at p spell `byte` in a JSON string, escaped or not; 0 when they do not. */
static size_t redact_spelled(const char *p, char byte)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meaning[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (p[0] == '\\' && p[1]) {
        known = strchr(escapes, p[1]);
        if (known && meaning[known - escapes] == byte)
            return 2;
        if (redact_unicode(p) == (unsigned char)byte)
            return 6;
    }
    return p[0] == byte ? 1 : 0;
}

static size_t redact_match(const char *p, const char *bytes, size_t len)
{
    const char *start = p;

    for (size_t i = 0; i < len; i++) {
        size_t step = *p ? redact_spelled(p, bytes[i]) : 0;

        if (!step)
            return 0;
        p += step;
    }
    return (size_t)(p - start);
}

static void redact_known(const char *bytes, size_t len, void *user)
{
    char *p = user;

    if (len < REDACT_MIN_LEN)
        return;

    while (*p) {
        size_t hit = redact_match(p, bytes, len);

        memset(p, '*', hit);
        p += hit ? hit : 1;
    }
}

static size_t redact_span(const char *p, bool letters)
{
    size_t n = 0;

    while ((p[n] >= '0' && p[n] <= '9') ||
           (letters && ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z'))))
        n++;
    return n;
}

/* "<id>-<64 letters and digits>": a key of any NAS, also one this process never knew. */
static void redact_api_keys(char *p)
{
    while (*p) {
        size_t digits = redact_span(p, false);
        size_t rest = 0;

        if (digits && p[digits] == '-')
            rest = redact_span(p + digits + 1, true);
        if (rest >= API_KEY_LEN) {
            memset(p, '*', digits + 1 + rest);
            p += digits + 1 + rest;
        } else {
            p += digits ? digits : 1;
        }
    }
}

void tns__redact(char *text)
{
    if (!text || !*text)
        return;
    tns__secret_each(redact_known, text);
    redact_api_keys(text);
}
