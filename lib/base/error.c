/* SPDX-License-Identifier: Apache-2.0 */
/* The error struct: one line of clean, redacted text, set once and prefixed on the way up. */
#define TNS_BASE_ERROR_C
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"

/* Formatting has room well past the text, so that a secret at the cut is still seen whole. */
#define ERROR_SCRATCH 4096

static const char *const code_names[] = {
    [TNS_OK] = "ok",
    [TNS_E_USAGE] = "usage",
    [TNS_E_CONFIG] = "config",
    [TNS_E_AUTH] = "auth",
    [TNS_E_PERMISSION] = "permission",
    [TNS_E_TRANSPORT] = "transport",
    [TNS_E_TLS] = "tls",
    [TNS_E_PROTOCOL] = "protocol",
    [TNS_E_SERVER] = "server",
    [TNS_E_BUSY] = "busy",
    [TNS_E_NOTFOUND] = "notfound",
    [TNS_E_EXISTS] = "exists",
    [TNS_E_CONFLICT] = "conflict",
    [TNS_E_CAPACITY] = "capacity",
    [TNS_E_LOCKED] = "locked",
    [TNS_E_IDENTITY] = "identity",
    [TNS_E_DEVICE] = "device",
    [TNS_E_TIMEOUT] = "timeout",
    [TNS_E_CANCELLED] = "cancelled",
    [TNS_E_NOMEM] = "nomem",
    [TNS_E_FORKED] = "forked",
    [TNS_E_UNSUPPORTED] = "unsupported",
    [TNS_E_UNAVAILABLE] = "unavailable",
    [TNS_E_FOREIGN] = "foreign",
    [TNS_E_BUG] = "bug",
};

const char *tns_code_name(int code)
{
    if (code < 0 || (size_t)code >= sizeof(code_names) / sizeof(code_names[0]))
        return "unknown";
    return code_names[code];
}

/* The text becomes the error's own: free of secrets, one line, UTF-8, cut between characters. */
static void error_put(struct tns_error *err, char *text)
{
    tns__redact(text);
    tns__text_clean(text);
    tns__text_cut(text, sizeof(err->text) - 1);
    strcpy(err->text, text);
}

static int error_vset(struct tns_error *err, int code, int sys_errno, const char *fmt,
                      va_list ap) __attribute__((format(printf, 4, 0)));

static int error_vset(struct tns_error *err, int code, int sys_errno, const char *fmt,
                      va_list ap)
{
    char text[ERROR_SCRATCH];
    size_t len;

    if (!err)
        return -code;
    if (err->code)
        return -err->code;

    vsnprintf(text, sizeof(text), fmt, ap);
    if (sys_errno) {
        const char *words = strerrordesc_np(sys_errno);

        len = strlen(text);
        if (words)
            snprintf(text + len, sizeof(text) - len, ": %s", words);
        else
            snprintf(text + len, sizeof(text) - len, ": errno %d", sys_errno);
    }

    err->code = code;
    err->sys_errno = sys_errno;
    error_put(err, text);
    return -code;
}

int tns__error_set(struct tns_error *err, int code, const char *fmt, ...)
{
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = error_vset(err, code, 0, fmt, ap);
    va_end(ap);
    return rc;
}

int tns__error_errno(struct tns_error *err, int code, int sys_errno, const char *fmt, ...)
{
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = error_vset(err, code, sys_errno, fmt, ap);
    va_end(ap);
    return rc;
}

int tns__error_prefix(struct tns_error *err, const char *fmt, ...)
{
    char text[ERROR_SCRATCH];
    va_list ap;
    size_t len;

    if (!err || !err->code)
        return 0;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text) - sizeof(err->text), fmt, ap);
    va_end(ap);

    len = strlen(text);
    snprintf(text + len, sizeof(text) - len, ": %s", err->text);
    error_put(err, text);
    return -err->code;
}

int tns__error_nomem(struct tns_error *err)
{
    return tns__error_set(err, TNS_E_NOMEM, "out of memory");
}

void tns__error_clear(struct tns_error *err)
{
    if (err)
        *err = (struct tns_error)TNS_ERROR_INIT;
}

int tns__error_copy(struct tns_error *dst, const struct tns_error *src)
{
    if (dst && dst != src && !dst->code)
        *dst = *src;
    return -src->code;
}
