/* SPDX-License-Identifier: Apache-2.0 */
/* status: how much room there is, in one call. */
#include "base/error.h"
#include "base/json.h"
#include "nas/nas.h"
#include "volume/pin.h"
#include "volume/resolve.h"
#include "volume/storage.h"

/* A quota caps what can be used below it; `available` knows that already. */
static int ask(struct tns_storage *st, json_t **ret, struct tns_error *err)
{
    struct tns_dataset_filter filter = { .id = st->opt.dataset, .minimal = true };
    struct tns_dataset_list *list = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__pinned_list(st, &filter, &list, &local);
    json_t *answer;

    if (rc == -TNS_E_NOTFOUND || (rc == 0 && list->n != 1)) {
        tns__dataset_list_free(list);
        return tns__parent_missing(st, err);
    }
    if (rc)
        return tns__error_copy(err, &local);

    answer = tns__json_pack(err, "{s:I, s:I, s:I}", "total",
                            (json_int_t)list->items[0].used_bytes +
                                (json_int_t)list->items[0].available_bytes,
                            "available", (json_int_t)list->items[0].available_bytes, "used",
                            (json_int_t)list->items[0].used_bytes);
    tns__dataset_list_free(list);
    if (!answer)
        return -err->code;
    *ret = answer;
    return 0;
}

int tns_storage_status(struct tns_storage *st, json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = ask(st, ret, &guard.error);
    return rc;
}
