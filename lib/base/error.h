/* SPDX-License-Identifier: Apache-2.0 */
/* Setting and amending struct tns_error: the first error wins, context goes in front. */
#ifndef TNS_BASE_ERROR_H
#define TNS_BASE_ERROR_H

#include <stdbool.h>

#include "tnstor.h"

/* Sets *err unless it holds an error already; returns -code. err may be NULL. The text is made
 * one line: control characters become spaces, invalid UTF-8 becomes '?'. */
int tns__error_set(struct tns_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with this machine's errno, which is also put into words behind the text. */
int tns__error_errno(struct tns_error *err, int code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of a text that is there; returns -err->code. */
int tns__error_prefix(struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

int tns__error_nomem(struct tns_error *err);

/* Forgets an error: for callers that handle one and go on. */
void tns__error_clear(struct tns_error *err);

/* Moves *src over *dst if dst holds none; returns -src->code. */
int tns__error_copy(struct tns_error *dst, const struct tns_error *src);

static inline bool tns__error_is(const struct tns_error *err, int code)
{
    return err && err->code == code;
}

/* An invariant of the library itself: never aborts, always says where. */
#define TNS_BUG_ON(err, cond)                                                              \
    ((cond) ? tns__error_set(err, TNS_E_BUG, "%s:%d: internal error: %s", __FILE__,        \
                             __LINE__, #cond)                                              \
            : 0)

/* The analyzer sees one file at a time: tell it that an error is never 0. */
#if defined(__clang_analyzer__) && !defined(TNS_BASE_ERROR_C)
#define tns__error_set(err, code, ...)                                                     \
    ((void)tns__error_set(err, code, __VA_ARGS__), -(code))
#define tns__error_errno(err, code, ...)                                                   \
    ((void)tns__error_errno(err, code, __VA_ARGS__), -(code))
#define tns__error_nomem(err) ((void)tns__error_nomem(err), -TNS_E_NOMEM)
#define tns__error_prefix(err, ...) ((void)tns__error_prefix(err, __VA_ARGS__), -TNS_E_BUG)
#define tns__error_copy(dst, src) ((void)tns__error_copy(dst, src), -TNS_E_BUG)
#endif

#endif
