/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.global: its settings, and who is logged in just now. */
#include "nas/decode.h"

#define SESSIONS "iscsi.global.sessions"
#define CONFIG "iscsi.global.config"

/* ---- sessions ---- */

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_iscsi_session, initiator, "initiator"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_iscsi_session, initiator_addr, "initiator_addr"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_iscsi_session, target, "target"),
};

static int session_row(const json_t *obj, void *row, const struct tns_item *it,
                       struct tns_error *err)
{
    (void)it;
    return tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), row, SESSIONS, err);
}

static void session_clear(void *row)
{
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), row);
}

static const struct tns_list_kind kind = {
    .what = SESSIONS,
    .row_size = sizeof(struct tns_iscsi_session),
    .row = session_row,
    .clear = session_clear,
};

void tns__iscsi_session_list_free(struct tns_iscsi_session_list *l)
{
    tns__list_free(l, &kind);
}

int tns__iscsi_session_list_put(struct tns_batch *b, struct tns_iscsi_session_list **ret)
{
    return tns__list_put(b, &kind, ret);
}

/* ---- settings ---- */

static const struct tns_field global_fields[] = {
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_iscsi_global, basename, "basename"),
    TNS_FIELD(TNS_FIELD_U16, TNS_MUST, tns_iscsi_global, listen_port, "listen_port"),
};

void tns__iscsi_global_free(struct tns_iscsi_global *g)
{
    if (g)
        tns__fields_clear(global_fields, TNS_ARRAY_LEN(global_fields), g);
    tns__free(g);
}

static int global_encode(struct tns_item *it, const struct tns_caps *caps,
                         struct tns_error *err)
{
    (void)caps;
    return tns__item_call(it, CONFIG, json_array(), TNS_CALL_READ, err);
}

static int global_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    _tns_free_ struct tns_iscsi_global *g = tns__alloc(sizeof(*g));
    int rc;

    if (!g)
        return tns__error_nomem(err);
    rc = tns__fields_decode(result, global_fields, TNS_ARRAY_LEN(global_fields), g, CONFIG,
                            err);
    if (rc == 0)
        tns__item_give(it, TNS_STEAL(g));
    return rc;
}

static const struct tns_verb global_verb = { global_encode, global_decode, NULL };

int tns__iscsi_global_get_put(struct tns_batch *b, struct tns_iscsi_global **ret)
{
    tns__batch_add(b, &global_verb, ret);
    return tns__batch_last(b);
}

int tns__iscsi_global_get(struct tns_session *s, struct tns_iscsi_global **ret,
                          struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);

    tns__iscsi_global_get_put(b, ret);
    return tns__batch_run_one(b, err, "reading the iSCSI settings");
}
