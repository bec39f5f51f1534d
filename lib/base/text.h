/* SPDX-License-Identifier: Apache-2.0 */
/* Small checked helpers on strings and numbers that several layers share. */
#ifndef TNS_BASE_TEXT_H
#define TNS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* snprintf that answers false instead of cutting. */
bool tns__fmt(char *buf, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Decimal digits only, no sign, no overflow, at least one. */
bool tns__parse_u64(const char *s, uint64_t *ret);
bool tns__starts_with(const char *s, const char *prefix);
/* Makes one line of UTF-8 of it, in place: control characters become spaces, bad bytes '?'. */
void tns__text_clean(char *text);
/* Cuts after at most max bytes, never inside a UTF-8 character. */
void tns__text_cut(char *text, size_t max);
/* 36 characters and the NUL, from the kernel's random source. */
bool tns__uuid_new(char ret[37]);
/* The value of a hex digit, -1 when it is none. */
int tns__hex_value(char c);
/* Lower-case hex of the first n bytes of SHA-256; ret holds 2n+1. */
bool tns__sha256_hex(const void *data, size_t len, size_t n, char *ret);

#endif
