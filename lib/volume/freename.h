/* SPDX-License-Identifier: Apache-2.0 */
/* The first free vm-<vmid>-disk-<n>, asked for together with whatever else a trip is
 * for. */
#ifndef TNS_VOLUME_FREENAME_H
#define TNS_VOLUME_FREENAME_H

#include "nas/nas.h"
#include "volume/names.h"
#include "volume/storage.h"

/* At most; fewer where names are so long that one query cannot carry them. */
#define TNS_NAMES_ASKED 24

/* Whole zvol names; of each number the disk's and the base's, since a base keeps its
 * number. */
struct tns_names {
    uint64_t vmid;
    unsigned first;
    unsigned n;          /* numbers asked for at once */
    const char *dataset; /* that they are in */
    bool with_dataset;   /* it comes along in `found` */
    char text[2 * TNS_NAMES_ASKED][TNS_ZVOL_CAP];
    const char *ids[2 * TNS_NAMES_ASKED + 1];
    struct tns_dataset_list *found; /* owned */
};

int tns__names_fill(struct tns_storage *st, uint64_t vmid, unsigned first,
                    struct tns_names *names, struct tns_error *err);
/* A tns_more_fn: the query for them. */
void tns__names_put(struct tns_batch *b, void *user);
/* After the batch: the first number that nobody bears, as a leaf; false when all are
 * taken. */
bool tns__names_pick(const struct tns_names *names, char leaf[TNS_LEAF_CAP]);
/* Goes on asking until one is found. */
int tns__names_next(struct tns_storage *st, struct tns_names *names,
                    char leaf[TNS_LEAF_CAP], struct tns_error *err);
void tns__names_free(struct tns_names *names);
void tns__names_freep(struct tns_names **names);
#define _tns_names_ __attribute__((cleanup(tns__names_freep)))

#endif
