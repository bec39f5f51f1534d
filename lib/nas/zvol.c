/* SPDX-License-Identifier: Apache-2.0 */
/* pool.dataset.create for zvols and filesystems, and what is special about sizes. */
#include "nas/decode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- pieces of the arguments ---- */

static int set_string(json_t *obj, const char *key, const char *value, bool upper,
                      struct tns_error *err)
{
    _tns_free_ char *copy = NULL;

    if (!value)
        return 0;
    copy = tns__strdup(value);
    if (!copy)
        return tns__error_nomem(err);
    for (char *p = copy; upper && *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return json_object_set_new(obj, key, json_string(copy)) ? tns__error_nomem(err) : 0;
}

/* [{key, value}, ...] of {name: string}. */
static json_t *tag_list(const json_t *tags)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        if (json_array_append_new(list,
                                  json_pack("{s: s, s: O}", "key", key, "value", value))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* The NAS takes a block size as one of its words: "512", "1K" ... "128K". */
static int set_blocksize(json_t *obj, uint64_t bytes, struct tns_error *err)
{
    char text[16];

    if (bytes == 0)
        return 0;
    if (bytes < 512 || bytes > 128 * 1024 || (bytes & (bytes - 1)))
        return tns__error_set(
            err, TNS_E_USAGE,
            "a block size of %llu bytes is not possible: a power of two from "
            "512 to 128K is needed",
            (unsigned long long)bytes);
    tns__fmt(text, sizeof(text), bytes < 1024 ? "%llu" : "%lluK",
             (unsigned long long)(bytes < 1024 ? bytes : bytes / 1024));
    return set_string(obj, "volblocksize", text, false, err);
}

static int zvol_arguments(const struct tns_zvol_spec *spec, json_t **ret,
                          struct tns_error *err)
{
    /* force_size: the server's 80 % rule counts the full size of sparse zvols as well, which
     * would forbid thin provisioning. */
    _tns_json_ json_t *obj =
        json_pack("{s: s, s: s, s: I, s: b, s: b}", "name", spec->id, "type", "VOLUME",
                  "volsize", (json_int_t)spec->volsize_bytes, "sparse", spec->sparse,
                  "force_size", spec->sparse);
    int rc =
        obj ? set_blocksize(obj, spec->volblocksize_bytes, err) : tns__error_nomem(err);

    if (rc == 0)
        rc = set_string(obj, "compression", spec->compression, true, err);
    if (rc == 0)
        rc = set_string(obj, "sync", spec->sync, true, err);
    if (rc == 0)
        rc = set_string(obj, "comments", spec->comments, false, err);
    if (rc == 0 && spec->tags &&
        json_object_set_new(obj, "user_properties", tag_list(spec->tags)))
        rc = tns__error_nomem(err);
    if (rc == 0)
        *ret = TNS_STEAL(obj);
    return rc;
}

/* ---- create ---- */

static int check_made(const json_t *result, const char *id, struct tns_error *err)
{
    const char *made = json_string_value(json_object_get(result, "id"));

    if (!made || strcmp(made, id) != 0)
        return tns__nas_bad_reply(err, "pool.dataset.create", "names another dataset");
    return 0;
}

/* "Parent dataset does not exist" may mean that the whole pool is away. */
static int dataset_create(struct tns_session *s, const char *id, json_t *arguments,
                          json_t **ret_made, struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    int rc = tns__nas_call_on(s, id, "pool.dataset.create", json_pack("[o]", arguments), 0,
                              &result, err);

    if (rc == 0)
        rc = check_made(result, id, err);
    if (rc == 0 && ret_made)
        *ret_made = TNS_STEAL(result);
    return rc;
}

static int check_spec(const struct tns_zvol_spec *spec, struct tns_error *err)
{
    int rc = tns__name_dataset(spec->id, err);

    if (rc == 0 && (spec->volsize_bytes == 0 || spec->volsize_bytes > INT64_MAX))
        rc = tns__error_set(err, TNS_E_USAGE, "%s: a size of %llu bytes is not possible",
                            spec->id, (unsigned long long)spec->volsize_bytes);
    if (rc == 0 && spec->comments)
        rc = tns__name_text(spec->comments, 1024, "comment", err);
    return rc;
}

/* What the reply shows decides, not the release: a volume without its tag would be nobody's. */
static int settle_tags(struct tns_session *s, const struct tns_zvol_spec *spec,
                       const json_t *made, struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    int rc = tns__tags_compare(json_object_get(made, "user_properties"), spec->tags,
                               spec->id, &why);

    if (rc == -TNS_E_NOMEM) {
        why.flags |= TNS_F_OUTCOME_UNKNOWN;
        return tns__error_copy(err, &why);
    }
    return rc ? tns__dataset_set_tags(s, spec->id, spec->tags, err) : 0;
}

int tns__zvol_create(struct tns_session *s, const struct tns_zvol_spec *spec,
                     struct tns_error *err)
{
    _tns_json_ json_t *made = NULL;
    json_t *arguments = NULL;
    int rc = check_spec(spec, err);

    if (rc == 0)
        rc = zvol_arguments(spec, &arguments, err);
    if (rc)
        return rc;
    rc = dataset_create(s, spec->id, arguments, &made, err);
    if (rc == 0 && json_object_size(spec->tags))
        rc = settle_tags(s, spec, made, err);
    return rc ? tns__error_prefix(err, "creating %s", spec->id) : 0;
}

static int create_encode(struct tns_item *it, const struct tns_caps *caps,
                         struct tns_error *err)
{
    if (caps->create_drops_tags)
        json_object_del(it->json, "user_properties");
    return tns__item_call(it, "pool.dataset.create", json_pack("[O]", it->json), 0, err);
}

/* it->json has the tags as the list of the arguments. */
static int create_decode(struct tns_item *it, json_t *result, struct tns_error *err)
{
    const json_t *sent = json_object_get(it->json, "user_properties");
    _tns_json_ json_t *tags = json_object();
    int rc = check_made(result, it->text[0], err);

    for (size_t i = 0; i < json_array_size(sent) && rc == 0; i++) {
        const json_t *tag = json_array_get(sent, i);

        if (json_object_set(tags, json_string_value(json_object_get(tag, "key")),
                            json_object_get(tag, "value")))
            rc = tns__error_nomem(err);
    }
    if (rc || !sent)
        return rc;
    return tns__tags_compare(json_object_get(result, "user_properties"), tags, it->text[0],
                             err);
}

static const struct tns_verb create_verb = { create_encode, create_decode, NULL };

int tns__zvol_create_put(struct tns_batch *b, const struct tns_zvol_spec *spec)
{
    struct tns_error why = TNS_ERROR_INIT;
    struct tns_item *it = tns__batch_add(b, &create_verb, NULL);

    if (!it)
        return tns__batch_last(b);
    tns__batch_text(b, it, 0, spec->id);
    if (check_spec(spec, &why) || zvol_arguments(spec, &it->json, &why))
        tns__batch_refuse(b, &why);
    return tns__batch_last(b);
}

int tns__filesystem_create(struct tns_session *s, const char *id, const char *comments,
                           struct tns_error *err)
{
    json_t *arguments;
    int rc = tns__name_dataset(id, err);

    if (rc == 0 && comments)
        rc = tns__name_text(comments, 1024, "comment", err);
    if (rc)
        return rc;
    arguments = json_pack("{s: s, s: s}", "name", id, "type", "FILESYSTEM");
    if (!arguments)
        return tns__error_nomem(err);
    rc = set_string(arguments, "comments", comments, false, err);
    if (rc)
        json_decref(arguments);
    else
        rc = dataset_create(s, id, arguments, NULL, err);
    return rc ? tns__error_prefix(err, "creating %s", id) : 0;
}

/* ---- sizes ---- */

int tns__zvol_resize(struct tns_session *s, const char *id, uint64_t volsize_bytes,
                     bool sparse, struct tns_error *err)
{
    int rc = tns__name_dataset(id, err);

    if (rc)
        return rc;
    if (volsize_bytes == 0 || volsize_bytes > INT64_MAX)
        return tns__error_set(err, TNS_E_USAGE, "%s: a size of %llu bytes is not possible",
                              id, (unsigned long long)volsize_bytes);
    rc = tns__nas_call_on(s, id, "pool.dataset.update",
                          json_pack("[s, {s: I, s: b}]", id, "volsize",
                                    (json_int_t)volsize_bytes, "force_size", sparse),
                          0, NULL, err);
    return rc ? tns__error_prefix(err, "resizing %s", id) : 0;
}

/* "16K", "512", "512B". */
static bool parse_blocksize(const char *text, uint64_t *ret)
{
    char digits[8] = "";
    size_t len = text ? strspn(text, "0123456789") : 0;
    uint64_t number;

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, text, len);
    if (!tns__parse_u64(digits, &number))
        return false;
    if (strcmp(text + len, "K") == 0)
        number *= 1024;
    else if (text[len] && strcmp(text + len, "B") != 0)
        return false;
    *ret = number;
    return number >= 512;
}

int tns__recommended_blocksize(struct tns_session *s, const char *pool, uint64_t *ret_bytes,
                               struct tns_error *err)
{
    const char *method = "pool.dataset.recommended_zvol_blocksize";
    _tns_json_ json_t *result = NULL;
    uint64_t bytes;
    int rc = tns__name_dataset(pool, err);

    if (rc == 0)
        rc = tns__nas_call_on(s, pool, method, json_pack("[s]", pool), TNS_CALL_READ,
                              &result, err);
    if (rc)
        return rc;
    if (!parse_blocksize(json_string_value(result), &bytes))
        return tns__error_set(err, TNS_E_PROTOCOL, "the reply to %s is no block size",
                              method);
    *ret_bytes = bytes;
    return 0;
}
