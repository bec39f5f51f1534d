/* SPDX-License-Identifier: Apache-2.0 */
/* Judging paths: who is proven, who is silent, who is somebody else. */
#ifndef TNS_DEVICE_VERIFY_H
#define TNS_DEVICE_VERIFY_H

#include "device/paths.h"

struct tns__verdict {
    unsigned proven;
    unsigned silent;          /* no answer, or the LUN is gone there */
    struct tns_error trouble; /* the first silence */
};

/* Asks all paths and judges the answers. One mismatch is TNS_E_IDENTITY for all. */
int tns__paths_verify(struct tns_node *node, const struct tns_want *want,
                      struct tns__paths *paths, struct tns__verdict *ret,
                      struct tns_error *err);
/* The same about answers that are there. */
int tns__paths_judge(const struct tns_want *want, const struct tns__paths *paths,
                     struct tns__verdict *ret, struct tns_error *err);

/* Fills in what a caller is told: path, device, counts, and a warning when it is degraded. */
void tns__mapped_fill(const struct tns_want *want, const struct tns__verdict *verdict,
                      const char *device, unsigned portals_failed, struct tns_mapped *ret);

#endif
