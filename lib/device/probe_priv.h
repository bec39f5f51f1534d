/* SPDX-License-Identifier: Apache-2.0 */
/* One short iSCSI session in user space, driven by our own loop and deadline. */
#ifndef TNS_DEVICE_PROBE_PRIV_H
#define TNS_DEVICE_PROBE_PRIV_H

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <signal.h>

#include "device/device_priv.h"

/* Who speaks, to whom, with what. target_iqn NULL: a discovery session. Borrowed. */
struct tns__peer {
    const struct tns_addr *portal;
    const char *target_iqn;
    const struct tns_chap *chap; /* NULL or without user: none */
    const char *initiator;
};

struct tns__probe {
    struct tns_ctx ctx; /* a copy whose deadline is this probe's own */
    struct tns__peer peer;
    struct iscsi_context *iscsi;
    struct scsi_task *task; /* the last one; its data stay until the next */
    char portal[TNS__ADDR_TEXT];
    sigset_t mask_before;
    bool is_masked;
    bool is_done; /* the awaited callback came, with this status */
    int status;
};

/* Connects and logs in; close it whatever the outcome. */
int tns__probe_open(struct tns__probe *probe, const struct tns_ctx *ctx,
                    const struct tns__peer *peer, struct tns_error *err);
/* Logs out when logged in, and releases everything. */
void tns__probe_close(struct tns__probe *probe);
#define _tns_probe_ __attribute__((cleanup(tns__probe_close)))

/* Marks the awaited operation as over; every callback ends in it. */
void tns__probe_done(struct tns__probe *probe, int status);
/* Runs the session until tns__probe_done or the deadline. */
int tns__probe_wait(struct tns__probe *probe, const char *what, struct tns_error *err);

/* INQUIRY 0x83 and 0x80 and READ CAPACITY (16). The LUN is a number; *ret_address is how this target
 * wants it written (above 255 there are two ways). */
int tns__probe_lun(struct tns__probe *probe, uint16_t lun, struct tns_scsi_id *ret,
                   uint16_t *ret_address, struct tns_error *err);

#endif
