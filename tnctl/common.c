/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the session of a subcommand, telling results and errors, exit codes. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tnctl.h"

static int exit_code(const struct tns_error *err)
{
    if (err->flags & TNS_F_OUTCOME_UNKNOWN)
        return TNCTL_UNKNOWN;
    switch (err->code) {
    case TNS_E_USAGE:
    case TNS_E_CONFIG:
        return TNCTL_USAGE;
    case TNS_E_AUTH:
    case TNS_E_PERMISSION:
        return TNCTL_AUTH;
    case TNS_E_TRANSPORT:
    case TNS_E_TLS:
    case TNS_E_TIMEOUT:
    case TNS_E_CANCELLED:
        return TNCTL_CONNECT;
    case TNS_E_BUSY:
    case TNS_E_UNAVAILABLE:
        return TNCTL_BUSY;
    default:
        return TNCTL_FAILED;
    }
}

static void tell_as_json(const struct tns_error *err)
{
    _tns_json_ json_t *obj =
        json_pack("{s:{s:s,s:s,s:s,s:b,s:b,s:i}}", "error", "code",
                  tns_code_name(err->code), "op", err->op, "text", err->text, "retryable",
                  (err->flags & TNS_F_RETRYABLE) != 0, "outcome_unknown",
                  (err->flags & TNS_F_OUTCOME_UNKNOWN) != 0, "retry_after_ms",
                  (int)err->retry_after_ms);

    if (obj)
        json_dumpf(obj, stderr, JSON_COMPACT);
    fputc('\n', stderr);
}

int tnctl_fail(const struct tnctl *ctl, const struct tns_error *err)
{
    if (ctl->json)
        tell_as_json(err);
    else if (err->flags & TNS_F_OUTCOME_UNKNOWN)
        fprintf(stderr,
                "tnctl: %s: %s (it may have happened all the same: look before you "
                "repeat it)\n",
                tns_code_name(err->code), err->text);
    else
        fprintf(stderr, "tnctl: %s: %s\n", tns_code_name(err->code), err->text);
    return exit_code(err);
}

int tnctl_usage(const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* What was typed may hold anything; an error is one line. */
    for (char *p = text; *p; p++) {
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    }
    fprintf(stderr, "tnctl: %s\nTry 'tnctl --help'.\n", text);
    return TNCTL_USAGE;
}

int tnctl_written(bool ok)
{
    if (ok && fflush(stdout) == 0 && !ferror(stdout))
        return TNCTL_OK;
    fputs("tnctl: cannot write the result\n", stderr);
    return TNCTL_FAILED;
}

int tnctl_print(const struct tnctl *ctl, const json_t *value)
{
    size_t style =
        JSON_ENCODE_ANY | JSON_SORT_KEYS | (ctl->json ? JSON_COMPACT : JSON_INDENT(2));

    return tnctl_written(json_dumpf(value, stdout, style) == 0 &&
                         fputc('\n', stdout) != EOF);
}

void tnctl_log(void *user, int level, const char *component, const char *msg)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s: %s\n", component, msg);
}

int tnctl_log_level(const struct tnctl *ctl)
{
    return LOG_WARNING + (ctl->verbose > 3 ? 3 : ctl->verbose);
}

struct tns_session *tnctl_open(const struct tnctl *ctl, int *ret_exit)
{
    struct tns_session_opts opts = ctl->session;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_session *s = NULL;
    char key[1024];
    int rc = 0;

    if (!ctl->key_file)
        rc = tns__error_set(&err, TNS_E_CONFIG, "no API key: use --key-file FILE");
    if (!rc)
        rc = tnctl_read_key(ctl->key_file, key, sizeof key, &opts.key_len, &err);
    if (!rc) {
        opts.key = key;
        opts.run_dir = ctl->run_dir[0] ? ctl->run_dir : NULL;
        opts.log_fn = tnctl_log;
        opts.log_level = tnctl_log_level(ctl);
        rc = tns__session_open(&opts, &s, &err);
    }
    if (!rc) /* one budget for the whole command */
        tns__ctx_begin(tns__session_ctx(s), opts.timeout_ms ? opts.timeout_ms : 30000);
    explicit_bzero(key, sizeof key);
    if (rc)
        *ret_exit = tnctl_fail(ctl, &err);
    return s;
}
