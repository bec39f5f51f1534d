/* SPDX-License-Identifier: Apache-2.0 */
/* What the key may do, so that lacking it is said before the first side effect. */
#include "nas/nas_priv.h"

#include <string.h>

void tns__roles_clear(struct tns_roles *r)
{
    json_decref(r->names);
    *r = (struct tns_roles){ 0 };
}

static bool has(const json_t *names, const char *role)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name && strcmp(name, role) == 0)
            return true;
    }
    return false;
}

int tns__roles_get(struct tns_session *s, struct tns_roles *ret, struct tns_error *err)
{
    _tns_json_ json_t *me = NULL;
    const struct tns_caps *caps = NULL;
    json_t *names;
    int rc = tns__session_caps(s, &caps, err);

    if (rc)
        return rc;
    if (!tns__quirk_knows_roles(caps)) {
        *ret = (struct tns_roles){ 0 };
        return 0;
    }
    rc = tns__nas_call(s, "auth.me", json_array(), TNS_CALL_READ, &me, err);
    if (rc)
        return rc;
    names = json_object_get(json_object_get(me, "privilege"), "roles");
    if (json_is_object(names)) /* a set, as the extended JSON of the NAS writes it */
        names = json_object_get(names, "$set");
    if (!json_is_array(names))
        return tns__error_set(err, TNS_E_PROTOCOL, "the reply to auth.me names no roles");
    *ret = (struct tns_roles){ .known = true,
                               .full_admin = has(names, "FULL_ADMIN"),
                               .names = json_incref(names) };
    return 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* The server lists what a role includes as well. Only what all releases agree on is known here too:
 * whoever may write may read, one role reads everything, and one writes all of iSCSI. */
static bool has_broader(const json_t *names, const char *role)
{
    _tns_free_ char *writing = NULL;

    if (tns__starts_with(role, "SHARING_ISCSI_") && has(names, "SHARING_ISCSI_WRITE"))
        return true;
    if (!ends_with(role, "_READ"))
        return false;
    if (has(names, "READONLY_ADMIN"))
        return true;
    writing = tns__asprintf("%.*sWRITE", (int)(strlen(role) - strlen("READ")), role);
    return writing && has(names, writing);
}

bool tns__roles_lack(const struct tns_roles *r, const char *role)
{
    return r->known && !r->full_admin && !has(r->names, role) &&
           !has_broader(r->names, role);
}
