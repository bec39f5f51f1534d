/* SPDX-License-Identifier: Apache-2.0 */
/* Which initiators may connect: ours are let in where the group is ours. */
#ifndef TNS_VOLUME_IQNS_H
#define TNS_VOLUME_IQNS_H

#include "nas/nas.h"
#include "volume/storage.h"

#define TNS_IQNS_MAX 64

/* The IQNs that this section wants in: tn_initiators, and this node's own if it has one. */
struct tns_iqns {
    char text[TNS_IQNS_MAX][256];
    size_t n;
};
int tns__iqns_wanted(struct tns_storage *st, struct tns_iqns *ret, struct tns_error *err);

/* "tnstor <owner> <storeid>": the comment of groups (and alias of targets) that are
 * ours. */
bool tns__group_is_ours(const struct tns_storage *st, const struct tns_initiator_group *g);
/* Everyone, or this one. */
bool tns__group_admits(const struct tns_initiator_group *g, const char *iqn);
/* The group as it is, and those that are wanted and missing in it. */
int tns__group_extend(struct tns_storage *st, const struct tns_initiator_group *g,
                      const struct tns_iqns *wanted, struct tns_error *err);
/* Before a map: this node may connect to the target, or is let in, or the error says
 * what to add where. */
int tns__initiator_admit(struct tns_storage *st, const struct tns_initiator_list *groups,
                         const struct tns_target *target, struct tns_error *err);

#endif
