/* SPDX-License-Identifier: Apache-2.0 */
/* Is there room for it? Asked before, and put into numbers after, the NAS says no. */
#ifndef TNS_VOLUME_PREFLIGHT_H
#define TNS_VOLUME_PREFLIGHT_H

#include "nas/nas.h"
#include "volume/storage.h"

/* grow_bytes more below parent: thick volumes keep to the NAS's 80 % rule (held_bytes
 * are the volume's already), a thin one must at least be able to be filled.
 * TNS_E_CAPACITY, TNS_E_LOCKED. */
int tns__preflight(const struct tns_storage *st, const struct tns_dataset *parent,
                   const char *zvol, uint64_t grow_bytes, uint64_t held_bytes,
                   struct tns_error *err);

/* The block size for an exact size: stepped down until it divides it. */
uint64_t tns__blocksize_for(uint64_t wanted_bytes, uint64_t size_bytes);
uint64_t tns__round_up(uint64_t size_bytes, uint64_t unit);

#endif
