/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as pools, roles, services, the outcome of a bulk, and single values. */
#include "decode.h"

static void pools(void)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_pool_list *l = NULL;
    struct tns_pool *p = NULL;
    int rc = tns__pool_list(FUZZ_SESSION, &l, &err);

    fuzz_expect(rc, &err, l != NULL);
    tns__pool_list_free(l);
    tns__error_clear(&err);
    rc = tns__pool_get(FUZZ_SESSION, "tank", &p, &err);
    fuzz_expect(rc, &err, p != NULL);
    tns__pool_free(p);
}

static void values(void)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_service service;
    uint64_t bytes = 0;
    int64_t now = 0;
    char *id = NULL;
    bool ready;

    tns__system_ready(FUZZ_SESSION, &ready, &err);
    tns__error_clear(&err);
    tns__system_time(FUZZ_SESSION, &now, &err);
    tns__error_clear(&err);
    fuzz_expect(tns__system_identity(FUZZ_SESSION, &id, &err), &err, id != NULL);
    tns__free(id);
    tns__error_clear(&err);
    tns__service_get(FUZZ_SESSION, "iscsitarget", &service, &err);
    tns__error_clear(&err);
    fuzz_expect(tns__recommended_blocksize(FUZZ_SESSION, "tank", &bytes, &err), &err,
                bytes != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _tns_json_ json_t *rows = json_pack("[[s], [s]]", "tank/a@b", "tank/a@c");
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[2];
    struct tns_roles roles = { 0 };

    if (!fuzz_open(data, size))
        return 0;
    pools();
    values();
    tns__roles_get(FUZZ_SESSION, &roles, &err);
    tns__roles_lack(&roles, "DATASET_WRITE");
    tns__roles_clear(&roles);
    tns__error_clear(&err);
    tns__bulk(FUZZ_SESSION, "pool.snapshot.delete", rows, 0, each, &err);
    fuzz_close();
    return 0;
}
