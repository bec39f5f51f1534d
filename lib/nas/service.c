/* SPDX-License-Identifier: Apache-2.0 */
/* service.*: verbs of their own up to 25.04, one job with a verb from 25.10 on. */
#include "nas/nas_priv.h"

#include <ctype.h>
#include <string.h>

#define QUERY "service.query"

int tns__service_get(struct tns_session *s, const char *name, struct tns_service *ret,
                     struct tns_error *err)
{
    _tns_json_ json_t *rows = NULL;
    int rc = tns__nas_call(s, QUERY, json_pack("[[[s, s, s]], {}]", "service", "=", name),
                           TNS_CALL_READ, &rows, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *seen = NULL, *state = NULL;
        bool enabled = false;

        rc = tns__json_str(row, "service", &seen, QUERY, err);
        if (rc == 0)
            rc = tns__json_str(row, "state", &state, QUERY, err);
        if (rc == 0)
            rc = tns__json_bool(row, "enable", &enabled, QUERY, err);
        if (rc)
            return rc;
        if (strcmp(seen, name) != 0)
            continue;
        *ret = (struct tns_service){ .running = strcmp(state, "RUNNING") == 0,
                                     .enabled = enabled };
        return 0;
    }
    if (!json_is_array(rows))
        return tns__error_set(err, TNS_E_PROTOCOL, "%s: the reply is no list", QUERY);
    return tns__error_set(err, TNS_E_NOTFOUND, "the NAS has no service %s", name);
}

/* silent=false: by default a service that does not come up is reported as false, without reason. */
static int control(struct tns_session *s, const char *verb, const char *name,
                   struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    const struct tns_caps *caps = NULL;
    char method[32];
    char upper[16] = "";
    int rc = tns__session_caps(s, &caps, err);

    if (rc)
        return rc;
    for (size_t i = 0; verb[i] && i + 1 < sizeof(upper); i++)
        upper[i] = (char)toupper((unsigned char)verb[i]);
    tns__fmt(method, sizeof(method), "service.%s",
             caps->service_control ? "control" : verb);
    rc = tns__nas_call(s, method,
                       caps->service_control
                           ? json_pack("[s, s, {s: b}]", upper, name, "silent", 0)
                           : json_pack("[s, {s: b}]", name, "silent", 0),
                       caps->service_control ? TNS_CALL_JOB : 0, &result, err);
    if (rc == 0 && !json_is_true(result))
        rc = tns__error_set(err, TNS_E_SERVER, "the NAS says that it failed");
    return rc ? tns__error_prefix(err, "service %s: %s", name, verb) : 0;
}

int tns__service_start(struct tns_session *s, const char *name, bool enable,
                       struct tns_error *err)
{
    int rc = 0;

    if (enable)
        rc = tns__nas_call(s, "service.update", json_pack("[s, {s: b}]", name, "enable", 1),
                           0, NULL, err);
    return rc ? tns__error_prefix(err, "enabling service %s", name)
              : control(s, "start", name, err);
}

int tns__service_reload(struct tns_session *s, const char *name, struct tns_error *err)
{
    return control(s, "reload", name, err);
}
