/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says first: which NAS, under which rules, as whom. */
#include <string.h>

#include "base/text.h"
#include "tnsessiond.h"

static const char *text_of(const json_t *options, const char *key)
{
    const char *text = json_string_value(json_object_get(options, key));

    return text && *text ? text : NULL;
}

static unsigned number_of(const json_t *options, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(options, key));

    return n > 0 && n <= INT32_MAX ? (unsigned)n : 0;
}

void tnsd_hello_opts(const struct tnsd *d, const struct tnsd_hello *h,
                     struct tns_session_opts *ret)
{
    const json_t *o = h->options;

    *ret = (struct tns_session_opts){
        .hosts = text_of(o, "hosts"),
        .transport = text_of(o, "transport"),
        .scheme = text_of(o, "scheme"),
        .port = (uint16_t)number_of(o, "port"),
        .insecure = json_is_true(json_object_get(o, "insecure")),
        .prefer_ipv4 = json_is_true(json_object_get(o, "prefer_ipv4")),
        .ca_file = text_of(o, "ca_file"),
        .fingerprints = text_of(o, "fingerprints"),
        .user = text_of(o, "user"),
        .key = tns__secret_bytes(h->key),
        .key_len = tns__secret_len(h->key),
        .run_dir = d->run_dir,
        .no_holder = true,
        .retry_max = number_of(o, "retry_max"),
        .timeout_ms = number_of(o, "timeout_ms"),
        .login_max = number_of(o, "login_max"),
        .login_window_ms = number_of(o, "login_window_ms"),
        .log_fn = tnsd_log_session,
        .log_level = d->log_level,
    };
}

/* The digest is computed here and not believed: sessions are shared by it. */
static int compute_digest(struct tnsd_hello *h, struct tns_error *err)
{
    static const struct tnsd none;
    struct tns_session_opts opts;
    struct tns_conf conf;
    int rc;

    tnsd_hello_opts(&none, h, &opts);
    rc = tns__conf_read(&opts, &conf, err);
    if (rc)
        return rc;
    if (!tns__conf_digest(&conf, h->key, h->digest))
        rc = tns__error_nomem(err);
    tns__conf_clear(&conf);
    return rc;
}

int tnsd_hello_read(json_t *options, char *key, size_t key_len, struct tnsd_hello *ret,
                    struct tns_error *err)
{
    struct tnsd_hello h = { .options = json_incref(options) };
    int rc = 0;

    h.key = tns__secret_new(key, key_len);
    h.left_ms = number_of(options, "left_ms");
    if (!h.key)
        rc = tns__error_nomem(err);
    if (!rc && number_of(options, "tnstor") != TNS_PIPE_PROTOCOL)
        rc = tns__error_set(err, TNS_E_PROTOCOL, "client of another version");
    if (!rc)
        rc = compute_digest(&h, err);
    if (rc)
        tnsd_hello_clear(&h);
    else
        *ret = h;
    return rc;
}

void tnsd_hello_clear(struct tnsd_hello *h)
{
    json_decref(h->options);
    tns__secret_free(h->key);
    *h = (struct tnsd_hello){ 0 };
}

void tnsd_refuse(struct tns_pipe *pipe, const struct tns_error *why, bool answered)
{
    json_t *error = tns__error_to_json(why);
    _tns_json_ json_t *message = NULL;

    if (error)
        message = json_pack("{s:o,s:b}", "error", error, "answered", answered);
    if (message && !tns__pipe_queue_json(pipe, message, NULL))
        tns__pipe_flush(pipe, NULL);
}
