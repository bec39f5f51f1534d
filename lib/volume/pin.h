/* SPDX-License-Identifier: Apache-2.0 */
/* Is it still the NAS that this storage was made on? Its pool's GUID, kept for the cluster. */
#ifndef TNS_VOLUME_PIN_H
#define TNS_VOLUME_PIN_H

#include "nas/nas.h"
#include "volume/storage.h"

/* One question within a batch that is sent anyhow. */
struct tns_pin {
    bool asked;
    uint64_t connects; /* of the session, before the batch */
    struct tns_pool_list *pools;
};

/* Asks in this batch, unless it was answered on this connection a short time ago. */
void tns__pin_put(struct tns_storage *st, struct tns_batch *b, struct tns_pin *pin);
/*
 * After the batch, with its rc: TNS_E_IDENTITY in place of whatever another NAS answered.
 * The first GUID that is seen is written down. Frees what pin holds.
 */
int tns__pin_judge(struct tns_storage *st, struct tns_pin *pin, int rc,
                   struct tns_error *err);
/* The datasets that the filter lets through, and the question with them. */
int tns__pinned_list(struct tns_storage *st, const struct tns_dataset_filter *filter,
                     struct tns_dataset_list **ret, struct tns_error *err);
/* By itself, before a change that no question goes before. */
int tns__pin_check(struct tns_storage *st, struct tns_error *err);
/* The GUID of the pool as it was just read. */
int tns__pin_compare(struct tns_storage *st, const char *guid, struct tns_error *err);
/* From now on, no call goes over a new connection of the session before that is asked. */
void tns__pin_guard(struct tns_storage *st);
/* The storage is being removed: any NAS will do for the next one of this name. */
int tns__pin_forget(struct tns_storage *st, struct tns_error *err);

#endif
