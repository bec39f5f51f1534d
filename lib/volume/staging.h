/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a zvol that is being made: it proves whose it is before a tag can. */
#ifndef TNS_VOLUME_STAGING_H
#define TNS_VOLUME_STAGING_H

#include "volume/storage.h"

/* "tnstor-new-<owner and storeid>-<op>-<node>-<pid>-<start>", the first three as hashes. */
int tns__staging_leaf(struct tns_storage *st, const char *op, char ret[TNS_LEAF_CAP],
                      struct tns_error *err);
/* Is it ours by its name, and may its maker still be at work? */
bool tns__staging_is_ours(const struct tns_storage *st, const char *leaf);
bool tns__staging_alive(struct tns_storage *st, const char *leaf, int64_t age_s);

#endif
