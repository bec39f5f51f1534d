/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as the reply to the queries and changes of datasets. */
#include "decode.h"

static void check_rows(const struct tns_dataset_list *l, bool minimal)
{
    for (size_t i = 0; l && i < l->n; i++) {
        const struct tns_dataset *d = &l->items[i];

        if (!d->id || !d->pool ||
            (d->type == TNS_DATASET_VOLUME && !d->volsize_bytes && !minimal))
            abort();
    }
}

static void list(const struct tns_dataset_filter *f)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset_list *l = NULL;
    int rc = tns__dataset_list(FUZZ_SESSION, f, &l, &err);

    fuzz_expect(rc, &err, l != NULL);
    check_rows(l, f->minimal);
    tns__dataset_list_free(l);
}

static void change(void)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:a", "1");
    const struct tns_zvol_spec spec = { .id = "tank/x",
                                        .volsize_bytes = 1 << 20,
                                        .tags = tags };
    struct tns_error err = TNS_ERROR_INIT;

    tns__zvol_create(FUZZ_SESSION, &spec, &err);
    tns__error_clear(&err);
    tns__dataset_set_tags(FUZZ_SESSION, "tank/x", tags, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ids[] = { "tank/vm/vm-101-disk-0", NULL };

    if (!fuzz_open(data, size))
        return 0;
    list(&(struct tns_dataset_filter){ .parent = "tank/vm", .with_tags = true });
    list(&(struct tns_dataset_filter){ .id = ids[0] });
    list(&(struct tns_dataset_filter){ .ids = ids, .minimal = true });
    list(&(struct tns_dataset_filter){ .origin_of = "tank/vm/x@y" });
    FUZZ_LIST(tns_dataset, tns__dataset_get_put(b, ids[0], &list), tns__dataset_free);
    change();
    fuzz_close();
    return 0;
}
