/* SPDX-License-Identifier: Apache-2.0 */
/* iSCSI sessions of this node, as the kernel has them. */
#ifndef TNS_DEVICE_SESSION_H
#define TNS_DEVICE_SESSION_H

#include "device/device_priv.h"

#define TNS__SESSIONS_MAX 64u

struct tns__session {
    unsigned sid;  /* sessionN                                   */
    unsigned host; /* hostN: one for each session with iscsi_tcp */
    unsigned target_id;
    struct tns_addr portal; /* the one that was logged in to          */
    bool has_portal;
    bool is_up; /* LOGGED_IN                                  */
};

struct tns__sessions {
    struct tns__session s[TNS__SESSIONS_MAX];
    size_t n;
};

/* The sessions to this target, whatever their state. None is no error. */
int tns__sessions_read(struct tns_node *node, const char *target_iqn,
                       struct tns__sessions *ret, struct tns_error *err);
const struct tns__session *tns__sessions_find(const struct tns__sessions *all,
                                              const struct tns_addr *portal);
size_t tns__sessions_up(const struct tns__sessions *all);
/* True when the kernel has any device on this session. */
int tns__session_has_devices(struct tns_node *node, const struct tns__session *s, bool *ret,
                             struct tns_error *err);

/* ---- login.c ---- */

/*
 * Makes sure of a session to each wanted portal, in parallel; to one of them without multipath. A
 * portal that fails is counted and remembered; only when there is no session at all it is an error.
 */
int tns__sessions_ensure(struct tns_node *node, const struct tns_want *want,
                         struct tns__sessions *ret, unsigned *ret_failed,
                         struct tns_error *err);
/* Leaves the target on every portal of the want when no device of it is left; takes our node records
 * along. */
int tns__sessions_leave(struct tns_node *node, const struct tns_want *want,
                        struct tns_error *err);

/* ---- node_record.c ---- */

/* Prepares the record that iscsiadm needs for a login: manual startup, manual scan, CHAP. */
int tns__node_record_prepare(struct tns_node *node, const struct tns_ctx *ctx,
                             const struct tns_want *want, const struct tns_addr *portal,
                             bool *ret_made, struct tns_error *err);
void tns__node_record_delete(struct tns_node *node, const struct tns_ctx *ctx,
                             const char *target_iqn, const struct tns_addr *portal);

/* ---- node_leftover.c ---- */

/* Where iscsiadm keeps its records, by distribution: <dir>/<target>/<portal>. */
extern const char *const tns__record_dirs[2];
/* A record is rewritten by way of <dir>/<target>/<this><uuid>: every name with a comma is a record to
 * iscsiadm, and so is every name in the directory of a portal. */
#define TNS__RECORD_TEMP ".tnstor-"

/* Removes such files that a killed process left; the target's lock is held. */
void tns__node_record_tidy(struct tns_node *node, const char *target_iqn);

/* ---- iscsiadm.c ---- */

/* iscsiadm's exit code as an error code; 0 for success and for "exists already". */
int tns__iscsiadm_code(int exit_code);
/* Runs "iscsiadm -m node -T target -p portal ..."; more[] ends with NULL. */
int tns__iscsiadm_node(struct tns_node *node, const struct tns_ctx *ctx,
                       const char *target_iqn, const struct tns_addr *portal,
                       const char *const more[], struct tns_error *err);

#endif
