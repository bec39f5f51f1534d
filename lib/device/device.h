/* SPDX-License-Identifier: Apache-2.0 */
/* A LUN becomes a proven block device on this node, and goes away again. */
#ifndef TNS_DEVICE_DEVICE_H
#define TNS_DEVICE_DEVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/runner.h"
#include "base/secret.h"
#include "base/sysroot.h"
#include "tnstor.h"

/* ---- the node, as this layer sees it: replaceable piece by piece in tests ---- */

struct tns_scsi_id {
    char naa[33];    /* VPD 0x83, NAA type 6, lower-case hex; "" when there is none */
    char serial[64]; /* VPD 0x80, trimmed                                           */
    uint64_t size_bytes;
    uint32_t blocksize;
    uint64_t kernel_bytes; /* what this kernel takes it for; 0: not known */
};

/* Asks a device itself (INQUIRY 0x83 and 0x80, READ CAPACITY 16 by SG_IO), with a deadline that holds
 * even when the device does not answer. devname is a kernel name ("sdc"). */
struct tns_scsi {
    int (*identify)(struct tns_scsi *scsi, struct tns_sysroot *sr,
                    const struct tns_ctx *ctx, const char *devname, struct tns_scsi_id *ret,
                    struct tns_error *err);
    /* Several at once: each has an answer in ids[] or an error in errs[]. Without with_serial the
     * serial stays "" and one INQUIRY less is sent. NULL: one by one. */
    void (*identify_all)(struct tns_scsi *scsi, struct tns_sysroot *sr,
                         const struct tns_ctx *ctx, const char *const devnames[], size_t n,
                         bool with_serial, struct tns_scsi_id ids[],
                         struct tns_error errs[]);
    /* Whether the kernel itself holds the device for somebody: a file system, ZFS, an export. False, too, when
     * that cannot be told. NULL: nobody asks. */
    bool (*is_claimed)(struct tns_scsi *scsi, struct tns_sysroot *sr,
                       const struct tns_ctx *ctx, const char *devname);
    void *user;
};
struct tns_scsi *tns__scsi_real(void);

struct tns_node {
    struct tns_ctx *ctx;
    struct tns_sysroot *sr;
    struct tns_runner *runner;
    struct tns_scsi *scsi;
    const char *run_dir;    /* NULL: /run/tnstor; a path below sr               */
    const char *multipathd; /* NULL: the socket of multipathd; tests name theirs */
};

/* ---- what is wanted ---- */

struct tns_addr {
    char host[64]; /* literal IPv4 or IPv6 without brackets */
    uint16_t port;
};
/* "10.0.0.2", "10.0.0.2:3260", "[fd00::2]:3260", "fd00::2": parsed, port 3260 by default. */
int tns__addr_parse(const char *text, struct tns_addr *ret, struct tns_error *err);
bool tns__addr_equal(const struct tns_addr *a, const struct tns_addr *b);

struct tns_chap {
    const char *user; /* NULL: no CHAP */
    const struct tns_secret *password;
    const char *mutual_user; /* NULL: one way */
    const struct tns_secret *mutual_password;
};

/* Everything that identifies a LUN; all of it comes from the NAS, or from a record of this node
 * that was written when the NAS said so. Borrowed. */
struct tns_want {
    const char *storeid;
    const char *linkname; /* last part of /dev/tnstor/<storeid>/<linkname> */
    const char *target_iqn;
    const struct tns_addr *portals;
    size_t n_portals;
    uint16_t lun;
    char naa[33];
    const char *serial; /* NULL: not compared */
    uint64_t size_bytes;
    uint32_t blocksize; /* logical; 0: not compared */
    bool readonly;
    bool multipath; /* use_multipath */
    struct tns_chap chap;
};

/* ---- operations; all idempotent, each under a node-local lock per volume ---- */

struct tns_mapped {
    char path[256];   /* /dev/tnstor/<storeid>/<linkname>            */
    char device[512]; /* what the link points at, or the iscsi:// URL  */
    unsigned paths;   /* verified                                    */
    unsigned silent;  /* paths that gave no answer                    */
    unsigned portals_failed;
    bool already;      /* it was mapped and proven; nothing was done  */
    char warning[256]; /* "" or one line: degraded, portal down, ...  */
};

/* Already mapped under this link? Then a fresh INQUIRY on each path and nothing else. want->portals may
 * be empty and naa from the record. *ret_found false: not mapped. Anything that does not match is
 * TNS_E_IDENTITY, never a silent remap. */
int tns__device_verify(struct tns_node *node, const struct tns_want *want, bool *ret_found,
                       struct tns_mapped *ret, struct tns_error *err);
int tns__device_map(struct tns_node *node, const struct tns_want *want,
                    struct tns_mapped *ret, struct tns_error *err);
/* Refuses with TNS_E_CONFLICT naming the holder while anything uses it. Not mapped is success. With
 * logout: leaves the target when no LUN of it is left on this node. */
int tns__device_unmap(struct tns_node *node, const struct tns_want *want, bool logout,
                      struct tns_error *err);
/* After the size changed on the NAS: this LUN is rescanned on every path, the map follows, and the new
 * size is verified. want->size_bytes is the new one. Not mapped is success. */
int tns__device_resize(struct tns_node *node, const struct tns_want *want,
                       struct tns_error *err);
/* Removes leftovers on this node of volumes that exist no longer: only devices whose WWID is in a
 * record of ours and whose paths say LUN unsupported. Returns how many it removed. */
int tns__device_tidy(struct tns_node *node, const char *storeid, unsigned *ret_removed,
                     struct tns_error *err);
/* The same, at most every ten minutes on this node and for three seconds; failures are logged. true: it
 * was time for it. */
bool tns__device_tidy_seldom(struct tns_node *node, const char *storeid);
/* Everything known of one volume on this node: {mapped, path, device, wwid, size, paths: [{dev,
 * portal, state, naa, size}], holders: [..], openers: [..]}. */
int tns__device_status(struct tns_node *node, const struct tns_want *want, json_t **ret,
                       struct tns_error *err);
/* TNS_E_CONFLICT naming the holder when the volume is open or held on this node; 0 otherwise. */
int tns__device_check_unused(struct tns_node *node, const char *storeid,
                             const char *linkname, struct tns_error *err);

/* This node's IQN from /etc/iscsi/initiatorname.iscsi. */
int tns__device_initiator_name(struct tns_node *node, char *ret, size_t cap,
                               struct tns_error *err);

/* Is there a multipathd that answers? Asked before anything is changed. */
int tns__multipathd_check(struct tns_node *node, struct tns_error *err);

/* Whether an address ("10.0.0.2", "[fd00::2]:3260") is one of this node. */
int tns__device_owns_address(const char *text, bool *ret, struct tns_error *err);

/* ---- records in /var/lib/tnstor/<storeid>/<linkname>.json (0600) ---- */

/* What a volume was when the NAS last told: {naa, serial, target, lun, portals, size, blocksize}. */
int tns__record_write(struct tns_node *node, const struct tns_want *want,
                      struct tns_error *err);
/* Owned; TNS_E_NOTFOUND when there is none. The want's strings live in the returned record. */
struct tns_record {
    struct tns_want want;
    void *memory;
};
int tns__record_read(struct tns_node *node, const char *storeid, const char *linkname,
                     struct tns_record *ret, struct tns_error *err);
void tns__record_clear(struct tns_record *r);
int tns__record_remove(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err);
/* Volumes that have a record and are not mapped; tns__strv_free. */
int tns__record_spare(struct tns_node *node, const char *storeid, char ***ret,
                      struct tns_error *err);
/* Removed, unless the volume is mapped by now. */
int tns__record_forget(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err);
/* Link names that have a record; an empty list when the storage has none. tns__strv_free. */
int tns__record_names(struct tns_node *node, const char *storeid, char ***ret,
                      struct tns_error *err);
/* Every trace of a storage on this node that is not a mapped volume. */
int tns__record_remove_all(struct tns_node *node, const char *storeid,
                           struct tns_error *err);

/* ---- the NAS said so lately: notes below run_dir, gone with the next boot ---- */

/* The NAS has just said that want's NAA is the volume of want's link. */
void tns__recent_note(struct tns_node *node, const struct tns_want *want);
/* It said the same within the last ten seconds. */
bool tns__recent_is(struct tns_node *node, const struct tns_want *want);
/* Goes with the record. */
int tns__recent_forget(struct tns_node *node, const char *storeid, const char *linkname,
                       struct tns_error *err);

/* ---- over the wire, without the kernel (libiscsi) ---- */

/* Targets that SendTargets lists at a portal: array of {"iqn", "portals": ["ip:port", ...]}. CHAP errors
 * are TNS_E_AUTH, no listener TNS_E_TRANSPORT. */
int tns__probe_discover(struct tns_ctx *ctx, const struct tns_addr *portal,
                        const struct tns_chap *chap, const char *initiator, json_t **ret,
                        struct tns_error *err);
/* LUN numbers of a target, ascending: array of integers. */
int tns__probe_report_luns(struct tns_ctx *ctx, const struct tns_addr *portal,
                           const char *target_iqn, const struct tns_chap *chap,
                           const char *initiator, json_t **ret, struct tns_error *err);
/* Logs in and asks the LUN who it is: identity and size over the wire. */
int tns__probe_identify(struct tns_ctx *ctx, const struct tns_addr *portal,
                        const char *target_iqn, uint16_t lun, const struct tns_chap *chap,
                        const char *initiator, struct tns_scsi_id *ret,
                        struct tns_error *err);

/* tn_initiator qemu: verifies the LUN over the wire on each portal, and leaves the record under
 * /run/tnstor that path() reads; unmap removes it. No kernel session. */
int tns__qemu_map(struct tns_node *node, const struct tns_want *want, const char *initiator,
                  struct tns_mapped *ret, struct tns_error *err);
int tns__qemu_unmap(struct tns_node *node, const struct tns_want *want,
                    struct tns_error *err);
/* iscsi://portal/iqn/lun of a mapped one; TNS_E_NOTFOUND otherwise. Reads one file, nothing else. */
int tns__qemu_url(struct tns_node *node, const char *storeid, const char *linkname,
                  char *ret, size_t cap, struct tns_error *err);

#endif
