/* SPDX-License-Identifier: Apache-2.0 */
/* Zero-touch set-up: what is there, what is missing, one change at a time until nothing
 * is. */
#ifndef TNS_VOLUME_SETUP_H
#define TNS_VOLUME_SETUP_H

#include "nas/nas.h"
#include "volume/iqns.h"
#include "volume/resolve.h"
#include "volume/storage.h"

enum tns_setup_action { TNS_SETUP_OK, TNS_SETUP_CREATE, TNS_SETUP_UPDATE, TNS_SETUP_WRONG };
enum tns_setup_what {
    TNS_SETUP_DATASET,
    TNS_SETUP_PORTAL,
    TNS_SETUP_INITIATORS,
    TNS_SETUP_CHAP,
    TNS_SETUP_TARGET,
    TNS_SETUP_SERVICE,
    TNS_SETUP_COUNT,
};

struct tns_setup_step {
    enum tns_setup_action action;
    char object[256];
    char text[300];
};

struct tns_setup {
    struct tns_storage *st;
    struct tns_setup_step steps[TNS_SETUP_COUNT];
    enum tns_setup_action done[TNS_SETUP_COUNT]; /* what this run has changed */
    char done_text[TNS_SETUP_COUNT][300];

    /* as the NAS has it, owned */
    struct tns_dataset *dataset;
    struct tns_portal_list *portals;
    struct tns_initiator_list *initiators;
    struct tns_auth_list *auths;
    struct tns_target_list *targets;
    struct tns_iscsi_global *global;
    struct tns_service service;

    /* found on the way, borrowed */
    struct tns_iqns iqns;
    char alias[160];
    const struct tns_portal *portal;
    const struct tns_initiator_group *group;
    const struct tns_iscsi_auth *auth;
    const struct tns_target *target;
};

int tns__setup_gather(struct tns_setup *s, struct tns_error *err);
void tns__setup_clear(struct tns_setup *s);

/* Each looks and fills its step. */
void tns__setup_look(struct tns_setup *s);
/* Each does what its step says. */
int tns__setup_do(struct tns_setup *s, enum tns_setup_what what, struct tns_error *err);
/* The name that the target has or gets. */
void tns__setup_target_name(const struct tns_setup *s, char ret[160]);

#endif
