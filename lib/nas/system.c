/* SPDX-License-Identifier: Apache-2.0 */
/* The NAS as a whole: ready, its clock, who it is. */
#include "nas/nas_priv.h"

#include <string.h>

static int read_value(struct tns_session *s, const char *method, json_t **ret,
                      struct tns_error *err)
{
    return tns__nas_call(s, method, json_array(), TNS_CALL_READ, ret, err);
}

int tns__system_ready(struct tns_session *s, bool *ret, struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    int rc = read_value(s, "system.ready", &result, err);

    if (rc)
        return rc;
    if (!json_is_boolean(result))
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "the reply to system.ready is no boolean");
    *ret = json_is_true(result);
    return 0;
}

int tns__system_time(struct tns_session *s, int64_t *ret_s, struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    const json_t *ms;
    int rc = read_value(s, "system.info", &result, err);

    if (rc)
        return rc;
    ms = json_object_get(json_object_get(result, "datetime"), "$date");
    if (!json_is_integer(ms))
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "the reply to system.info has no datetime");
    *ret_s = json_integer_value(ms) / 1000;
    return 0;
}

int tns__system_identity(struct tns_session *s, char **ret, struct tns_error *err)
{
    _tns_json_ json_t *result = NULL;
    char *id;
    int rc = read_value(s, "system.host_id", &result, err);

    if (rc)
        return rc;
    if (!json_is_string(result) || !json_string_length(result))
        return tns__error_set(err, TNS_E_PROTOCOL, "the reply to system.host_id is no id");
    id = tns__strdup(json_string_value(result));
    if (!id)
        return tns__error_nomem(err);
    *ret = id;
    return 0;
}
