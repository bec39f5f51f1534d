/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: calls that are put without knowing the release, sent together, decoded one by one. */
#include "nas/nas_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct tns_batch {
    struct tns_session *session;
    struct tns_item **items;
    size_t n;
    struct tns_error refused; /* the first put that could not */
};

struct tns_batch *tns__batch_new(struct tns_session *s)
{
    struct tns_batch *b = tns__alloc(sizeof(*b));

    if (!b)
        return NULL;
    b->session = s;
    b->refused = (struct tns_error)TNS_ERROR_INIT;
    return b;
}

static void item_free(struct tns_item *it)
{
    if (!it)
        return;
    for (size_t i = 0; i < TNS_ARRAY_LEN(it->text); i++)
        tns__free(it->text[i]);
    json_decref(it->json);
    json_decref(it->params);
    tns__free(it);
}

void tns__batch_free(struct tns_batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        item_free(b->items[i]);
    tns__free(b->items);
    tns__free(b);
}

void tns__batch_freep(struct tns_batch **b)
{
    tns__batch_free(*b);
}

void tns__batch_refuse(struct tns_batch *b, const struct tns_error *why)
{
    if (b)
        tns__error_copy(&b->refused, why);
}

struct tns_session *tns__batch_session(const struct tns_batch *b)
{
    return b->session;
}

struct tns_item *tns__batch_add(struct tns_batch *b, const struct tns_verb *verb, void *ret)
{
    struct tns_item **grown;
    struct tns_item *it;

    if (!b)
        return NULL;
    it = tns__alloc(sizeof(*it));
    grown = it ? tns__realloc(b->items, b->n + 1, sizeof(*grown)) : NULL;
    if (!grown) {
        tns__free(it);
        tns__error_nomem(&b->refused);
        return NULL;
    }
    it->verb = verb;
    it->ret = ret;
    it->error = (struct tns_error)TNS_ERROR_INIT;
    b->items = grown;
    b->items[b->n++] = it;
    return it;
}

void tns__batch_text(struct tns_batch *b, struct tns_item *it, int slot, const char *text)
{
    if (!it || !text)
        return;
    it->text[slot] = tns__strdup(text);
    if (!it->text[slot])
        tns__error_nomem(&b->refused);
}

int tns__batch_last(const struct tns_batch *b)
{
    return b ? (int)b->n - 1 : -1;
}

int tns__item_call(struct tns_item *it, const char *method, json_t *params, unsigned flags,
                   struct tns_error *err)
{
    if (!params)
        return tns__error_nomem(err);
    it->params = params;
    it->flags = flags;
    if (!tns__fmt(it->method, sizeof(it->method), "%s", method))
        return tns__error_set(err, TNS_E_BUG, "the method name %s is too long", method);
    return 0;
}

int tns__item_query(struct tns_item *it, const char *method, json_t *filter,
                    json_t *options, struct tns_error *err)
{
    json_t *filters = json_array();

    if (filters && filter && json_array_append_new(filters, TNS_STEAL(filter))) {
        json_decref(filters);
        filters = NULL;
    }
    json_decref(filter);
    if (!filters) {
        json_decref(options);
        return tns__error_nomem(err);
    }
    return tns__item_call(it, method,
                          json_pack("[o, o]", filters, options ? options : json_object()),
                          TNS_CALL_READ, err);
}

/* A failed call keeps its own error; a success whose reply makes no sense gets one. */
static void item_finish(struct tns_item *it, struct tns_call *call)
{
    _tns_json_ json_t *result = TNS_STEAL(call->result);
    _tns_json_ json_t *instead = NULL;

    if (call->error.code) {
        it->error = call->error;
        tns__nas_refine(&it->error);
        if (!it->verb->forgive || !it->verb->forgive(it, &it->error, &instead))
            return;
        tns__error_clear(&it->error);
        json_decref(result);
        result = TNS_STEAL(instead);
    }
    if (it->verb->decode && it->verb->decode(it, result, &it->error)) {
        snprintf(it->error.op, sizeof(it->error.op), "%s", it->method);
        if (!(it->flags & TNS_CALL_READ))
            it->error.flags |= TNS_F_OUTCOME_UNKNOWN;
    }
}

static int encode_all(struct tns_batch *b, struct tns_call *calls, struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc = tns__session_caps(b->session, &caps, err);

    for (size_t i = 0; i < b->n && rc == 0; i++) {
        struct tns_item *it = b->items[i];

        it->caps = caps;
        rc = it->verb->encode(it, caps, err);
        calls[i].method = it->method;
        calls[i].params = it->params;
        calls[i].flags = it->flags;
        calls[i].error = (struct tns_error)TNS_ERROR_INIT;
    }
    return rc;
}

/* Nothing was sent: no call may look like a success to whoever asks for its own error. */
static int not_sent(struct tns_batch *b, const struct tns_error *why, struct tns_error *err)
{
    for (size_t i = 0; i < b->n; i++)
        b->items[i]->error = *why;
    return tns__error_copy(err, why);
}

int tns__batch_run(struct tns_batch *b, struct tns_error *err)
{
    _tns_free_ struct tns_call *calls = NULL;
    struct tns_error why = TNS_ERROR_INIT;
    const struct tns_error *first = NULL;

    if (!b)
        return tns__error_nomem(err);
    if (b->refused.code)
        return not_sent(b, &b->refused, err);
    if (b->n == 0)
        return 0;
    calls = tns__calloc(b->n, sizeof(*calls));
    if (!calls)
        tns__error_nomem(&why);
    if (!calls || encode_all(b, calls, &why))
        return not_sent(b, &why, err);
    if (tns__session_calls(b->session, calls, b->n, &why))
        first = &why;
    for (size_t i = 0; i < b->n; i++) {
        item_finish(b->items[i], &calls[i]);
        tns__call_clear(&calls[i]);
        if (!first && b->items[i]->error.code)
            first = &b->items[i]->error;
    }
    return first ? tns__error_copy(err, first) : 0;
}

const struct tns_error *tns__batch_error(const struct tns_batch *b, int i)
{
    static const struct tns_error none = TNS_ERROR_INIT;

    if (!b)
        return &none;
    return i >= 0 && (size_t)i < b->n ? &b->items[i]->error : &b->refused;
}

int tns__batch_run_one(struct tns_batch *b, struct tns_error *err, const char *fmt, ...)
{
    char what[256] = "";
    va_list ap;

    if (tns__batch_run(b, err) == 0)
        return 0;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return tns__error_prefix(err, "%s", what);
}
