/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside made fit for one line of a log: UTF-8 without control characters. */
#include <string.h>

#include "base/text.h"

static bool utf8_is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Bytes of the well-formed character at p (no overlong form, no surrogate), or 0. */
static size_t utf8_len(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return utf8_is_tail(p[1]) ? 2 : 0;
    if ((p[0] & 0xf0) == 0xe0) {
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
            return 0;
        return utf8_is_tail(p[1]) && utf8_is_tail(p[2]) ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
            return 0;
        return utf8_is_tail(p[1]) && utf8_is_tail(p[2]) && utf8_is_tail(p[3]) ? 4 : 0;
    }
    return 0;
}

void tns__text_clean(char *text)
{
    unsigned char *p = (unsigned char *)text;

    while (*p) {
        size_t len = utf8_len(p);

        if (len == 0) {
            *p++ = '?';
            continue;
        }
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        else if (len == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* C1: terminals obey these too */
            memset(p, ' ', 2);
        p += len;
    }
}

void tns__text_cut(char *text, size_t max)
{
    if (strlen(text) <= max)
        return;

    while (max > 0 && utf8_is_tail((unsigned char)text[max]))
        max--;
    text[max] = '\0';
}
