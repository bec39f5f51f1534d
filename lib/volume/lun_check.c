/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a LUN as an initiator sees it: the NAS may say one size and export another. */
#include "volume/lun_check.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "base/text.h"

#define PROBE_MS 3000u

static int probe(struct tns_storage *st, const struct tns_vol *vol,
                 const struct tns_addr *portal, struct tns_scsi_id *ret,
                 struct tns_error *err)
{
    struct tns_chap chap = { .user = st->opt.chap_user,
                             .password = st->chap_password,
                             .mutual_user = st->opt.chap_mutual_user,
                             .mutual_password = st->chap_mutual_password };
    uint64_t deadline;
    char initiator[256];
    int rc = tns__device_initiator_name(&st->node, initiator, sizeof(initiator), err);

    if (rc)
        return rc;
    deadline = tns__ctx_begin(st->ctx, PROBE_MS);
    rc = tns__probe_identify(st->ctx, portal, st->opt.target_iqn,
                             (uint16_t)vol->mapping->lun, &chap, initiator, ret, err);
    st->ctx->deadline_ns = deadline;
    return rc;
}

int tns__lun_size_check(struct tns_storage *st, const struct tns_vol *vol,
                        uint64_t size_bytes, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_scsi_id id;
    int rc;

    if (!vol->mapping || !vol->target || !st->opt.target_iqn || st->opt.n_portals == 0 ||
        !tns__target_is(vol->target, st->opt.target_iqn))
        return 0;
    rc = probe(st, vol, &st->opt.portals[0], &id, &local);
    if (rc) {
        tns__log(st->ctx, LOG_WARNING, "volume",
                 "the size of LUN %lld could not be asked for: %s",
                 (long long)vol->mapping->lun, local.text);
        return 0;
    }
    if (vol->extent->naa && id.naa[0] && strcmp(id.naa, vol->extent->naa) != 0)
        return tns__error_set(err, TNS_E_IDENTITY,
                              "LUN %lld of %s shows NAA %s, but %s has %s",
                              (long long)vol->mapping->lun, st->opt.target_iqn, id.naa,
                              vol->zvol, vol->extent->naa);
    if (id.size_bytes != size_bytes)
        return tns__error_set(err, TNS_E_DEVICE,
                              "LUN %lld of %s still shows %llu bytes, but %s "
                              "has %llu: restart the iSCSI service of the NAS",
                              (long long)vol->mapping->lun, st->opt.target_iqn,
                              (unsigned long long)id.size_bytes, vol->zvol,
                              (unsigned long long)size_bytes);
    return 0;
}

int tns__local_resize(struct tns_storage *st, const char *linkname, uint64_t size_bytes,
                      struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__record_read(&st->node, st->opt.storeid, linkname, &record, &local);

    if (rc == -TNS_E_NOTFOUND)
        return 0;
    if (rc)
        return tns__error_copy(err, &local);
    record.want.size_bytes = size_bytes;
    /* QEMU has its own iSCSI session and asks for the size itself. */
    if (!st->opt.qemu)
        rc = tns__device_resize(&st->node, &record.want, err);
    if (rc == 0)
        rc = tns__record_write(&st->node, &record.want, err);
    tns__record_clear(&record);
    return rc;
}
