/* SPDX-License-Identifier: Apache-2.0 */
/* Where records are, and which there are. */
#ifndef TNS_DEVICE_RECORD_PRIV_H
#define TNS_DEVICE_RECORD_PRIV_H

#include "device/device_priv.h"

#define TNS__RECORD_DIR "/var/lib/tnstor"

/* Link names that have a record; an empty list when the storage has none. tns__strv_free. */
int tns__record_names(struct tns_node *node, const char *storeid, char ***ret,
                      struct tns_error *err);

#endif
