/* SPDX-License-Identifier: Apache-2.0 */
/* Where a target is reached: the section's portals, or the ones its groups name on the
 * NAS. */
#ifndef TNS_VOLUME_PORTALS_H
#define TNS_VOLUME_PORTALS_H

#include "nas/nas.h"
#include "volume/storage.h"

struct tns__portals {
    struct tns_portal_list *portals;
    struct tns_iscsi_global *global;
    struct tns_initiator_list *initiators;
};

void tns__portals_clear(struct tns__portals *p);
/* A tns_more_fn: asks for what the two below need. */
void tns__portals_put(struct tns_batch *b, void *user);
/* "<basename>:<name>", which must be the section's for its first target. */
int tns__target_iqn(const struct tns_storage *st, const struct tns__portals *p,
                    const struct tns_target *target, char *ret, size_t cap,
                    struct tns_error *err);
int tns__portals_choose(const struct tns_storage *st, const struct tns__portals *p,
                        const struct tns_target *target,
                        struct tns_addr ret[TNS_PORTALS_MAX], size_t *ret_n,
                        struct tns_error *err);

#endif
