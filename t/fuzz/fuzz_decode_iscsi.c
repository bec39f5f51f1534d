/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as the lists of iSCSI objects. */
#include "decode.h"

static void extents(void)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(FUZZ_SESSION);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_extent_list *l = NULL;
    int rc;

    tns__extent_list_put(b, NULL, &l);
    rc = tns__batch_run(b, &err);
    fuzz_expect(rc, &err, l != NULL);
    for (size_t i = 0; l && i < l->n; i++) {
        size_t len = strlen(l->items[i].naa);

        if (len && (len != 32 || strspn(l->items[i].naa, "0123456789abcdef") != 32))
            abort();
    }
    tns__extent_list_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fuzz_open(data, size))
        return 0;
    extents();
    FUZZ_LIST(tns_mapping_list, tns__mapping_list_put(b, NULL, &list),
              tns__mapping_list_free);
    FUZZ_LIST(tns_target_list, tns__target_list_put(b, &list), tns__target_list_free);
    FUZZ_LIST(tns_portal_list, tns__portal_list_put(b, &list), tns__portal_list_free);
    FUZZ_LIST(tns_initiator_list, tns__initiator_list_put(b, &list),
              tns__initiator_list_free);
    FUZZ_LIST(tns_auth_list, tns__auth_list_put(b, &list), tns__auth_list_free);
    FUZZ_LIST(tns_iscsi_session_list, tns__iscsi_session_list_put(b, &list),
              tns__iscsi_session_list_free);
    FUZZ_LIST(tns_iscsi_global, tns__iscsi_global_get_put(b, &list),
              tns__iscsi_global_free);
    fuzz_close();
    return 0;
}
