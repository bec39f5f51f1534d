/* SPDX-License-Identifier: Apache-2.0 */
/* Is the device that answered the one that is wanted? */
#include <inttypes.h>
#include <string.h>

#include "device/device_priv.h"

int tns__verify_id(const struct tns_want *want, const struct tns_scsi_id *id, const char *where,
                   struct tns_error *err)
{
    if (!id->naa[0])
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s shows no NAA identifier, but %s is naa.%s", where,
                              want->linkname, want->naa);
    if (strcmp(id->naa, want->naa) != 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s is naa.%s, but %s is naa.%s: another volume is behind LUN %u",
                              where, id->naa, want->linkname, want->naa, (unsigned)want->lun);
    if (want->serial && strcmp(id->serial, want->serial) != 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has the serial number \"%s\", but %s has \"%s\"", where,
                              id->serial, want->linkname, want->serial);
    if (want->blocksize && id->blocksize != want->blocksize)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has blocks of %" PRIu32 " bytes, but %s has blocks of %" PRIu32,
                              where, id->blocksize, want->linkname, want->blocksize);
    if (want->size_bytes && id->size_bytes != want->size_bytes)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has %" PRIu64 " bytes, but %s has %" PRIu64, where,
                              id->size_bytes, want->linkname, want->size_bytes);
    return 0;
}
