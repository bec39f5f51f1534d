/* SPDX-License-Identifier: Apache-2.0 */
/* A node as a real kernel showed it once: fixtures/<name>.tree and <name>.inquiry, unpacked. */
#ifndef TNS_T_DEVICE_FIXTURE_H
#define TNS_T_DEVICE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "device/device.h"

#define F_IQN "iqn.2005-10.org.freenas.ctl:lab"
#define F_NAA "6589cfc000000000000000000000aa01"
#define F_SIZE ((uint64_t)64 << 20)
#define F_DISKS 300

struct fixture_disk {
    char dev[32];
    int error; /* 0: it answered */
    struct tns_scsi_id id;
};

struct fixture {
    char root[256];
    struct tns_ctx ctx;
    struct tns_sysroot *sr;
    struct tns_runner runner;
    struct tns_scsi scsi;
    struct tns_node node;
    struct tns_error err;
    struct fixture_disk disks[F_DISKS];
    size_t n_disks;
    unsigned asked;
    char traced[1 << 17];
    bool
        reacts; /* multipath -f and a deleted disk take effect, as the kernel would do it */
};

/* Fails the test when it is not there. No command may be run on it (but multipath -f and -w when it
 * reacts), and nothing answers. */
struct fixture *fixture_open(const char *name);
void fixture_free(struct fixture *f);
/* The name of the first disk whose recorded answer has that NAA. */
const char *fixture_disk_of(const struct fixture *f, const char *naa);

#endif
