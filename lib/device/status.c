/* SPDX-License-Identifier: Apache-2.0 */
/* What this node knows of one volume, for people and for tests. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "device/locate.h"
#include "device/verify.h"

static void set_portal(const struct tns__located *at, const struct tns__path *path,
                       json_t *ret)
{
    for (size_t i = 0; i < at->sessions.n; i++) {
        const struct tns__session *s = &at->sessions.s[i];
        char portal[TNS__ADDR_TEXT];

        if (s->host != path->host || !s->has_portal)
            continue;
        tns__addr_format(&s->portal, portal);
        json_object_set_new(ret, "portal", json_string(portal));
        json_object_set_new(ret, "session", json_string(s->is_up ? "up" : "down"));
    }
}

static json_t *path_status(struct tns_node *node, const struct tns__located *at,
                           const struct tns__path *path, struct tns_error *err)
{
    char state[32] = "unknown";
    json_t *one;

    tns__sysroot_read(node->sr, state, sizeof(state), NULL,
                      "/sys/class/block/%s/device/state", path->dev);
    one = tns__json_pack(err, "{s:s, s:s}", "dev", path->dev, "state", state);
    if (!one)
        return NULL;
    set_portal(at, path, one);
    if (path->err.code)
        json_object_set_new(one, "error", json_string(path->err.text));
    else
        json_object_update_new(one,
                               tns__json_pack(NULL, "{s:s, s:I}", "naa", path->id.naa,
                                              "size", (json_int_t)path->id.size_bytes));
    return one;
}

static int add_paths(struct tns_node *node, struct tns__located *at, json_t *ret,
                     struct tns_error *err)
{
    json_t *list = json_array();

    if (json_object_set_new(ret, "paths", list) < 0)
        return tns__error_nomem(err);
    tns__paths_identify(node, &at->paths, false);
    for (size_t i = 0; i < at->paths.n; i++) {
        json_t *one = path_status(node, at, &at->paths.p[i], err);

        if (!one || json_array_append_new(list, one) < 0)
            return tns__error_nomem(err);
    }
    return 0;
}

static int add_users(struct tns_node *node, const struct tns__located *at, json_t *ret,
                     struct tns_error *err)
{
    const char *dev = tns__located_dev(at);
    json_t *users = NULL;
    int rc;

    if (!dev) {
        users = tns__json_pack(err, "{s:[], s:[]}", "holders", "openers");
        rc = users ? 0 : -TNS_E_NOMEM;
    } else {
        rc = tns__users_find(node, dev, NULL, &users, err);
    }
    if (rc < 0)
        return rc;
    return json_object_update_new(ret, users) < 0 ? tns__error_nomem(err) : 0;
}

static json_t *head(struct tns_node *node, const struct tns__known *known,
                    const struct tns__located *at, struct tns_error *err)
{
    const char *dev = tns__located_dev(at);
    bool is_mapped = at->link.kind == TNS__LINK_MAP || at->link.kind == TNS__LINK_DISK;
    char path[512], wwid[TNS__WWID_TEXT] = "";
    uint64_t size = 0;

    snprintf(path, sizeof(path), "/dev/tnstor/%s/%s", known->storeid, known->linkname);
    if (known->naa[0])
        tns__wwid_of(known->naa, wwid);
    if (dev)
        tns__dev_size(node, dev, &size, NULL);
    return tns__json_pack(err, "{s:b, s:s, s:s?, s:s, s:I}", "mapped", (int)is_mapped,
                          "path", path, "device", is_mapped ? at->link.target : dev, "wwid",
                          wwid, "size", (json_int_t)size);
}

int tns__device_status(struct tns_node *node, const struct tns_want *want, json_t **ret,
                       struct tns_error *err)
{
    _tns_free_ struct tns__located *at = tns__alloc(sizeof(*at));
    struct tns_record record = { .memory = NULL };
    _tns_json_ json_t *status = NULL;
    struct tns__known known;
    int rc;

    if (!at)
        return tns__error_nomem(err);
    rc = tns__known_make(node, want, &record, &known, err);
    if (rc == 0)
        rc = tns__locate(node, &known, at, err);
    if (rc == 0) {
        status = head(node, &known, at, err);
        rc = status ? 0 : -TNS_E_NOMEM;
    }
    if (rc == 0)
        rc = add_paths(node, at, status, err);
    if (rc == 0)
        rc = add_users(node, at, status, err);
    if (rc == 0)
        *ret = TNS_STEAL(status);
    tns__record_clear(&record);
    return rc;
}
