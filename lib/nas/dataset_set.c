/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to datasets of both kinds: tags, readonly, delete, promote, rename. */
#include "nas/decode.h"

#include <string.h>

/* slots of an item: which dataset, and the tag that tells it from another one of its name */
enum { ID, TAG, VALUE };

/* {name: string|null} as the list of pool.dataset.update; NULL when memory is out. */
static json_t *tag_updates(const json_t *tags)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        json_t *entry = json_is_null(value)
                            ? json_pack("{s: s, s: b}", "key", key, "remove", 1)
                            : json_pack("{s: s, s: O}", "key", key, "value", value);

        if (json_array_append_new(list, entry)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int update_encode(struct tns_item *it, const struct tns_caps *caps,
                         struct tns_error *err)
{
    (void)caps;
    return tns__item_call(it, "pool.dataset.update",
                          json_pack("[s, {s: o}]", it->text[ID], "user_properties_update",
                                    tag_updates(it->json)),
                          0, err);
}

int tns__tags_compare(const json_t *shown, const json_t *wanted, const char *id,
                      struct tns_error *err)
{
    _tns_json_ json_t *tags = NULL;
    const char *name;
    json_t *value;
    int rc = tns__prop_tags(shown, &tags, "pool.dataset", err);

    if (rc)
        return rc;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        /* One that was removed may still be shown, inherited from above. */
        if (json_is_string(value) && !json_equal(value, json_object_get(tags, name)))
            return tns__error_set(err, TNS_E_SERVER,
                                  "the NAS did not keep the tag %s of %s", name, id);
    }
    return 0;
}

/* Does it have this tag? NULL: no matter. */
static int is_the_one(const json_t *shown, const char *id, const char *tag,
                      const char *value, struct tns_error *err)
{
    _tns_json_ json_t *tags = NULL;
    const char *has;
    int rc = tag ? tns__prop_tags(shown, &tags, "pool.dataset", err) : 0;

    if (rc || !tag)
        return rc;
    has = json_string_value(json_object_get(tags, tag));
    if (has && strcmp(has, value) == 0)
        return 0;
    return tns__error_set(err, TNS_E_CONFLICT, "%s is another one by now", id);
}

/* The reply is the dataset as it is now. */
static int update_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    const json_t *shown = json_object_get(result, "user_properties");
    int rc;

    if (!json_is_object(shown))
        return 0;
    if (it->ret)
        *(bool *)it->ret = true;
    rc = is_the_one(shown, it->text[ID], it->text[TAG], it->text[VALUE], err);
    return rc ? rc : tns__tags_compare(shown, it->json, it->text[ID], err);
}

static const struct tns_verb update_verb = { update_encode, update_decode, NULL };

static int set_tags_put(struct tns_batch *b, const char *id, const json_t *tags,
                        const char *tag, const char *value, bool *ret_seen)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &update_verb, ret_seen);

    if (!it)
        return tns__batch_last(b);
    tns__batch_text(b, it, ID, id);
    tns__batch_text(b, it, TAG, tag);
    tns__batch_text(b, it, VALUE, value);
    if (tns__name_dataset(id, &why) == 0 &&
        !(it->json = json_copy((json_t *)(uintptr_t)tags)))
        tns__error_nomem(&why);
    if (why.code)
        tns__batch_refuse(b, &why);
    return tns__batch_last(b);
}

int tns__dataset_set_tags_of_put(struct tns_batch *b, const char *id, const json_t *tags,
                                 const char *tag, const char *value)
{
    return set_tags_put(b, id, tags, tag, value, NULL);
}

static int read_back(struct tns_session *s, const char *id, const json_t *tags,
                     const char *tag, const char *value, struct tns_error *err)
{
    struct tns_dataset *d = NULL;
    int rc = tns__dataset_get(s, id, &d, err);

    if (rc == 0)
        rc = is_the_one(d->tags, id, tag, value, err);
    if (rc == 0)
        rc = tns__tags_compare(d->tags, tags, id, err);
    tns__dataset_free(d);
    return rc;
}

int tns__dataset_set_tags(struct tns_session *s, const char *id, const json_t *tags,
                          struct tns_error *err)
{
    return tns__dataset_set_tags_of(s, id, tags, NULL, NULL, err);
}

int tns__dataset_set_tags_of(struct tns_session *s, const char *id, const json_t *tags,
                             const char *tag, const char *value, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s);
    struct tns_error why = TNS_ERROR_INIT;
    bool seen = false;
    int rc;

    set_tags_put(b, id, tags, tag, value, &seen);
    rc = tns__batch_run_one(b, &why, "tagging %s", id ? id : "");
    if (rc) {
        if (rc == -TNS_E_NOTFOUND)
            tns__nas_explain_missing(s, id, &why);
        return tns__error_copy(err, &why);
    }
    return seen ? 0 : read_back(s, id, tags, tag, value, err);
}

int tns__dataset_set_readonly(struct tns_session *s, const char *id, bool readonly,
                              struct tns_error *err)
{
    int rc = tns__name_dataset(id, err);

    if (rc)
        return rc;
    rc = tns__nas_call_on(s, id, "pool.dataset.update",
                          json_pack("[s, {s: s}]", id, "readonly", readonly ? "ON" : "OFF"),
                          0, NULL, err);
    return rc ? tns__error_prefix(err, "making %s %s", id,
                                  readonly ? "read-only" : "writable")
              : 0;
}

/* Some builds of 26 throw the refusal of ZFS away and answer true: only asking again tells. */
static int verify_gone(struct tns_session *s, const char *id, struct tns_error *err)
{
    const struct tns_dataset_filter filter = { .id = id, .minimal = true };
    struct tns_dataset_list *still = NULL;
    struct tns_error why = TNS_ERROR_INIT;
    bool gone;

    if (tns__dataset_list(s, &filter, &still, &why)) {
        why.flags |= TNS_F_OUTCOME_UNKNOWN;
        return tns__error_copy(err, &why);
    }
    gone = still->n == 0;
    tns__dataset_list_free(still);
    if (gone)
        return 0;
    return tns__error_set(
        err, TNS_E_CONFLICT,
        "the NAS said that it deleted %s, but it is still there: something "
        "uses it",
        id);
}

int tns__dataset_delete(struct tns_session *s, const char *id, struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc = tns__name_dataset(id, err);

    if (rc == 0)
        rc = tns__session_caps(s, &caps, err);
    if (rc == 0)
        rc =
            tns__nas_call_on(s, id, "pool.dataset.delete",
                             json_pack("[s, {s: b, s: b}]", id, "recursive", 0, "force", 0),
                             0, NULL, err);
    if (rc)
        return tns__error_prefix(err, "deleting %s", id ? id : "");
    return caps->delete_lies ? verify_gone(s, id, err) : 0;
}

int tns__dataset_promote(struct tns_session *s, const char *id, struct tns_error *err)
{
    int rc = tns__name_dataset(id, err);

    if (rc == 0)
        rc = tns__nas_call_on(s, id, "pool.dataset.promote", json_pack("[s]", id), 0, NULL,
                              err);
    return rc ? tns__error_prefix(err, "promoting %s", id ? id : "") : 0;
}

static int cannot_rename(const char *id, struct tns_error *err)
{
    return tns__error_set(
        err, TNS_E_UNSUPPORTED,
        "%s cannot be renamed: before TrueNAS 25.10 that needs the websocket "
        "and a key of a full administrator",
        id);
}

/* zfs.dataset.rename is not part of the API, so "unknown" and "not for you" mean the same. */
static int rename_private(struct tns_session *s, const struct tns_caps *caps,
                          const char *id, const char *new_id, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    int rc;

    if (!tns__quirk_private_methods(caps))
        return cannot_rename(id, err);
    rc = tns__nas_call_on(s, id, "zfs.dataset.rename",
                          json_pack("[s, {s: s, s: b}]", id, "new_name", new_id,
                                    "recursive", 0),
                          0, NULL, &why);
    if (rc == -TNS_E_UNSUPPORTED || rc == -TNS_E_PERMISSION)
        return cannot_rename(id, err);
    return rc ? tns__error_copy(err, &why) : 0;
}

int tns__dataset_rename(struct tns_session *s, const char *id, const char *new_id,
                        struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    int rc = tns__name_dataset(id, err);

    if (rc == 0)
        rc = tns__name_dataset(new_id, err);
    if (rc == 0)
        rc = tns__session_caps(s, &caps, err);
    if (rc)
        return rc;
    if (!caps->public_rename)
        return rename_private(s, caps, id, new_id, err);
    rc = tns__nas_call_on(s, id, "pool.dataset.rename",
                          json_pack("[s, {s: s, s: b, s: b}]", id, "new_name", new_id,
                                    "recursive", 0, "force", 1),
                          0, NULL, err);
    return rc ? tns__error_prefix(err, "renaming %s to %s", id, new_id) : 0;
}
