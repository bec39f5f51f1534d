/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/nas share: calls, batches of them, names and error texts. */
#ifndef TNS_NAS_NAS_PRIV_H
#define TNS_NAS_NAS_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "nas/nas.h"
#include "nas/quirks.h"

/* ---- one call ---- */

/*
 * Runs one call and types its error. params is taken (NULL: lack of memory, reported here, so that
 * a json_pack may be passed on unchecked). ret_result may be NULL.
 */
int tns__nas_call(struct tns_session *s, const char *method, json_t *params, unsigned flags,
                  json_t **ret_result, struct tns_error *err);

/* The same on a dataset: what is not found is unavailable when the whole pool is not there. */
int tns__nas_call_on(struct tns_session *s, const char *dataset, const char *method,
                     json_t *params, unsigned flags, json_t **ret_result,
                     struct tns_error *err);

/* The same for a call that answers an object with an integer `id`. A reply that is not understood
 * leaves the outcome unknown. */
int tns__nas_create(struct tns_session *s, const char *method, json_t *params,
                    unsigned flags, int64_t *ret_id, struct tns_error *err);

/* Makes a code like server or busy precise by the texts that releases use (refine.c). */
void tns__nas_refine(struct tns_error *err);

/* After notfound on something in this dataset: unavailable when the pool itself is not there. */
int tns__nas_explain_missing(struct tns_session *s, const char *dataset,
                             struct tns_error *err);

/* A reply to a mutation that makes no sense: protocol, and nobody knows what happened. */
int tns__nas_bad_reply(struct tns_error *err, const char *method, const char *what);

/* Whether these user properties are shown with those values; null in wanted asks nothing. */
int tns__tags_compare(const json_t *shown, const json_t *wanted, const char *id,
                      struct tns_error *err);

/* ---- batches ---- */

struct tns_item;

/* A kind of call: how it is put for a release, and how its reply is read. */
struct tns_verb {
    /* Sets method, params and flags. */
    int (*encode)(struct tns_item *it, const struct tns_caps *caps, struct tns_error *err);
    /* Fills it->ret, untouched on failure. Rows may be removed from the result while it is read, to
     * keep the peak of memory down. NULL: the result is of no interest. */
    int (*decode)(struct tns_item *it, json_t *result, struct tns_error *err);
    /* Asked when the call failed: true makes it a success that was decoded from `instead`. */
    bool (*forgive)(struct tns_item *it, const struct tns_error *why, json_t **instead);
};

/* The arguments of a call are copied into its item, since the release is known only later. */
struct tns_item {
    const struct tns_verb *verb;
    const struct tns_list_kind *list; /* of a plain query of all rows */
    char *text[3];
    int64_t num[2];
    bool flag[2];
    json_t *json;
    void *ret;
    const struct tns_caps *caps;
    char method[48];
    json_t *params;
    unsigned flags;
    struct tns_error error;
};

/* The new item, borrowed until the next put; NULL when memory is out, which the batch remembers. */
struct tns_item *tns__batch_add(struct tns_batch *b, const struct tns_verb *verb,
                                void *ret);
/* Copies a text into the item, which may be NULL; lack of memory is remembered. */
void tns__batch_text(struct tns_batch *b, struct tns_item *it, int slot, const char *text);
/* Makes run fail with this error, which is taken over unless there is one already. */
void tns__batch_refuse(struct tns_batch *b, const struct tns_error *why);
struct tns_session *tns__batch_session(const struct tns_batch *b);
/* What put answers. */
int tns__batch_last(const struct tns_batch *b);

/* Runs a batch of one and gives its error with a context in front. */
int tns__batch_run_one(struct tns_batch *b, struct tns_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For encode: params is taken, NULL is lack of memory. */
int tns__item_call(struct tns_item *it, const char *method, json_t *params, unsigned flags,
                   struct tns_error *err);
/* For encode: a query with one filter (taken; NULL: none) and options (taken; NULL: none). */
int tns__item_query(struct tns_item *it, const char *method, json_t *filter,
                    json_t *options, struct tns_error *err);

/* ---- names that go out: anchored grammars, usage errors ---- */

int tns__name_dataset(const char *id, struct tns_error *err);
int tns__name_snapshot(const char *name, struct tns_error *err);
/* "dataset@name" in memory of its own. */
int tns__name_full(const char *dataset, const char *name, char **ret,
                   struct tns_error *err);
/* Printable, at most max bytes, no control characters, no double quotes. what: "extent name". */
int tns__name_text(const char *text, size_t max, const char *what, struct tns_error *err);

#endif
