/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of the NAS mean where neither its numbers nor the table of lib/rpc say. */
#include "nas/nas_priv.h"

#include <string.h>
#include <strings.h>

/* Beside the table of lib/rpc, which knows no methods: what is left vague there and has one meaning
 * in the calls of this layer. */
static const struct {
    const char *text;
    int code;
} meaning[] = {
    { "is busy", TNS_E_CONFLICT }, /* a dataset that is held or open, not the NAS */
    { "Only cloned datasets can be promoted", TNS_E_CONFLICT },
    { "is ineligible for promotion", TNS_E_CONFLICT },
    { "must be unlocked", TNS_E_LOCKED },
    { "key is not loaded", TNS_E_LOCKED },
    { "key not loaded", TNS_E_LOCKED },
    { "no such pool", TNS_E_UNAVAILABLE },
    { "FOREIGN KEY constraint failed", TNS_E_NOTFOUND },
    { "UNIQUE constraint failed", TNS_E_EXISTS },
};

/* Codes that only say "it did not work", or that stand for an errno with two meanings. */
static bool is_vague(const struct tns_error *err)
{
    switch (err->code) {
    case TNS_E_SERVER:
    case TNS_E_USAGE:
    case TNS_E_BUSY:
        return true;
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
        return;
    }
}
