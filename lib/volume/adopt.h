/* SPDX-License-Identifier: Apache-2.0 */
/* Making a volume that is there ours: its tags. */
#ifndef TNS_VOLUME_ADOPT_H
#define TNS_VOLUME_ADOPT_H

#include "volume/resolve.h"

/* A complete set for a volume that exists, under the given spelling. Owned; NULL with
 * *err. */
json_t *tns__adopt_tags(struct tns_storage *st, const char *zvol, const char *volname,
                        struct tns_error *err);

#endif
