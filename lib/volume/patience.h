/* SPDX-License-Identifier: Apache-2.0 */
/* How long the NAS is waited for where this node knows an answer, too. */
#ifndef TNS_VOLUME_PATIENCE_H
#define TNS_VOLUME_PATIENCE_H

#include "volume/storage.h"

/* Volumes that are mapped here, and those that this node only has a record of. */
#define TNS_CONFIRM_MS 3000u
#define TNS_RECORD_MS 5000u

struct tns_patience {
    struct tns_storage *st;
    uint64_t deadline_ns; /* the caller's */
    bool hurried;         /* the NAS was given less time than there is, or none */
    bool reached;         /* it let us in */
};

/* Connects. With ms, the NAS has no more than that until tns__patience_end, and is not asked at all when it
 * did not answer a moment ago. Ended in any case. */
int tns__patience_begin(struct tns_patience *p, struct tns_storage *st, unsigned ms,
                        struct tns_error *err);
/* True when rc and err say that the API is away; remembered for the next call of this process. */
bool tns__patience_end(const struct tns_patience *p, int rc, const struct tns_error *err);

#endif
