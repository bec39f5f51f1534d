/* SPDX-License-Identifier: Apache-2.0 */
/* Another machine with this node's initiator name. */
#ifndef TNS_VOLUME_TWINS_H
#define TNS_VOLUME_TWINS_H

#include "volume/storage.h"

#define TNS_TWIN_TEXT 600

/* A warning for people; "" when no open session of that name comes from elsewhere. */
int tns__twins_find(struct tns_storage *st, char ret[TNS_TWIN_TEXT], struct tns_error *err);

#endif
