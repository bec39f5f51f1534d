/* SPDX-License-Identifier: Apache-2.0 */
/* Which target and which LUN number: spread at random, and never one that was just
 * freed. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/make.h"

void tns__lun_freed(struct tns_storage *st, int64_t lun)
{
    if (lun >= 0 && lun <= UINT16_MAX)
        st->freed_luns[st->n_freed++ % TNS_ARRAY_LEN(st->freed_luns)] = (uint16_t)lun;
}

/* Bit per LUN 1..1024; 0 is left alone: target software keeps it for itself. */
static size_t mark_used(const struct tns_mapping_list *mappings, int64_t target_id,
                        bool used[])
{
    size_t n = 0;
    size_t i;

    memset(used, 0, TNS_LUNS_PER_TARGET + 1);
    for (i = 0; i < mappings->n; i++) {
        const struct tns_mapping *map = &mappings->items[i];

        if (map->target_id != target_id)
            continue;
        n++;
        if (map->lun >= 0 && map->lun <= TNS_LUNS_PER_TARGET)
            used[map->lun] = true;
    }
    return n;
}

static bool just_freed(const struct tns_storage *st, int64_t lun)
{
    size_t i;

    for (i = 0; i < TNS_ARRAY_LEN(st->freed_luns); i++)
        if (st->freed_luns[i] == lun)
            return true;
    return false;
}

/* A random start makes processes that choose at the same time choose differently, and
 * makes the number that another node freed a moment ago an unlikely one. 0: none is
 * free. */
static int64_t free_lun(const struct tns_storage *st, const bool used[])
{
    uint32_t start = 0;
    int64_t second_best = 0;
    int64_t i;

    if (getrandom(&start, sizeof(start), 0) != (ssize_t)sizeof(start))
        start = (uint32_t)tns__now_ns();
    for (i = 0; i < TNS_LUNS_PER_TARGET; i++) {
        int64_t lun = 1 + (int64_t)((start + (uint64_t)i) % TNS_LUNS_PER_TARGET);

        if (used[lun])
            continue;
        if (!just_freed(st, lun))
            return lun;
        second_best = lun;
    }
    return second_best;
}

/* ---- what the last volume's proof read ---- */

/* So long, others are not expected to have taken many of the numbers. */
#define REMEMBERED_MS 60000u

void tns__lun_remember(struct tns_storage *st, int64_t target_id,
                       const struct tns_mapping_list *mappings)
{
    size_t n = mark_used(mappings, target_id, st->luns.used);

    st->luns.target_id = n < TNS_LUNS_PER_TARGET ? target_id : 0;
    st->luns.at_ns = tns__now_ns();
}

void tns__lun_forget(struct tns_storage *st)
{
    st->luns.target_id = 0;
}

bool tns__lun_remembered(const struct tns_storage *st)
{
    return st->luns.target_id && tns__now_ns() - st->luns.at_ns < TNS_MS(REMEMBERED_MS);
}

bool tns__lun_recall(struct tns_make *m)
{
    struct tns_storage *st = m->st;
    size_t i;
    int64_t lun;

    for (i = 0; tns__lun_remembered(st) && i < m->targets->n; i++) {
        const struct tns_target *t = &m->targets->items[i];

        if (t->id != st->luns.target_id || !tns__target_is_ours(st, t))
            continue;
        lun = free_lun(st, st->luns.used);
        if (lun == 0)
            return false;
        m->target_id = t->id;
        m->lun = lun;
        return true;
    }
    return false;
}

/* ---- targets ---- */

/* The lowest k that no target of the NAS bears yet. */
static bool further_name(const struct tns_target_list *targets, const char *first,
                         char *ret, size_t cap)
{
    unsigned k;
    size_t i;

    for (k = 2; k < 1000; k++) {
        if (!tns__fmt(ret, cap, "%s-tn%u", first, k))
            return false;
        for (i = 0; i < targets->n && strcmp(targets->items[i].name, ret) != 0; i++)
            ;
        if (i == targets->n)
            return true;
    }
    return false;
}

static int further_target(struct tns_make *m, const struct tns_target *first,
                          struct tns_error *err)
{
    struct tns_storage *st = m->st;
    char name[160];
    char alias[160];
    int rc;

    if (!further_name(m->targets, first->name, name, sizeof(name)) ||
        !tns__target_alias_free(st, m->targets, alias, sizeof(alias)))
        return tns__error_set(err, TNS_E_CAPACITY,
                              "target '%s' holds %d volumes, and no further "
                              "one can be named",
                              first->name, TNS_LUNS_PER_TARGET);
    rc = tns__target_create(st->session, name, alias, first->groups, first->n_groups,
                            &m->target_id, err);
    if (rc == 0)
        m->lun = 1;
    return rc;
}

int tns__lun_choose(struct tns_make *m, struct tns_error *err)
{
    const struct tns_target *first = tns__target_first(m->st, m->targets);
    bool used[TNS_LUNS_PER_TARGET + 1];
    size_t i;

    if (!first)
        return tns__error_set(err, TNS_E_CONFIG,
                              "target_iqn: the NAS has no target '%s': run "
                              "`tnctl setup %s`",
                              m->st->opt.target_iqn ? m->st->opt.target_iqn
                                                    : "(none named)",
                              m->st->opt.storeid);
    for (i = 0; i <= m->targets->n; i++) {
        const struct tns_target *t = i == 0 ? first : &m->targets->items[i - 1];
        int64_t lun;

        if (i > 0 && (t == first || !tns__target_is_ours(m->st, t)))
            continue;
        if (mark_used(m->mappings, t->id, used) >= TNS_LUNS_PER_TARGET)
            continue;
        lun = free_lun(m->st, used);
        if (lun == 0)
            continue;
        m->target_id = t->id;
        m->lun = lun;
        return 0;
    }
    return further_target(m, first, err);
}
