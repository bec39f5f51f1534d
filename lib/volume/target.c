/* SPDX-License-Identifier: Apache-2.0 */
/* Which targets are this section's, and what of a zvol they export. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/resolve.h"

bool tns__target_is(const struct tns_target *target, const char *iqn)
{
    size_t len = strlen(target->name);
    size_t iqn_len = strlen(iqn);

    if (strcmp(target->name, iqn) == 0)
        return true;
    return iqn_len > len + 1 && iqn[iqn_len - len - 1] == ':' &&
           strcmp(iqn + iqn_len - len, target->name) == 0;
}

bool tns__target_alias(const struct tns_storage *st, char *ret, size_t cap)
{
    return st->owner[0] && tns__fmt(ret, cap, "tnstor %s %s", st->owner, st->opt.storeid);
}

/* Aliases are unique on the NAS: the first is the plain one, others end in a number. */
static bool alias_ours(const struct tns_storage *st, const struct tns_target *target)
{
    char alias[160];
    const char *rest;
    uint64_t number;

    if (!target->alias || !tns__target_alias(st, alias, sizeof(alias)) ||
        !tns__starts_with(target->alias, alias))
        return false;
    rest = target->alias + strlen(alias);
    return *rest == '\0' || (*rest == ' ' && tns__parse_u64(rest + 1, &number));
}

bool tns__target_alias_free(const struct tns_storage *st,
                            const struct tns_target_list *targets, char *ret, size_t cap)
{
    char alias[160];
    unsigned k;
    size_t i;

    if (!tns__target_alias(st, alias, sizeof(alias)))
        return false;
    for (k = 1; k < 1000; k++) {
        if (!(k == 1 ? tns__fmt(ret, cap, "%s", alias)
                     : tns__fmt(ret, cap, "%s %u", alias, k)))
            return false;
        for (i = 0; i < targets->n; i++)
            if (targets->items[i].alias && strcmp(targets->items[i].alias, ret) == 0)
                break;
        if (i == targets->n)
            return true;
    }
    return false;
}

/* "<first>-tn<k>", k from 2 up; 0 when the name is another. */
static uint64_t further_number(const char *name)
{
    const char *tail = strrchr(name, '-');
    uint64_t k = 0;

    if (!tail || strncmp(tail, "-tn", 3) != 0 || !tns__parse_u64(tail + 3, &k))
        return 0;
    return k;
}

const struct tns_target *tns__target_first(const struct tns_storage *st,
                                           const struct tns_target_list *targets)
{
    const struct tns_target *best = NULL;
    size_t i;

    for (i = 0; i < targets->n; i++) {
        const struct tns_target *t = &targets->items[i];

        if (st->opt.target_iqn) {
            if (tns__target_is(t, st->opt.target_iqn) &&
                (!best || strlen(t->name) > strlen(best->name)))
                best = t;
        } else if (alias_ours(st, t) && further_number(t->name) < 2) {
            best = best ? best : t;
        }
    }
    return best;
}

bool tns__target_is_ours(const struct tns_storage *st, const struct tns_target *target)
{
    if (st->opt.target_iqn && tns__target_is(target, st->opt.target_iqn))
        return true;
    return alias_ours(st, target);
}

static const struct tns_target *find_target(const struct tns_target_list *targets,
                                            int64_t id)
{
    size_t i;

    for (i = 0; i < targets->n; i++)
        if (targets->items[i].id == id)
            return &targets->items[i];
    return NULL;
}

int tns__export_find(const char *zvol, const struct tns_extent_list *extents,
                     const struct tns_mapping_list *mappings,
                     const struct tns_target_list *targets,
                     const struct tns_extent **ret_extent,
                     const struct tns_mapping **ret_mapping,
                     const struct tns_target **ret_target, struct tns_error *err)
{
    const struct tns_extent *extent = NULL;
    const struct tns_mapping *mapping = NULL;
    char disk[TNS_DISK_CAP];
    size_t i;

    tns__disk_name(zvol, disk);
    for (i = 0; i < extents->n; i++) {
        if (!extents->items[i].disk || strcmp(extents->items[i].disk, disk) != 0)
            continue;
        if (extent)
            return tns__error_set(err, TNS_E_CONFLICT,
                                  "%s has two extents ('%s' and '%s'): "
                                  "remove the one that does not belong to it",
                                  zvol, extent->name, extents->items[i].name);
        extent = &extents->items[i];
    }
    for (i = 0; extent && i < mappings->n; i++) {
        if (mappings->items[i].extent_id != extent->id)
            continue;
        if (mapping)
            return tns__error_set(err, TNS_E_CONFLICT,
                                  "extent '%s' is mapped twice (LUN %lld "
                                  "and LUN %lld): remove one mapping",
                                  extent->name, (long long)mapping->lun,
                                  (long long)mappings->items[i].lun);
        mapping = &mappings->items[i];
    }

    *ret_extent = extent;
    *ret_mapping = mapping;
    *ret_target = mapping ? find_target(targets, mapping->target_id) : NULL;
    return 0;
}
