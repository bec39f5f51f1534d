/* SPDX-License-Identifier: Apache-2.0 */
/* Room and sizes: what the dataset can take, and block sizes that keep a size exact. */
#include "volume/preflight.h"

#include <stdio.h>

#include "base/error.h"

#define BLOCKSIZE_DEFAULT (16u * 1024u)
#define BLOCKSIZE_MIN 512u

static void human(uint64_t bytes, char ret[32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    unsigned i = 0;

    while (value >= 1024.0 && i < 4) {
        value /= 1024.0;
        i++;
    }
    snprintf(ret, 32, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

int tns__preflight(const struct tns_storage *st, const struct tns_dataset *parent,
                   const char *zvol, uint64_t grow_bytes, uint64_t held_bytes,
                   struct tns_error *err)
{
    uint64_t available = parent->available_bytes;
    uint64_t limit = available;
    char asked[32];
    char there[32];
    char allowed[32];
    char quota[32] = "";

    if (parent->locked)
        return tns__error_set(err, TNS_E_LOCKED,
                              "dataset '%s' is encrypted and locked: unlock "
                              "it on the NAS",
                              parent->id);
    if (!st->opt.sparse)
        limit = (available + held_bytes) / 5 * 4;
    if (grow_bytes + (st->opt.sparse ? 0 : held_bytes) <= limit)
        return 0;

    human(grow_bytes, asked);
    human(available, there);
    /* What it has already is no news: as much as it may grow by. */
    if (!st->opt.sparse)
        limit = limit > held_bytes ? limit - held_bytes : 0;
    human(limit, allowed);
    human(parent->quota_bytes, quota);
    return tns__error_set(err, TNS_E_CAPACITY,
                          "%s needs %s, but dataset '%s' has %s available%s%s"
                          "%s%s: free space, or use another storage",
                          zvol, asked, parent->id, there,
                          parent->quota_bytes ? " within its quota of " : "",
                          parent->quota_bytes ? quota : "",
                          st->opt.sparse ? "" : ", of which volumes may take 80 %, ",
                          st->opt.sparse ? "" : allowed);
}

uint64_t tns__blocksize_for(uint64_t wanted_bytes, uint64_t size_bytes)
{
    uint64_t bs = wanted_bytes ? wanted_bytes : BLOCKSIZE_DEFAULT;

    while (bs > BLOCKSIZE_MIN && size_bytes % bs != 0)
        bs /= 2;
    /* Untouched, the choice stays with the NAS. */
    return wanted_bytes == 0 && bs == BLOCKSIZE_DEFAULT ? 0 : bs;
}

uint64_t tns__round_up(uint64_t size_bytes, uint64_t unit)
{
    uint64_t rest = size_bytes % unit;

    return rest ? size_bytes + (unit - rest) : size_bytes;
}
