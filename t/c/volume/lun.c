/* SPDX-License-Identifier: Apache-2.0 */
/* libiscsi against tnsim's target. */
#include "lun.h"

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLAT_SPACE 0x4000
#define INITIATOR "iqn.1993-08.org.debian:01:tns-data"

bool lun_available(void)
{
    return access("/usr/sbin/tgtd", X_OK) == 0 && access("/usr/sbin/tgtadm", X_OK) == 0;
}

static const char *portal_of(const struct tst_sim *sim)
{
    const char *portal =
        json_string_value(json_array_get(json_object_get(sim->info, "iscsi_portals"), 0));

    ck_assert_msg(portal != NULL, "tnsim has no iSCSI portal");
    return portal;
}

static void capacity(struct lun *l)
{
    struct scsi_task *task = iscsi_readcapacity16_sync(l->iscsi, l->number);
    struct scsi_readcapacity16 *rc16;

    ck_assert_msg(task && task->status == SCSI_STATUS_GOOD, "READ CAPACITY: %s",
                  iscsi_get_error(l->iscsi));
    rc16 = scsi_datain_unmarshall(task);
    ck_assert_ptr_nonnull(rc16);
    l->block = rc16->block_length;
    l->size = (rc16->returned_lba + 1) * rc16->block_length;
    scsi_free_scsi_task(task);
}

void lun_open(struct lun *l, const struct vt *v, const char *leaf)
{
    int number = (int)vt_lun_of(v, leaf);

    /* libiscsi sends the number as it is: above 255 in the flat space. */
    *l = (struct lun){ .iscsi = iscsi_create_context(INITIATOR),
                       .number = number < 256 ? number : number | FLAT_SPACE };
    ck_assert_ptr_nonnull(l->iscsi);
    ck_assert_int_gt(l->number, 0);
    iscsi_set_targetname(l->iscsi, v->iqn);
    iscsi_set_session_type(l->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_timeout(l->iscsi, 30);
    ck_assert_msg(iscsi_full_connect_sync(l->iscsi, portal_of(v->sim), l->number) == 0,
                  "LUN %d of %s: %s", l->number, v->iqn, iscsi_get_error(l->iscsi));
    capacity(l);
}

void lun_close(struct lun *l)
{
    iscsi_logout_sync(l->iscsi);
    iscsi_destroy_context(l->iscsi);
    l->iscsi = NULL;
}

void lun_write(struct lun *l, uint64_t at, uint8_t byte)
{
    unsigned char buf[LUN_CHUNK];
    struct scsi_task *task;

    memset(buf, byte, sizeof(buf));
    task = iscsi_write10_sync(l->iscsi, l->number, (uint32_t)(at / l->block), buf,
                              sizeof(buf), (int)l->block, 0, 0, 0, 0, 0);
    ck_assert_msg(task && task->status == SCSI_STATUS_GOOD, "WRITE: %s",
                  iscsi_get_error(l->iscsi));
    scsi_free_scsi_task(task);
}

bool lun_holds(struct lun *l, uint64_t at, uint8_t byte)
{
    struct scsi_task *task =
        iscsi_read10_sync(l->iscsi, l->number, (uint32_t)(at / l->block), LUN_CHUNK,
                          (int)l->block, 0, 0, 0, 0, 0);
    bool same;

    ck_assert_msg(task && task->status == SCSI_STATUS_GOOD, "READ: %s",
                  iscsi_get_error(l->iscsi));
    ck_assert_int_eq(task->datain.size, (int)LUN_CHUNK);
    same = task->datain.data[0] == byte &&
           memcmp(task->datain.data, task->datain.data + 1, LUN_CHUNK - 1) == 0;
    scsi_free_scsi_task(task);
    return same;
}

bool lun_of_holds(const struct vt *v, const char *leaf, uint64_t at, uint8_t byte)
{
    struct lun l;
    bool same;

    lun_open(&l, v, leaf);
    same = lun_holds(&l, at, byte);
    lun_close(&l);
    return same;
}
