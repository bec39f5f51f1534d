/* SPDX-License-Identifier: Apache-2.0 */
/* When the NAS last said that a link of this node is the volume of that name. A device may answer with
 * the NAA of the record and be another volume by now: one that was renamed on another node. */
#include "device/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device/device_priv.h"

#define NOTE "%s/recent/%s/%s"
#define RECENT_MS 10000u

void tns__recent_note(struct tns_node *node, const struct tns_want *want)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", want->naa, tns__now_ns());

    /* without the note the NAS is asked once more */
    tns__sysroot_replace(node->sr, text, (size_t)len, 0600, NULL, NOTE, tns__run_dir(node),
                         want->storeid, want->linkname);
}

bool tns__recent_is(struct tns_node *node, const struct tns_want *want)
{
    char text[64];
    char naa[33];
    uint64_t now = tns__now_ns(), at;

    return tns__sysroot_read(node->sr, text, sizeof(text), NULL, NOTE, tns__run_dir(node),
                             want->storeid, want->linkname) == 0 &&
           sscanf(text, "%32s %" SCNu64, naa, &at) == 2 && strcmp(naa, want->naa) == 0 &&
           at <= now && now - at < TNS_MS(RECENT_MS);
}

int tns__recent_forget(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err)
{
    return tns__sysroot_unlink(node->sr, err, NOTE, tns__run_dir(node), storeid, linkname);
}
