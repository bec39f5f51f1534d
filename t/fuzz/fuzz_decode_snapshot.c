/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as the list of snapshots, in the shape of every namespace. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_snapshot_list *l = NULL;
    int rc;

    if (!fuzz_open(data, size))
        return 0;
    rc = tns__snapshot_list(FUZZ_SESSION, "tank/vm/vm-101-disk-0", &l, &err);
    fuzz_expect(rc, &err, l != NULL);
    for (size_t i = 0; l && i < l->n; i++) {
        if (!l->items[i].name || (i && l->items[i - 1].createtxg > l->items[i].createtxg))
            abort();
    }
    tns__snapshot_list_free(l);
    fuzz_close();
    return 0;
}
