/* SPDX-License-Identifier: Apache-2.0 */
/* Which name a renamed volume has now: kept where all nodes of the cluster see it, for the ones that
 * remember it by the old name and cannot ask the NAS. */
#ifndef TNS_VOLUME_MOVED_H
#define TNS_VOLUME_MOVED_H

#include "volume/storage.h"

/* From now on the volume with that NAA goes by linkname. */
int tns__moved_note(struct tns_storage *st, const char *naa, const char *linkname,
                    struct tns_error *err);
/* A rename gave it another name than linkname; also when that cannot be told. */
bool tns__moved_away(struct tns_storage *st, const char *naa, const char *linkname);

#endif
