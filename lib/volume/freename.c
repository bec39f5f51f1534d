/* SPDX-License-Identifier: Apache-2.0 */
/* Free names: a few dozen candidates are asked for by name, never the whole dataset. */
#include "volume/freename.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#define NUMBER_MAX 1000u

void tns__names_free(struct tns_names *names)
{
    if (names)
        tns__dataset_list_free(names->found);
    tns__free(names);
}

void tns__names_freep(struct tns_names **names)
{
    tns__names_free(*names);
}

/* Two names of each number, longer than their dataset by "/base-999999999-disk-1000" and what
 * goes around them; the dataset itself may come along. */
static unsigned names_that_fit(const char *dataset)
{
    size_t bytes = strlen(dataset) + 30;
    size_t fit = (TNS_NAMES_BYTES - bytes) / (2 * bytes);

    return fit < TNS_NAMES_ASKED ? (unsigned)fit : TNS_NAMES_ASKED;
}

int tns__names_fill(struct tns_storage *st, uint64_t vmid, unsigned first,
                    struct tns_names *names, struct tns_error *err)
{
    unsigned i;

    tns__dataset_list_free(names->found);
    names->found = NULL;
    names->vmid = vmid;
    names->first = first;
    names->n = names_that_fit(st->opt.dataset);
    for (i = 0; i < 2 * names->n; i++) {
        char leaf[TNS_LEAF_CAP];
        int rc;

        tns__fmt(leaf, sizeof(leaf), "%s-%llu-disk-%u", i % 2 ? "base" : "vm",
                 (unsigned long long)vmid, first + i / 2);
        rc = tns__zvol_name(st->opt.dataset, leaf, names->text[i], err);
        if (rc)
            return rc;
        names->ids[i] = names->text[i];
    }
    names->ids[i] = NULL;
    names->dataset = st->opt.dataset;
    return 0;
}

void tns__names_put(struct tns_batch *b, void *user)
{
    struct tns_names *names = user;
    const char *const *ids = names->ids;
    struct tns_dataset_filter filter = {
        .ids = ids, .within = names->with_dataset ? names->dataset : NULL, .with_tags = true
    };

    tns__dataset_list_put(b, &filter, &names->found);
}

static bool taken(const struct tns_names *names, const char *id)
{
    size_t i;

    for (i = 0; i < names->found->n; i++)
        if (strcmp(names->found->items[i].id, id) == 0)
            return true;
    return false;
}

bool tns__names_pick(const struct tns_names *names, char leaf[TNS_LEAF_CAP])
{
    unsigned i;

    for (i = 0; i < names->n; i++)
        if (!taken(names, names->text[2 * i]) && !taken(names, names->text[2 * i + 1]))
            return tns__fmt(leaf, TNS_LEAF_CAP, "vm-%llu-disk-%u",
                            (unsigned long long)names->vmid, names->first + i);
    return false;
}

int tns__names_next(struct tns_storage *st, struct tns_names *names,
                    char leaf[TNS_LEAF_CAP], struct tns_error *err)
{
    while (!tns__names_pick(names, leaf)) {
        _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
        int rc;

        if (!b)
            return tns__error_nomem(err);
        if (names->first + names->n >= NUMBER_MAX)
            return tns__error_set(err, TNS_E_CAPACITY,
                                  "guest %llu has a thousand disks already",
                                  (unsigned long long)names->vmid);
        rc = tns__names_fill(st, names->vmid, names->first + names->n, names, err);
        if (rc)
            return rc;
        tns__names_put(b, names);
        rc = tns__batch_run(b, err);
        if (rc)
            return rc;
    }
    return 0;
}
