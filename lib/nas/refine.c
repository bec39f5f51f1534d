/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of the NAS mean where its numbers do not say: one table for all releases. */
#include "nas/nas_priv.h"

#include <strings.h>
#include <string.h>

/*
 * Read from top to bottom, the first text that occurs decides. Blockers come before "exists", since
 * "more recent snapshots or bookmarks exist" is no name that is taken; "does not exist" comes last,
 * since many refusals mention some object that is missing.
 */
static const struct {
    const char *text;
    int code;
} meaning[] = {
    { "Rate Limit Exceeded", TNS_E_BUSY },
    { "Not authorized", TNS_E_PERMISSION },
    { "lacks privilege", TNS_E_PERMISSION },
    { "is a protected path", TNS_E_PERMISSION },
    { "pool I/O is currently suspended", TNS_E_UNAVAILABLE },
    { "no such pool", TNS_E_UNAVAILABLE },
    { "dependent clones", TNS_E_CONFLICT },
    { "has the following clones", TNS_E_CONFLICT },
    { "has the following holds", TNS_E_CONFLICT },
    { "more recent snapshots", TNS_E_CONFLICT },
    { "dataset is busy", TNS_E_CONFLICT },
    { "has children", TNS_E_CONFLICT },
    { "has snapshots", TNS_E_CONFLICT },
    { "is in use", TNS_E_CONFLICT },
    { "are in use", TNS_E_CONFLICT },
    { "Only cloned datasets can be promoted", TNS_E_CONFLICT },
    { "is ineligible for promotion", TNS_E_CONFLICT },
    { "cannot shrink a zvol", TNS_E_CONFLICT },
    { "must be unlocked", TNS_E_LOCKED },
    { "is locked", TNS_E_LOCKED },
    { "key is not loaded", TNS_E_LOCKED },
    { "encryption key not loaded", TNS_E_LOCKED },
    { "more than 80% of your available space", TNS_E_CAPACITY },
    { "out of space", TNS_E_CAPACITY },
    { "no space left", TNS_E_CAPACITY },
    { "quota exceeded", TNS_E_CAPACITY },
    { "exceeds", TNS_E_CAPACITY },
    { "greater than available space", TNS_E_CAPACITY },
    { "already exists", TNS_E_EXISTS },
    { "must be unique", TNS_E_EXISTS },
    { "already being used", TNS_E_EXISTS },
    { "already in use", TNS_E_EXISTS },
    { "currently in use by", TNS_E_EXISTS },
    { "FOREIGN KEY constraint failed", TNS_E_NOTFOUND },
    { "UNIQUE constraint failed", TNS_E_EXISTS },
    { "does not exist", TNS_E_NOTFOUND },
    { "not found", TNS_E_NOTFOUND },
    { "MatchNotFound", TNS_E_NOTFOUND },
};

/* Codes that only say "it did not work", or that stand for an errno with two meanings. */
static bool is_vague(const struct tns_error *err)
{
    switch (err->code) {
    case TNS_E_SERVER:
    case TNS_E_USAGE:
    case TNS_E_CONFLICT:
        return true;
    case TNS_E_BUSY:
        return err->remote_errno == 16; /* EBUSY of the dataset, not of the NAS */
    default:
        return false;
    }
}

void tns__nas_refine(struct tns_error *err)
{
    if (!is_vague(err) || (!err->remote_errno && !err->remote_code))
        return;
    for (size_t i = 0; i < TNS_ARRAY_LEN(meaning); i++) {
        if (!strcasestr(err->text, meaning[i].text))
            continue;
        err->code = meaning[i].code;
        if (err->code != TNS_E_BUSY && err->code != TNS_E_UNAVAILABLE)
            err->flags &= ~(uint32_t)TNS_F_RETRYABLE;
        return;
    }
}
