/* SPDX-License-Identifier: Apache-2.0 */
/* Names of methods that moved between namespaces. */
#ifndef TNS_NAS_SNAPSHOT_PRIV_H
#define TNS_NAS_SNAPSHOT_PRIV_H

#include <stddef.h>

#include "nas/nas_priv.h"

/* "<namespace of this release>.<verb>" in buf. */
const char *tns__snapshot_method(const struct tns_caps *caps, const char *verb, char *buf,
                                 size_t cap);

#endif
