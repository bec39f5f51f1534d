/* SPDX-License-Identifier: Apache-2.0 */
/* Is the device that answered the one that is wanted? */
#include "device/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"

int tns__verify_id(const struct tns_want *want, const struct tns_scsi_id *id,
                   const char *where, struct tns_error *err)
{
    if (tns__is_broken("identity"))
        return 0;
    if (!id->naa[0])
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s shows no NAA identifier, but %s is naa.%s", where,
                              want->linkname, want->naa);
    if (strcmp(id->naa, want->naa) != 0)
        return tns__error_set(
            err, TNS_E_IDENTITY,
            "%s is naa.%s, but %s is naa.%s: another volume is behind LUN %u", where,
            id->naa, want->linkname, want->naa, (unsigned)want->lun);
    if (want->serial && strcmp(id->serial, want->serial) != 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has the serial number \"%s\", but %s has \"%s\"", where,
                              id->serial, want->linkname, want->serial);
    if (want->blocksize && id->blocksize != want->blocksize)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has blocks of %" PRIu32
                              " bytes, but %s has blocks of %" PRIu32,
                              where, id->blocksize, want->linkname, want->blocksize);
    if (want->size_bytes && id->size_bytes != want->size_bytes)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "%s has %" PRIu64 " bytes, but %s has %" PRIu64, where,
                              id->size_bytes, want->linkname, want->size_bytes);
    return 0;
}

int tns__paths_judge(const struct tns_want *want, const struct tns__paths *paths,
                     struct tns__verdict *ret, struct tns_error *err)
{
    struct tns__verdict verdict = { .trouble = TNS_ERROR_INIT };

    for (size_t i = 0; i < paths->n; i++) {
        const struct tns__path *path = &paths->p[i];
        int rc = path->err.code ? 0 : tns__verify_id(want, &path->id, path->dev, err);

        if (rc < 0)
            return rc;
        verdict.proven += path->err.code == 0;
        verdict.silent += path->err.code != 0;
        if (path->err.code == TNS_E_IDENTITY)
            return tns__error_copy(err, &path->err);
        if (path->err.code)
            tns__error_copy(&verdict.trouble, &path->err);
        if (tns__is_broken("every-path"))
            break;
    }
    *ret = verdict;
    return 0;
}

int tns__paths_verify(struct tns_node *node, const struct tns_want *want,
                      struct tns__paths *paths, struct tns__verdict *ret,
                      struct tns_error *err)
{
    tns__paths_identify(node, paths, want->serial != NULL);
    return tns__paths_judge(want, paths, ret, err);
}

void tns__mapped_fill(const struct tns_want *want, const struct tns__verdict *verdict,
                      const char *device, unsigned portals_failed, struct tns_mapped *ret)
{
    struct tns_mapped mapped = { .paths = verdict->proven,
                                 .silent = verdict->silent,
                                 .portals_failed = portals_failed };

    snprintf(mapped.path, sizeof(mapped.path), "/dev/tnstor/%s/%s", want->storeid,
             want->linkname);
    snprintf(mapped.device, sizeof(mapped.device), "%s", device);
    if (verdict->silent || portals_failed)
        snprintf(mapped.warning, sizeof(mapped.warning),
                 "%s is degraded: %u paths, %u without answer, %u portals away%s%.120s",
                 want->linkname, verdict->proven, verdict->silent, portals_failed,
                 verdict->trouble.code ? ": " : "", verdict->trouble.text);
    *ret = mapped;
}
