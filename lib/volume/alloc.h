/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a free name for a new volume, for alloc and clone. */
#ifndef TNS_VOLUME_ALLOC_H
#define TNS_VOLUME_ALLOC_H

#include "volume/make.h"

/* The first free vm-<vmid>-disk-<n> with n >= *first, into m->zvol and m->volname; asks for the
 * datasets, mappings and targets in the same trip. */
int tns__free_name(struct tns_make *m, uint64_t vmid, unsigned *first, struct tns_error *err);

#endif
