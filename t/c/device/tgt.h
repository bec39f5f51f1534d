/* SPDX-License-Identifier: Apache-2.0 */
/* A real iSCSI target in user space (tgtd) on loopback, of this test's own. */
#ifndef TNS_T_DEVICE_TGT_H
#define TNS_T_DEVICE_TGT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/device.h"

#define TGT_IQN "iqn.2005-10.org.freenas.ctl:tns-test"
#define TGT_INITIATOR "iqn.1993-08.org.debian:01:tns-test"
#define TGT_NAA_A "6589cfc00000000000000000000000aa"
#define TGT_NAA_B "6589cfc00000000000000000000000bb"

struct tgt {
    pid_t pid;
    int control;
    char socket[256];
    struct tns_addr portals[2]; /* 127.0.0.1 and 127.0.0.2, same port */
    char dir[200];
};

/* False when there is no tgtd on this machine: the test is to be skipped. */
bool tgt_available(void);
/* Starts it with one target, TGT_IQN, that admits everybody; fails the test otherwise. */
void tgt_start(struct tgt *t);
void tgt_stop(struct tgt *t);

/* Runs tgtadm with these arguments (NULL-terminated); a failure fails the test. */
void tgt_adm(const struct tgt *t, const char *first, ...);
/* A file of that size as LUN, with identity. */
void tgt_lun_add(const struct tgt *t, int lun, const char *file, uint64_t size,
                 const char *naa, const char *serial);
void tgt_lun_remove(const struct tgt *t, int lun);
/* The file behind the LUN grows, and the target looks at it again. */
void tgt_lun_grow(const struct tgt *t, int lun, const char *file, uint64_t size);

/* A port that nobody listens at. */
int tgt_free_port(void);
/* A listener that takes connections and never says a word. */
int tgt_silent_listener(struct tns_addr *ret);

#endif
