/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.auth: CHAP users. Secrets go out and never come back: they are not decoded. */
#include "nas/decode.h"

#include <string.h>

#define QUERY "iscsi.auth.query"

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_iscsi_auth, id, "id"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_iscsi_auth, tag, "tag"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_iscsi_auth, user, "user"),
    TNS_FIELD(TNS_FIELD_STR, TNS_TEXT, tns_iscsi_auth, peer_user, "peeruser"),
};

static int auth_row(const json_t *obj, void *row, const struct tns_item *it,
                    struct tns_error *err)
{
    (void)it;
    return tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), row, QUERY, err);
}

static void auth_clear(void *row)
{
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), row);
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_iscsi_auth),
    .row = auth_row,
    .clear = auth_clear,
};

void tns__auth_list_free(struct tns_auth_list *l)
{
    tns__list_free(l, &kind);
}

static int auth_encode(struct tns_item *it, const struct tns_caps *caps,
                       struct tns_error *err)
{
    int rc;

    (void)caps;
    rc = tns__item_query(it, QUERY, NULL, NULL, err);
    it->flags |= TNS_CALL_SECRET;
    return rc;
}

static int auth_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, &kind, it, &list, err);

    if (rc == 0)
        tns__item_give(it, list);
    return rc;
}

static const struct tns_verb list_verb = { auth_encode, auth_decode, NULL };

int tns__auth_list_put(struct tns_batch *b, struct tns_auth_list **ret)
{
    tns__batch_add(b, &list_verb, ret);
    return tns__batch_last(b);
}

/* ---- create ---- */

/* The range is iSCSI's own and the server's; saying so here keeps a bad secret from going out. */
static int check_secret(const struct tns_secret *secret, const char *what,
                        struct tns_error *err)
{
    size_t len = tns__secret_len(secret);

    if (len >= 12 && len <= 16)
        return 0;
    return tns__error_set(err, TNS_E_CONFIG, "the %s must have 12 to 16 characters", what);
}

/* jansson does not wipe what it frees. */
static void wipe(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);

    if (value)
        explicit_bzero((char *)(uintptr_t)json_string_value(value),
                       json_string_length(value));
}

static int check_all(const char *user, const struct tns_secret *secret,
                     const char *peer_user, const struct tns_secret *peer_secret,
                     struct tns_error *err)
{
    int rc = tns__name_text(user, 255, "CHAP user", err);

    if (rc == 0)
        rc = check_secret(secret, "CHAP password", err);
    if (rc == 0 && peer_user)
        rc = tns__name_text(peer_user, 255, "mutual CHAP user", err);
    if (rc == 0 && peer_user)
        rc = check_secret(peer_secret, "mutual CHAP password", err);
    return rc;
}

int tns__auth_create(struct tns_session *s, int64_t tag, const char *user,
                     const struct tns_secret *secret, const char *peer_user,
                     const struct tns_secret *peer_secret, int64_t *ret_id,
                     struct tns_error *err)
{
    _tns_json_ json_t *obj = NULL;
    int rc = check_all(user, secret, peer_user, peer_secret, err);

    if (rc)
        return rc;
    obj = json_pack("{s: I, s: s, s: s, s: s, s: s}", "tag", (json_int_t)tag, "user", user,
                    "secret", tns__secret_bytes(secret), "peeruser",
                    peer_user ? peer_user : "", "peersecret",
                    peer_user ? tns__secret_bytes(peer_secret) : "");
    if (!obj)
        return tns__error_nomem(err);
    rc = tns__nas_create(s, "iscsi.auth.create", json_pack("[O]", obj), TNS_CALL_SECRET,
                         ret_id, err);
    wipe(obj, "secret");
    wipe(obj, "peersecret");
    return rc ? tns__error_prefix(err, "creating CHAP user %s", user) : 0;
}
