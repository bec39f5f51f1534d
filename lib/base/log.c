/* SPDX-License-Identifier: Apache-2.0 */
/* One line to the caller's log callback, after the redactor saw it whole. */
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/ctx.h"
#include "base/secret.h"
#include "base/text.h"

#define LOG_STACK 2048

static void log_emit(const struct tns_ctx *ctx, int level, const char *component,
                     char *text)
{
    tns__redact(text);
    tns__text_clean(text);
    ctx->log_fn(ctx->log_user, level, component, text);
}

static void log_format(const struct tns_ctx *ctx, int level, const char *component,
                       const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

static void log_format(const struct tns_ctx *ctx, int level, const char *component,
                       const char *fmt, va_list ap)
{
    char line[LOG_STACK];
    _tns_free_ char *longer = NULL;
    va_list again;
    int len;

    va_copy(again, ap);
    len = vsnprintf(line, sizeof(line), fmt, again);
    va_end(again);
    if (len < 0)
        return;

    if ((size_t)len >= sizeof(line)) {
        longer = tns__vasprintf(fmt, ap);
        /* half a line could end in half a secret, which the redactor does not know */
        if (!longer)
            snprintf(line, sizeof(line), "(a line of %d bytes is lost: out of memory)",
                     len);
    }
    log_emit(ctx, level, component, longer ? longer : line);
}

void tns__log(const struct tns_ctx *ctx, int level, const char *component, const char *fmt,
              ...)
{
    va_list ap;

    if (!ctx->log_fn || level > ctx->log_level)
        return;

    va_start(ap, fmt);
    log_format(ctx, level, component, fmt, ap);
    va_end(ap);
}
