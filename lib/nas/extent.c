/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.extent: what joins a zvol with the identity that a host sees. */
#include "nas/decode.h"

#include <string.h>

#define QUERY "iscsi.extent.query"
#define NAME_MAX_BYTES 64

enum { DISK, PREFIX, NAME };

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_extent, id, "id"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_extent, name, "name"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MAY, tns_extent, disk, "disk"),
    TNS_FIELD(TNS_FIELD_STR, TNS_TEXT, tns_extent, serial, "serial"),
    TNS_FIELD(TNS_FIELD_STR, TNS_MUST, tns_extent, naa, "naa"),
    TNS_FIELD(TNS_FIELD_STR, TNS_TEXT, tns_extent, comment, "comment"),
    TNS_FIELD(TNS_FIELD_U32, TNS_MUST, tns_extent, blocksize, "blocksize"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MUST, tns_extent, enabled, "enabled"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MUST, tns_extent, ro, "ro"),
    TNS_FIELD(TNS_FIELD_BOOL, TNS_MAY, tns_extent, locked, "locked"),
};

/* In place: 32 lower-case digits, or "" for what can never be the identity of a device. */
static void normalise_naa(char *naa)
{
    const char *digits = naa[0] == '0' && (naa[1] == 'x' || naa[1] == 'X') ? naa + 2 : naa;
    size_t len = strspn(digits, "0123456789abcdefABCDEF");

    if (len != 32 || digits[len]) {
        naa[0] = '\0';
        return;
    }
    memmove(naa, digits, len + 1);
    for (char *p = naa; *p; p++) {
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
    }
}

static int extent_row(const json_t *obj, void *row, const struct tns_item *it,
                      struct tns_error *err)
{
    struct tns_extent *e = row;
    const char *type = json_string_value(json_object_get(obj, "type"));
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), e, QUERY, err);

    (void)it;
    if (rc)
        return rc;
    normalise_naa(e->naa);
    if (type && strcmp(type, "FILE") == 0) {
        tns__free(e->disk);
        e->disk = NULL;
    }
    return 0;
}

static void extent_clear(void *row)
{
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), row);
}

static bool extent_keep(const void *row, const struct tns_item *it)
{
    const struct tns_extent *e = row;

    return (!it->text[DISK] || (e->disk && strcmp(e->disk, it->text[DISK]) == 0)) &&
           (!it->text[PREFIX] ||
            (e->disk && tns__starts_with(e->disk, it->text[PREFIX]))) &&
           (!it->text[NAME] || strcmp(e->name, it->text[NAME]) == 0) &&
           (it->num[0] <= 0 || e->id == it->num[0]);
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_extent),
    .row = extent_row,
    .clear = extent_clear,
    .keep = extent_keep,
};

void tns__extent_list_free(struct tns_extent_list *l)
{
    tns__list_free(l, &kind);
}

/* ---- query ---- */

/* One filter is enough for the reply to be small; the others are applied here. */
static int extent_filter(const struct tns_item *it, json_t **ret, struct tns_error *err)
{
    if (it->num[0] > 0)
        *ret = json_pack("[s, s, I]", "id", "=", (json_int_t)it->num[0]);
    else if (it->text[DISK])
        *ret = json_pack("[s, s, s]", "disk", "=", it->text[DISK]);
    else if (it->text[NAME])
        *ret = json_pack("[s, s, s]", "name", "=", it->text[NAME]);
    else if (it->text[PREFIX])
        *ret = json_pack("[s, s, s]", "disk", "^", it->text[PREFIX]);
    else
        return 0;
    return *ret ? 0 : tns__error_nomem(err);
}

static int extent_encode(struct tns_item *it, const struct tns_caps *caps,
                         struct tns_error *err)
{
    json_t *filter = NULL;
    json_t *options = NULL;
    int rc = extent_filter(it, &filter, err);

    if (rc == 0 && tns__quirk_select(caps)) {
        options = json_pack("{s: [s, s, s, s, s, s, s, s, s, s, s]}", "select", "id",
                            "name", "type", "disk", "serial", "naa", "comment", "blocksize",
                            "enabled", "ro", "locked");
        if (!options)
            rc = tns__error_nomem(err);
    }
    if (rc) {
        json_decref(filter);
        return rc;
    }
    return tns__item_query(it, QUERY, filter, options, err);
}

static int extent_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    void *list = NULL;
    int rc = tns__list_decode(result, &kind, it, &list, err);

    if (rc)
        return rc;
    if (it->num[0] > 0 && ((struct tns_extent_list *)list)->n > 1) {
        tns__list_free(list, &kind);
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "%s: there are two extents with the id %lld", QUERY,
                              (long long)it->num[0]);
    }
    tns__item_give(it, list);
    return 0;
}

static const struct tns_verb list_verb = { extent_encode, extent_decode, NULL };

int tns__extent_list_put(struct tns_batch *b, const struct tns_extent_filter *f,
                         struct tns_extent_list **ret)
{
    struct tns_item *it = tns__batch_add(b, &list_verb, ret);

    if (it && f) {
        tns__batch_text(b, it, DISK, f->disk);
        tns__batch_text(b, it, PREFIX, f->disk_prefix);
        tns__batch_text(b, it, NAME, f->name);
        it->num[0] = f->id;
    }
    return tns__batch_last(b);
}

/* ---- changes ---- */

char *tns__extent_disk(const char *zvol)
{
    char *disk = tns__asprintf("zvol/%s", zvol);

    /* as the device node is called: /dev/zvol has '+' where the name has a blank */
    for (char *p = disk; p && *p; p++) {
        if (*p == ' ')
            *p = '+';
    }
    return disk;
}

static int set_optional(json_t *obj, const char *key, const char *value,
                        struct tns_error *err)
{
    if (!value)
        return 0;
    return json_object_set_new(obj, key, json_string(value)) ? tns__error_nomem(err) : 0;
}

static int check_spec(const struct tns_extent_spec *spec, struct tns_error *err)
{
    int rc = tns__name_text(spec->name, NAME_MAX_BYTES, "extent name", err);

    if (rc == 0)
        rc = tns__name_dataset(spec->zvol, err);
    if (rc == 0 && spec->serial)
        rc = tns__name_text(spec->serial, 20, "extent serial", err);
    if (rc == 0 && spec->comment)
        rc = tns__name_text(spec->comment, 1024, "extent comment", err);
    return rc;
}

int tns__extent_create(struct tns_session *s, const struct tns_extent_spec *spec,
                       int64_t *ret_id, struct tns_error *err)
{
    _tns_json_ json_t *obj = NULL;
    _tns_free_ char *disk = NULL;
    int rc = check_spec(spec, err);

    if (rc)
        return rc;
    disk = tns__extent_disk(spec->zvol);
    obj = disk ? json_pack("{s: s, s: s, s: s, s: i, s: b}", "name", spec->name, "type",
                           "DISK", "disk", disk, "blocksize",
                           (int)(spec->blocksize ? spec->blocksize : 512), "ro", spec->ro)
               : NULL;
    if (!obj)
        return tns__error_nomem(err);
    rc = set_optional(obj, "serial", spec->serial, err);
    if (rc == 0)
        rc = set_optional(obj, "comment", spec->comment, err);
    if (rc == 0)
        rc = tns__nas_create(s, "iscsi.extent.create", json_pack("[O]", obj), 0, ret_id,
                             err);
    return rc ? tns__error_prefix(err, "creating extent %s", spec->name) : 0;
}

int tns__extent_set_zvol(struct tns_session *s, int64_t id, const char *zvol,
                         const char *name, struct tns_error *err)
{
    _tns_free_ char *disk = NULL;
    int rc = tns__name_dataset(zvol, err);

    if (rc == 0)
        rc = tns__name_text(name, NAME_MAX_BYTES, "extent name", err);
    if (rc)
        return rc;
    disk = tns__extent_disk(zvol);
    if (!disk)
        return tns__error_nomem(err);
    rc = tns__nas_call(s, "iscsi.extent.update",
                       json_pack("[I, {s: s, s: s}]", (json_int_t)id, "disk", disk, "name",
                                 name),
                       0, NULL, err);
    return rc ? tns__error_prefix(err, "pointing extent %lld at %s", (long long)id, zvol)
              : 0;
}

int tns__extent_set_enabled(struct tns_session *s, int64_t id, bool enabled,
                            struct tns_error *err)
{
    int rc = tns__nas_call(s, "iscsi.extent.update",
                           json_pack("[I, {s: b}]", (json_int_t)id, "enabled", enabled), 0,
                           NULL, err);

    return rc ? tns__error_prefix(err, "%sabling extent %lld", enabled ? "en" : "dis",
                                  (long long)id)
              : 0;
}

int tns__extent_delete(struct tns_session *s, int64_t id, struct tns_error *err)
{
    /* remove=false: never the file. force=true: see nas.h. */
    int rc = tns__nas_call(s, "iscsi.extent.delete",
                           json_pack("[I, b, b]", (json_int_t)id, 0, 1), 0, NULL, err);

    return rc ? tns__error_prefix(err, "deleting extent %lld", (long long)id) : 0;
}
