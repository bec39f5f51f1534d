/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl call METHOD [JSON...]: any method of the NAS, the result as JSON. */
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tnctl.h"

/* namespace.method: lower case words joined by dots, two at least. */
static bool is_method(const char *text)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t dots = 0;

    for (;;) {
        size_t len = strspn(text, word);

        if (len == 0)
            return false;
        text += len;
        if (!*text)
            return dots > 0;
        if (*text++ != '.')
            return false;
        dots++;
    }
}

/* Methods that change nothing by their name: they may be repeated after a lost reply. */
static bool is_read(const char *method)
{
    static const char *const tails[] = {
        ".query", ".get_instance", ".config", ".version",
        ".info",  ".ready",        ".state",  ".get_jobs"
    };
    size_t len = strlen(method);

    for (size_t i = 0; i < TNS_ARRAY_LEN(tails); i++) {
        size_t tail = strlen(tails[i]);

        if (len > tail && !strcmp(method + len - tail, tails[i]))
            return true;
    }
    return false;
}

static json_t *read_params(int argc, char *argv[], int *ret_bad)
{
    _tns_json_ json_t *params = json_array();

    for (int i = 0; i < argc && params; i++) {
        json_t *value = NULL;

        if (tns__json_parse(argv[i], strlen(argv[i]), &tns__json_default_limits, &value,
                            NULL)) {
            *ret_bad = i + 1;
            return NULL;
        }
        if (json_array_append_new(params, value))
            return NULL;
    }
    return TNS_STEAL(params);
}

static int run(const struct tnctl *ctl, int argc, char *argv[])
{
    _tns_session_ struct tns_session *s = NULL;
    _tns_json_ json_t *params = NULL;
    _tns_json_ json_t *result = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    bool job = argc > 1 && !strcmp(argv[1], "--job");
    unsigned flags = job ? TNS_CALL_JOB : 0;
    int bad = 0, code = TNCTL_FAILED;

    argc -= 1 + job;
    argv += 1 + job;
    if (argc < 1)
        return tnctl_usage("call: which method? (for example system.version)");
    if (!is_method(argv[0]))
        return tnctl_usage("call: '%.80s' is no name of a method", argv[0]);
    params = read_params(argc - 1, argv + 1, &bad);
    if (bad)
        return tnctl_usage("call: argument %d of %s is no JSON (a string needs its quotes: "
                           "'\"tank\"')",
                           bad, argv[0]);
    if (!params) {
        tns__error_nomem(&err);
        return tnctl_fail(ctl, &err);
    }
    s = tnctl_open(ctl, &code);
    if (!s)
        return code;
    if (is_read(argv[0]))
        flags |= TNS_CALL_READ;
    if (tns__session_call(s, argv[0], params, flags, &result, &err))
        return tnctl_fail(ctl, &err);
    return tnctl_print(ctl, result);
}

const struct tnctl_cmd tnctl_cmd_call = {
    .name = "call",
    .args = "[--job] METHOD [JSON...]",
    .help = "call a method of the NAS, each argument as JSON",
    .run = run,
};
