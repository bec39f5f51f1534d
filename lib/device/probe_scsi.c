/* SPDX-License-Identifier: Apache-2.0 */
/* SCSI commands over the wire: which LUNs a target has, and who one of them is. */
#include <stdio.h>
#include <string.h>

#include "device/probe_priv.h"

#define LUNS_BYTES (8 * 16384 + 8)
#define VPD_BYTES 1024
/* A session begins with a pile of unit attentions; more than this is no attention but a fault. */
#define UNIT_ATTENTIONS_MAX 16
#define FLAT_SPACE 0x4000u

typedef struct scsi_task *(*send_fn)(struct tns__probe *probe, int lun,
                                     iscsi_command_cb cb);

static struct scsi_task *send_capacity(struct tns__probe *probe, int lun,
                                       iscsi_command_cb cb)
{
    return iscsi_readcapacity16_task(probe->iscsi, lun, cb, probe);
}

static struct scsi_task *send_serial(struct tns__probe *probe, int lun, iscsi_command_cb cb)
{
    return iscsi_inquiry_task(probe->iscsi, lun, 1, 0x80, VPD_BYTES, cb, probe);
}

static struct scsi_task *send_identification(struct tns__probe *probe, int lun,
                                             iscsi_command_cb cb)
{
    return iscsi_inquiry_task(probe->iscsi, lun, 1, 0x83, VPD_BYTES, cb, probe);
}

static struct scsi_task *send_luns(struct tns__probe *probe, int lun, iscsi_command_cb cb)
{
    (void)lun; /* asked of the target, by way of LUN 0 */
    return iscsi_reportluns_task(probe->iscsi, 0, LUNS_BYTES, cb, probe);
}

static void scsi_cb(struct iscsi_context *iscsi, int status, void *data, void *user)
{
    (void)iscsi;
    (void)data; /* the task, which the probe holds already */
    tns__probe_done(user, status);
}

/* One command and its answer, whatever the status. */
static int scsi_once(struct tns__probe *probe, send_fn send, int lun, const char *what,
                     struct tns_error *err)
{
    if (probe->task)
        scsi_free_scsi_task(probe->task);
    probe->is_done = false;
    probe->task = send(probe, lun, scsi_cb);
    if (!probe->task)
        return tns__error_set(err, TNS_E_TRANSPORT, "%s: cannot send %s", probe->portal,
                              what);
    return tns__probe_wait(probe, what, err);
}

static int scsi_run(struct tns__probe *probe, send_fn send, int lun, const char *what,
                    struct tns_error *err)
{
    for (int n = 0; n < UNIT_ATTENTIONS_MAX; n++) {
        const struct scsi_sense *sense;
        int rc = scsi_once(probe, send, lun, what, err);

        if (rc < 0)
            return rc;
        if (probe->status == SCSI_STATUS_GOOD)
            return 0;
        if (probe->status != SCSI_STATUS_CHECK_CONDITION)
            return tns__error_set(err, TNS_E_TRANSPORT,
                                  "%s: %s was not answered (status 0x%x)", probe->portal,
                                  what, (unsigned)probe->status);
        sense = &probe->task->sense;
        if ((unsigned)sense->key != TNS__SENSE_UNIT_ATTENTION) {
            tns__scsi_sense_error((unsigned)sense->key, (unsigned)sense->ascq, what, err);
            return tns__error_prefix(err, "%s, LUN %d", probe->portal, lun & 0x3fff);
        }
    }
    return tns__error_set(err, TNS_E_BUSY,
                          "%s: %s meets one unit attention after the other", probe->portal,
                          what);
}

static const uint8_t *answer(const struct tns__probe *probe, size_t *ret_len)
{
    int size = probe->task->datain.size;

    *ret_len = size > 0 && probe->task->datain.data ? (size_t)size : 0;
    return probe->task->datain.data;
}

/* The identification comes last: it is the younger one if the LUN changes hands in between. */
static int identify_at(struct tns__probe *probe, int lun, struct tns_scsi_id *ret,
                       struct tns_error *err)
{
    struct tns_scsi_id id = { 0 };
    const uint8_t *data;
    size_t len;
    int rc;

    rc = scsi_run(probe, send_capacity, lun, "READ CAPACITY (16)", err);
    if (rc < 0)
        return rc;
    data = answer(probe, &len);
    rc = tns__scsi_capacity(data, len, &id.size_bytes, &id.blocksize, err);
    if (rc < 0)
        return rc;

    rc = scsi_run(probe, send_serial, lun, "INQUIRY 0x80", err);
    if (rc < 0)
        return rc;
    data = answer(probe, &len);
    rc = tns__vpd_serial(data, len, id.serial, err);
    if (rc < 0)
        return rc;

    rc = scsi_run(probe, send_identification, lun, "INQUIRY 0x83", err);
    if (rc < 0)
        return rc;
    data = answer(probe, &len);
    rc = tns__vpd_naa(data, len, id.naa, err);
    if (rc < 0)
        return rc;
    *ret = id;
    return 0;
}

/* Above 255 the flat address comes first, as the standard has it. LIO knows only the plain 16 bits and
 * says so; tgt reads of those the lower 8 alone, and would answer as another LUN. */
int tns__probe_lun(struct tns__probe *probe, uint16_t lun, struct tns_scsi_id *ret,
                   uint16_t *ret_address, struct tns_error *err)
{
    struct tns_error flat = TNS_ERROR_INIT;
    uint16_t address = lun > 255 ? (uint16_t)(lun | FLAT_SPACE) : lun;
    int rc = identify_at(probe, address, ret, &flat);

    if (rc == -TNS_E_NOTFOUND && address != lun) {
        address = lun;
        rc = identify_at(probe, address, ret, err);
    } else if (rc < 0) {
        return tns__error_copy(err, &flat);
    }
    if (rc < 0)
        return rc;
    *ret_address = address;
    return 0;
}

int tns__probe_identify(struct tns_ctx *ctx, const struct tns_addr *portal,
                        const char *target_iqn, uint16_t lun, const struct tns_chap *chap,
                        const char *initiator, struct tns_scsi_id *ret,
                        struct tns_error *err)
{
    const struct tns__peer peer = {
        .portal = portal, .target_iqn = target_iqn, .chap = chap, .initiator = initiator
    };
    _tns_probe_ struct tns__probe probe = { 0 };
    uint16_t address;
    int rc = tns__probe_open(&probe, ctx, &peer, err);

    return rc < 0 ? rc : tns__probe_lun(&probe, lun, ret, &address, err);
}

int tns__probe_report_luns(struct tns_ctx *ctx, const struct tns_addr *portal,
                           const char *target_iqn, const struct tns_chap *chap,
                           const char *initiator, json_t **ret, struct tns_error *err)
{
    const struct tns__peer peer = {
        .portal = portal, .target_iqn = target_iqn, .chap = chap, .initiator = initiator
    };
    _tns_probe_ struct tns__probe probe = { 0 };
    const uint8_t *data;
    size_t len;
    int rc = tns__probe_open(&probe, ctx, &peer, err);

    if (rc < 0)
        return rc;
    rc = scsi_run(&probe, send_luns, 0, "REPORT LUNS", err);
    if (rc < 0)
        return rc;
    data = answer(&probe, &len);
    rc = tns__scsi_luns(data, len, ret, err);
    return rc < 0 ? tns__error_prefix(err, "%s", probe.portal) : 0;
}
