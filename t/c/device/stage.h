/* SPDX-License-Identifier: Apache-2.0 */
/* The usual stage of a test: a world with two portals and one volume that is mapped and unmapped. */
#ifndef TNS_T_DEVICE_STAGE_H
#define TNS_T_DEVICE_STAGE_H

#include "device/world.h"

#define LINK "vm-100-disk-0"
#define MAPPER_A "/dev/mapper/" W_WWID_A
#define NEW_RECORD(p)                                                                      \
    "iscsiadm -m node -T " W_IQN " -p " p " -o new\n"                                      \
    "iscsiadm -m node -T " W_IQN " -p " p " -o update -n node.startup -v manual"           \
    " -n node.session.scan -v manual -n node.session.initial_login_retry_max -v 0"         \
    " -n node.session.auth.authmethod -v None\n"
#define LOGIN(p) "iscsiadm -m node -T " W_IQN " -p " p " --login\n"
#define WWID_ADD "multipath -a " W_WWID_A "\n"
#define WWID_DROP "multipath -w " W_WWID_A "\n"

extern struct world *w;
extern struct tns_want want;
extern struct tns_mapped mapped;

/* For tst_main. */
void stage_setup(void);
void stage_teardown(void);

int map(void);
int unmap(void);
/* Both sessions, mapped, and all that forgotten. */
void mapped_before(void);

#endif
