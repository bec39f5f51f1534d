/* SPDX-License-Identifier: Apache-2.0 */
/* The size that a LUN really shows, over the wire and on this node. */
#ifndef TNS_VOLUME_LUN_CHECK_H
#define TNS_VOLUME_LUN_CHECK_H

#include "volume/resolve.h"

/* Asks the LUN itself. No portal that answers: a warning in the log, since maps check
 * it again. */
int tns__lun_size_check(struct tns_storage *st, const struct tns_vol *vol,
                        uint64_t size_bytes, struct tns_error *err);
/* A device that is mapped here follows; not mapped is success. */
int tns__local_resize(struct tns_storage *st, const char *linkname, uint64_t size_bytes,
                      struct tns_error *err);

#endif
