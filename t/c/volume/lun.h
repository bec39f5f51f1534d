/* SPDX-License-Identifier: Apache-2.0 */
/* A LUN of tnsim's real target, read and written as an initiator does, in user space. */
#ifndef TNS_T_VOLUME_LUN_H
#define TNS_T_VOLUME_LUN_H

#include <stdint.h>

#include "vt.h"

struct iscsi_context;

struct lun {
    struct iscsi_context *iscsi;
    int number;
    uint32_t block;
    uint64_t size;
};

/* False when this machine has no tgtd: the test is to be skipped. */
bool lun_available(void);
/* An iSCSI session to what is exported of this zvol now; fails the test when there is none. */
void lun_open(struct lun *l, const struct vt *v, const char *leaf);
void lun_close(struct lun *l);

/* 64 KiB at that place: all of them this byte? Written, all of them. */
#define LUN_CHUNK (64u * 1024u)
void lun_write(struct lun *l, uint64_t at, uint8_t byte);
bool lun_holds(struct lun *l, uint64_t at, uint8_t byte);
/* The same through a session of its own. */
bool lun_of_holds(const struct vt *v, const char *leaf, uint64_t at, uint8_t byte);

#endif
