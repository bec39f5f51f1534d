/* SPDX-License-Identifier: Apache-2.0 */
/* iscsi.portal: the addresses that targets are reached by. */
#include "nas/decode.h"

#define QUERY "iscsi.portal.query"
#define DEFAULT_PORT 3260

static const struct tns_field fields[] = {
    TNS_FIELD(TNS_FIELD_I64, TNS_MUST, tns_portal, id, "id"),
    TNS_FIELD(TNS_FIELD_STR, TNS_TEXT, tns_portal, comment, "comment"),
    TNS_FIELD(TNS_FIELD_I64, TNS_MAY, tns_portal, tag, "tag"),
};

static void portal_clear(void *row)
{
    struct tns_portal *p = row;

    tns__strings_free(p->ips);
    p->ips = NULL;
    tns__fields_clear(fields, TNS_ARRAY_LEN(fields), p);
}

/* One port for all addresses: it is the listen_port of the global settings. */
static uint16_t listen_port(const json_t *listen)
{
    json_int_t port =
        json_integer_value(json_object_get(json_array_get(listen, 0), "port"));

    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : DEFAULT_PORT;
}

static int portal_row(const json_t *obj, void *row, const struct tns_item *it,
                      struct tns_error *err)
{
    struct tns_portal *p = row;
    const json_t *listen = json_object_get(obj, "listen");
    int rc = tns__fields_decode(obj, fields, TNS_ARRAY_LEN(fields), p, QUERY, err);

    (void)it;
    if (rc)
        return rc;
    rc = tns__strings_decode(listen, "ip", &p->ips, QUERY, err);
    p->port = listen_port(listen);
    if (rc)
        portal_clear(p);
    return rc;
}

static const struct tns_list_kind kind = {
    .what = QUERY,
    .row_size = sizeof(struct tns_portal),
    .row = portal_row,
    .clear = portal_clear,
};

void tns__portal_list_free(struct tns_portal_list *l)
{
    tns__list_free(l, &kind);
}

int tns__portal_list_put(struct tns_batch *b, struct tns_portal_list **ret)
{
    return tns__list_put(b, &kind, ret);
}

int tns__portal_create(struct tns_session *s, const char *const *ips, const char *comment,
                       int64_t *ret_id, struct tns_error *err)
{
    _tns_json_ json_t *listen = json_array();
    int rc = tns__name_text(comment ? comment : "", 1024, "portal comment", err);

    for (size_t i = 0; ips[i] && rc == 0; i++) {
        rc = tns__name_text(ips[i], 64, "portal address", err);
        if (rc == 0 && json_array_append_new(listen, json_pack("{s: s}", "ip", ips[i])))
            rc = tns__error_nomem(err);
    }
    if (rc)
        return rc;
    rc = tns__nas_create(s, "iscsi.portal.create",
                         json_pack("[{s: O, s: s}]", "listen", listen, "comment",
                                   comment ? comment : ""),
                         0, ret_id, err);
    return rc ? tns__error_prefix(err, "creating a portal") : 0;
}
