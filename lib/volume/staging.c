/* SPDX-License-Identifier: Apache-2.0 */
/* Staging names: owner, operation, node and process in one leaf. */
#include "volume/staging.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/tag.h"

static bool hashes(const struct tns_storage *st, char owner[9], char node[9])
{
    char text[256];

    return tns__fmt(text, sizeof(text), "%s %s", st->owner, st->opt.storeid) &&
           tns__sha256_hex(text, strlen(text), 4, owner) &&
           tns__sha256_hex(st->opt.node, strlen(st->opt.node), 4, node);
}

int tns__staging_leaf(struct tns_storage *st, const char *op, char ret[TNS_LEAF_CAP],
                      struct tns_error *err)
{
    char owner[9];
    char node[9];
    char by[160];
    char op_hash[17];
    char pid[16];
    char start[24];
    int rc = tns__by_make(st, by, sizeof(by), err);

    if (rc)
        return rc;
    if (!hashes(st, owner, node) || sscanf(by, "%*s %*s %15s %23s", pid, start) != 2 ||
        !tns__sha256_hex(op, strlen(op), 8, op_hash) ||
        !tns__fmt(ret, TNS_LEAF_CAP, TNS_STAGING_PREFIX "%s-%s-%s-%s-%s", owner, op_hash,
                  node, pid, start))
        return tns__error_set(err, TNS_E_BUG, "no room for the staging name");
    return 0;
}

bool tns__staging_is_ours(const struct tns_storage *st, const char *leaf)
{
    char owner[9];
    char node[9];
    char prefix[64];

    return st->owner[0] && hashes(st, owner, node) &&
           tns__fmt(prefix, sizeof(prefix), TNS_STAGING_PREFIX "%s-", owner) &&
           tns__starts_with(leaf, prefix);
}

bool tns__staging_alive(struct tns_storage *st, const char *leaf, int64_t age_s)
{
    char owner[9];
    char mine[9];
    char node[16];
    char pid[16];
    char start[24];
    char boot[9];
    char by[160];

    if (age_s > TNS_OP_MAX_S)
        return false;
    if (sscanf(leaf,
               TNS_STAGING_PREFIX "%*8[0-9a-f]-%*16[0-9a-f]-%8[0-9a-f]-%15[0-9]-%23[0-9]",
               node, pid, start) != 3 ||
        !hashes(st, owner, mine) || strcmp(node, mine) != 0)
        return true;
    tns__boot_id(st, boot);
    return tns__fmt(by, sizeof(by), "%s %s %s %s", st->opt.node, boot, pid, start) &&
           tns__by_alive(st, by, age_s, 0);
}
