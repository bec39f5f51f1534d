/* SPDX-License-Identifier: Apache-2.0 */
/* Which roles the key's user must have. */
#ifndef TNS_VOLUME_ROLES_H
#define TNS_VOLUME_ROLES_H

#include <stdbool.h>

#include "volume/storage.h"

/* TNS_E_PERMISSION naming every role that is lacking, as far as the release can tell.
 * setup: also those that making targets, portals and groups needs. */
int tns__roles_check(struct tns_storage *st, bool setup, struct tns_error *err);

#endif
