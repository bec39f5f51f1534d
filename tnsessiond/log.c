/* SPDX-License-Identifier: Apache-2.0 */
/* To syslog, or to stderr in the foreground; always through the redactor. */
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "base/secret.h"
#include "tnsessiond.h"

static bool to_stderr;
static int max_level = LOG_NOTICE;

void tnsd_log_open(const struct tnsd *d)
{
    to_stderr = d->foreground;
    max_level = d->log_level;
    openlog("tnsessiond", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void tnsd_log(int level, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    if (level > max_level)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tns__redact(text);
    if (to_stderr)
        fprintf(stderr, "tnsessiond[%d]: %s\n", (int)getpid(), text);
    else
        syslog(level, "%s", text);
}

void tnsd_log_session(void *user, int level, const char *component, const char *msg)
{
    (void)user;
    tnsd_log(level, "%s: %s", component, msg);
}
