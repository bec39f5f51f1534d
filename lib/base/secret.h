/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: locked, kept out of core dumps, wiped when freed, never printed. */
#ifndef TNS_BASE_SECRET_H
#define TNS_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "tnstor.h"

struct tns_secret;

/* Copies len bytes; the caller wipes its own copy. NULL when memory is out. */
struct tns_secret *tns__secret_new(const char *bytes, size_t len);
void tns__secret_free(struct tns_secret *s);
void tns__secret_freep(struct tns_secret **s);
#define _tns_secret_ __attribute__((cleanup(tns__secret_freep)))

/* Borrowed; also NUL-terminated for the callees that need it. */
const char *tns__secret_bytes(const struct tns_secret *s);
size_t tns__secret_len(const struct tns_secret *s);
bool tns__secret_equal(const struct tns_secret *a, const struct tns_secret *b);

/*
 * Every live secret is known to the redactor: tns__redact() overwrites each occurrence of one
 * (of 6 bytes or more, also in its JSON-escaped form), and anything that looks like an API key
 * ("<digits>-<64 alphanumerics>"), with '*' in place. The second net; the first is not to format it.
 */
void tns__redact(char *text);

#endif
