/* SPDX-License-Identifier: Apache-2.0 */
/* A volume as callers see it. */
#ifndef TNS_VOLUME_LIST_H
#define TNS_VOLUME_LIST_H

#include "volume/resolve.h"

/* One element of tns_volume_list; NULL with *err. Owned. */
json_t *tns__volume_json(const struct tns_storage *st, const struct tns_dataset *ds,
                         const char *volname, uint64_t vmid, struct tns_error *err);

#endif
