/* SPDX-License-Identifier: Apache-2.0 */
/* Records on this node of volumes that are on the NAS no longer. */
#ifndef TNS_VOLUME_RECORDS_H
#define TNS_VOLUME_RECORDS_H

#include "volume/storage.h"

/* Asks the NAS, in one trip for dozens of them, and for none when every record's volume is mapped. */
int tns__records_tidy(struct tns_storage *st, unsigned *ret_removed, struct tns_error *err);

#endif
