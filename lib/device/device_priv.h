/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share: grammars, addresses, SCSI replies. */
#ifndef TNS_DEVICE_DEVICE_PRIV_H
#define TNS_DEVICE_DEVICE_PRIV_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "device/device.h"

#define TNS_LOG_DEVICE "device"

/* ---- grammar.c: every value that enters a path, an argv or a command ---- */

bool tns__is_iqn(const char *s);
bool tns__is_wwid(const char *s);    /* 16 to 40 lower-case hex digits                  */
bool tns__is_naa(const char *s);     /* 32 lower-case hex digits, the first a 6         */
bool tns__is_devname(const char *s); /* sda, dm-3: a kernel name, without a slash       */
bool tns__is_storeid(const char *s);
bool tns__is_linkname(const char *s);
/* TNS_E_USAGE naming the first part of a want that is not what it must be. */
int tns__want_check(const struct tns_want *want, struct tns_error *err);
/* Only the two names: for what works without knowing the LUN. */
int tns__names_check(const char *storeid, const char *linkname, struct tns_error *err);

/* ---- addr.c ---- */

#define TNS__ADDR_TEXT 80
/* "10.0.0.2:3260", "[fd00::2]:3260". */
void tns__addr_format(const struct tns_addr *addr, char ret[TNS__ADDR_TEXT]);

/* ---- vpd.c: what SCSI commands answer; pure ---- */

/* Page 0x83: the NAA designator of type 6 of the logical unit; "" when it has none. */
int tns__vpd_naa(const uint8_t *page, size_t len, char ret[33], struct tns_error *err);
/* Page 0x80: the serial number without the blanks around it. */
int tns__vpd_serial(const uint8_t *page, size_t len, char ret[64], struct tns_error *err);
/* READ CAPACITY (16). */
int tns__scsi_capacity(const uint8_t *data, size_t len, uint64_t *ret_bytes,
                       uint32_t *ret_blocksize, struct tns_error *err);
/* REPORT LUNS: an ascending JSON array; flat and peripheral addressing. */
int tns__scsi_luns(const uint8_t *data, size_t len, json_t **ret, struct tns_error *err);
/* One sense as an error: LUN not supported is TNS_E_NOTFOUND, everything else TNS_E_DEVICE. */
int tns__scsi_sense_error(unsigned key, unsigned ascq, const char *what,
                          struct tns_error *err);

/* What a process is called that asks a device; it has it open for a moment, and that is no use. */
#define TNS__ASKER "tnstor-ask"

#define TNS__SENSE_UNIT_ATTENTION 6u

/* Devices that a process of ours still waits for, by kernel name. */
#define TNS__STUCK_DIR "/run/tnstor/stuck"

/* ---- verify.c ---- */

/* 0, or TNS_E_IDENTITY saying what is there and what must be; `where` names the path. */
int tns__verify_id(const struct tns_want *want, const struct tns_scsi_id *id,
                   const char *where, struct tns_error *err);

/* ---- node.c ---- */

/* Where this node keeps what may go at a reboot. */
const char *tns__run_dir(const struct tns_node *node);
/* The same node with a time of its own in *ctx, which nobody cancels: for taking back what was begun when
 * the caller's time is over. */
struct tns_node tns__node_later(const struct tns_node *node, struct tns_ctx *ctx,
                                unsigned ms);

/* ---- portal_memory.c: portals that failed a moment ago ---- */

/* Was tried less than a minute ago, in vain. */
bool tns__portal_is_bad(struct tns_node *node, const struct tns_addr *addr);
void tns__portal_remember(struct tns_node *node, const struct tns_addr *addr, bool is_bad);

#endif
