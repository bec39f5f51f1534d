/* SPDX-License-Identifier: Apache-2.0 */
/* What a volume was when the NAS last told: kept on the node for the day when the NAS is silent. */
#include "device/record_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "base/json.h"

#define RECORD_MAX 65536u
#define RECORD_PORTALS_MAX 64u

/* Owns what the strings of a read want point at. */
struct record_memory {
    json_t *json;
    struct tns_addr *portals;
    char *storeid, *linkname;
};

static int record_path(const char *storeid, const char *linkname, char *ret, size_t cap,
                       struct tns_error *err)
{
    int rc = tns__names_check(storeid, linkname, err);

    if (rc < 0)
        return rc;
    if (!tns__fmt(ret, cap, TNS__RECORD_DIR "/%s/%s.json", storeid, linkname))
        return tns__error_set(err, TNS_E_USAGE, "%s: the name is too long", linkname);
    return 0;
}

static json_t *record_portals(const struct tns_want *want)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < want->n_portals; i++) {
        char text[TNS__ADDR_TEXT];

        tns__addr_format(&want->portals[i], text);
        if (json_array_append_new(list, json_string(text)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static char *record_text(const struct tns_want *want, size_t *ret_len,
                         struct tns_error *err)
{
    json_t *portals = record_portals(want);
    _tns_json_ json_t *record = NULL;
    char *text;

    if (!portals) {
        tns__error_nomem(err);
        return NULL;
    }
    record = tns__json_pack(err, "{s:s, s:s?, s:s, s:i, s:o, s:I, s:I, s:b, s:b}", "naa",
                            want->naa, "serial", want->serial, "target", want->target_iqn,
                            "lun", (int)want->lun, "portals", portals, "size",
                            (json_int_t)want->size_bytes, "blocksize",
                            (json_int_t)want->blocksize, "readonly", (int)want->readonly,
                            "multipath", (int)want->multipath);
    if (!record)
        return NULL;
    text = tns__json_dump(record, ret_len);
    if (!text)
        tns__error_nomem(err);
    return text;
}

int tns__record_write(struct tns_node *node, const struct tns_want *want,
                      struct tns_error *err)
{
    struct tns_error none = TNS_ERROR_INIT;
    _tns_free_ char *text = NULL, *before = NULL;
    size_t len, before_len;
    char path[512];
    int rc;

    rc = tns__want_check(want, err);
    if (rc == 0)
        rc = record_path(want->storeid, want->linkname, path, sizeof(path), err);
    if (rc < 0)
        return rc;
    text = record_text(want, &len, err);
    if (!text)
        return -TNS_E_NOMEM;

    /* the usual case, and then the disk is left alone */
    if (tns__sysroot_slurp(node->sr, RECORD_MAX, &before, &before_len, &none, "%s", path) ==
            0 &&
        before_len == len && memcmp(before, text, len) == 0)
        return 0;
    return tns__sysroot_replace(node->sr, text, len, 0600, err, "%s", path);
}

static void memory_free(struct record_memory *m)
{
    if (!m)
        return;
    json_decref(m->json);
    tns__free(m->portals);
    tns__free(m->storeid);
    tns__free(m->linkname);
    tns__free(m);
}

static void memory_freep(struct record_memory **m)
{
    memory_free(*m);
}

void tns__record_clear(struct tns_record *r)
{
    memory_free(r->memory);
    *r = (struct tns_record){ 0 };
}

static int parse_portals(struct record_memory *m, struct tns_want *want, const char *path,
                         struct tns_error *err)
{
    const json_t *list;
    size_t n;
    int rc = tns__json_arr(m->json, "portals", &list, path, err);

    if (rc < 0)
        return rc;
    n = json_array_size(list);
    if (n > RECORD_PORTALS_MAX)
        return tns__error_set(err, TNS_E_DEVICE, "%s names %zu portals", path, n);
    m->portals = tns__calloc(n + 1, sizeof(*m->portals));
    if (!m->portals)
        return tns__error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        rc = tns__addr_parse(text ? text : "", &m->portals[i], err);
        if (rc < 0)
            return tns__error_prefix(err, "%s", path);
    }
    want->portals = m->portals;
    want->n_portals = n;
    return 0;
}

static int parse_numbers(const json_t *json, struct tns_want *want, const char *path,
                         struct tns_error *err)
{
    uint64_t lun = 0, blocksize = 0;
    int rc = tns__json_size(json, "lun", &lun, path, err);

    if (rc == 0)
        rc = tns__json_size(json, "size", &want->size_bytes, path, err);
    if (rc == 0)
        rc = tns__json_size(json, "blocksize", &blocksize, path, err);
    if (rc == 0)
        rc = tns__json_bool(json, "readonly", &want->readonly, path, err);
    if (rc == 0)
        rc = tns__json_bool(json, "multipath", &want->multipath, path, err);
    if (rc < 0)
        return rc;
    if (lun > UINT16_MAX || blocksize > UINT32_MAX)
        return tns__error_set(err, TNS_E_DEVICE, "%s holds impossible numbers", path);
    want->lun = (uint16_t)lun;
    want->blocksize = (uint32_t)blocksize;
    return 0;
}

static int parse_record(struct record_memory *m, struct tns_want *want, const char *path,
                        struct tns_error *err)
{
    const char *naa;
    int rc = tns__json_str(m->json, "naa", &naa, path, err);

    if (rc == 0)
        rc = tns__json_str(m->json, "target", &want->target_iqn, path, err);
    if (rc == 0)
        rc = tns__json_str_opt(m->json, "serial", &want->serial, path, err);
    if (rc == 0)
        rc = parse_numbers(m->json, want, path, err);
    if (rc == 0)
        rc = parse_portals(m, want, path, err);
    if (rc < 0)
        return rc;
    snprintf(want->naa, sizeof(want->naa), "%s", naa);
    return tns__want_check(want, err);
}

static int record_load(struct tns_node *node, const char *path, json_t **ret,
                       struct tns_error *err)
{
    _tns_free_ char *text = NULL;
    size_t len;
    int rc = tns__sysroot_slurp(node->sr, RECORD_MAX, &text, &len, err, "%s", path);

    if (rc == 0)
        rc = tns__json_parse(text, len, &tns__json_default_limits, ret, err);
    return rc < 0 ? tns__error_prefix(err, "%s", path) : 0;
}

int tns__record_read(struct tns_node *node, const char *storeid, const char *linkname,
                     struct tns_record *ret, struct tns_error *err)
{
    __attribute__((cleanup(memory_freep))) struct record_memory *m = NULL;
    struct tns_want want = { 0 };
    char path[512];
    int rc = record_path(storeid, linkname, path, sizeof(path), err);

    if (rc < 0)
        return rc;
    if (tns__is_broken("record"))
        return tns__error_set(err, TNS_E_NOTFOUND, "%s: left out", path);
    m = tns__alloc(sizeof(*m));
    if (!m || !(m->storeid = tns__strdup(storeid)) ||
        !(m->linkname = tns__strdup(linkname)))
        return tns__error_nomem(err);
    rc = record_load(node, path, &m->json, err);
    if (rc < 0)
        return rc;

    want.storeid = m->storeid;
    want.linkname = m->linkname;
    rc = parse_record(m, &want, path, err);
    if (rc < 0)
        return rc;
    ret->want = want;
    ret->memory = TNS_STEAL(m);
    return 0;
}

int tns__record_remove(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err)
{
    char path[512];
    int rc = record_path(storeid, linkname, path, sizeof(path), err);

    if (rc == 0)
        rc = tns__recent_forget(node, storeid, linkname, err);
    return rc < 0 ? rc : tns__sysroot_unlink(node->sr, err, "%s", path);
}

/* "vm-100-disk-0.json" to the link's name; false for anything that is no record. */
static bool linkname_of(char *file)
{
    size_t len = strlen(file);

    if (len <= 5 || strcmp(file + len - 5, ".json") != 0)
        return false;
    file[len - 5] = '\0';
    return tns__is_linkname(file);
}

int tns__record_names(struct tns_node *node, const char *storeid, char ***ret,
                      struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    size_t n = 0;
    int rc;

    if (!tns__is_storeid(storeid))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not a storage id", storeid);
    rc = tns__sysroot_list(node->sr, &names, &mine, TNS__RECORD_DIR "/%s", storeid);
    if (rc == -TNS_E_NOTFOUND)
        names = tns__calloc(1, sizeof(*names));
    else if (rc < 0)
        return tns__error_copy(err, &mine);
    if (!names)
        return tns__error_nomem(err);

    for (char **name = names; *name; name++) {
        if (linkname_of(*name))
            names[n++] = *name;
        else
            tns__free(*name);
    }
    names[n] = NULL;
    *ret = TNS_STEAL(names);
    return 0;
}
