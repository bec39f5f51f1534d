/* SPDX-License-Identifier: Apache-2.0 */
/* The public interface of libtnstor: TrueNAS volumes for Proxmox VE. */
#ifndef TNSTOR_H
#define TNSTOR_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TNS_VERSION_MAJOR 0
#define TNS_VERSION_MINOR 1
#define TNS_VERSION_PATCH 0
#define TNS_VERSION_HEX                                                                    \
    ((TNS_VERSION_MAJOR << 16) | (TNS_VERSION_MINOR << 8) | TNS_VERSION_PATCH)

#if defined(__GNUC__)
#define TNS_API __attribute__((visibility("default")))
#define TNS_MUST_USE __attribute__((warn_unused_result))
#else
#define TNS_API
#define TNS_MUST_USE
#endif

/* ---- errors ------------------------------------------------------------------------- */

/* What went wrong. Stable and append-only: callers store and compare these numbers. */
enum tns_code {
    TNS_OK = 0,
    TNS_E_USAGE = 1,        /* the caller asked for something that makes no sense       */
    TNS_E_CONFIG = 2,       /* an option of the storage is wrong; the text names it     */
    TNS_E_AUTH = 3,         /* the NAS does not accept the credential                   */
    TNS_E_PERMISSION = 4,   /* the credential may not do this                           */
    TNS_E_TRANSPORT = 5,    /* no connection, or it broke                               */
    TNS_E_TLS = 6,          /* the certificate or the handshake was refused             */
    TNS_E_PROTOCOL = 7,     /* the peer answered what it must not answer                */
    TNS_E_SERVER = 8,       /* the NAS tried and failed                                 */
    TNS_E_BUSY = 9,         /* not now; retry_after_ms may say when                     */
    TNS_E_NOTFOUND = 10,    /* no such object                                           */
    TNS_E_EXISTS = 11,      /* the name is taken by something else                      */
    TNS_E_CONFLICT = 12,    /* the object is in use, or is not what it was              */
    TNS_E_CAPACITY = 13,    /* no room                                                  */
    TNS_E_LOCKED = 14,      /* encrypted and locked                                     */
    TNS_E_IDENTITY = 15,    /* a device or a NAS is not the one it must be              */
    TNS_E_DEVICE = 16,      /* a device, a session or a command on this node failed     */
    TNS_E_TIMEOUT = 17,     /* the deadline passed                                      */
    TNS_E_CANCELLED = 18,   /* the cancel callback said stop                            */
    TNS_E_NOMEM = 19,       /* out of memory                                            */
    TNS_E_FORKED = 20,      /* the handle belongs to another process                    */
    TNS_E_UNSUPPORTED = 21, /* this release of the NAS, or this storage, cannot         */
    TNS_E_UNAVAILABLE = 22, /* pool exported, service stopped: comes back by itself     */
    TNS_E_FOREIGN = 23,     /* not tagged as ours: read-only                            */
    TNS_E_BUG = 24,         /* an invariant of this library does not hold               */
};

enum tns_error_flag {
    TNS_F_RETRYABLE = 1u << 0,       /* repeating the same call cannot harm             */
    TNS_F_OUTCOME_UNKNOWN = 1u << 1, /* it may have happened: read back first           */
};

struct tns_error {
    size_t size;             /* sizeof(struct tns_error), set by TNS_ERROR_INIT           */
    int code;                /* enum tns_code, 0 while nothing failed                     */
    int sys_errno;           /* errno of this machine, 0 if none                          */
    int remote_code;         /* JSON-RPC error code, 0 if none                            */
    int remote_errno;        /* errno the NAS sent, 0 if none                             */
    uint32_t flags;          /* enum tns_error_flag                                       */
    uint32_t retry_after_ms; /* with TNS_E_BUSY: when to come back, 0 if unknown          */
    char op[48];             /* the call that failed, as the NAS names it                 */
    char text[472];          /* one line for people; never holds a secret                 */
};

#define TNS_ERROR_INIT                                                                     \
    {                                                                                      \
        .size = sizeof(struct tns_error)                                                   \
    }

/* The word for a code: "notfound", "identity", ... Never NULL. */
TNS_API const char *tns_code_name(int code);

TNS_API const char *tns_version_string(void);

/* ---- log and cancel ----------------------------------------------------------------- */

/* level is a syslog level; op and msg are already free of secrets. */
typedef void (*tns_log_fn)(void *user, int level, const char *component, const char *msg);

/* Asked whenever a wait is interrupted; non-zero ends the call with TNS_E_CANCELLED. */
typedef int (*tns_cancel_fn)(void *user);

/* ---- a storage ---------------------------------------------------------------------- */

/*
 * One section of storage.cfg and the session to its NAS. Results that are more than a number cross
 * this interface as jansson values, owned by the caller: a binding needs one converter and no
 * lifetime rules. Every function may be called again after any failure; each is bounded by the
 * storage's timeout, returns 0 or -code, and leaves its outputs untouched on failure.
 */
struct tns_storage;

struct tns_hooks {
    size_t size; /* sizeof(struct tns_hooks) */
    tns_log_fn log_fn;
    void *log_user;
    int log_level; /* syslog level; LOG_INFO when zero */
    tns_cancel_fn cancel_fn;
    void *cancel_user;
};

/*
 * options: an object with the options of the section under their names in storage.cfg (strings,
 * integers or booleans as they come), "storeid", and the secrets api_key, chap_password and
 * tn_chap_mutual_password. Where things are on this node can be set for tests: "tn_run_dir"
 * (/run/tnstor), "tn_sysroot" (/), "tn_holder" (path of tnsessiond, "" for never), "tn_node" (host
 * name). Nothing is connected. A wrong option is TNS_E_CONFIG and the text names it.
 */
TNS_API int tns_storage_open(const json_t *options, const struct tns_hooks *hooks,
                             struct tns_storage **ret, struct tns_error *err);
/* In a process that did not open it: frees memory, says nothing to the NAS. NULL is fine. */
TNS_API void tns_storage_close(struct tns_storage *st);
/* The budget of each following call in milliseconds. */
TNS_API void tns_storage_set_timeout(struct tns_storage *st, unsigned timeout_ms);

/* {total, available, used} in bytes, one trip. */
TNS_API int tns_storage_status(struct tns_storage *st, json_t **ret, struct tns_error *err);
/* Asks the NAS whether every option is right: host, key and its roles, dataset, target, portals,
 * service, space. The first wrong one is the error. {release, version, warnings: [..]}. */
TNS_API int tns_storage_check(struct tns_storage *st, json_t **ret, struct tns_error *err);
/* Finds or makes what a storage needs: dataset, target, portal, initiator group, CHAP, service. With
 * check_only nothing is changed. {steps: [{what, object, action: ok|create|update|wrong, text}],
 * target_iqn, portals: [..]}. */
TNS_API int tns_storage_setup(struct tns_storage *st, int check_only, json_t **ret,
                              struct tns_error *err);
/* A string that is the same wherever and whenever this very dataset is reached. */
TNS_API int tns_storage_identity(struct tns_storage *st, char ret[128],
                                 struct tns_error *err);
/* What is under the dataset and the target, classified; with repair also what our own operation ids
 * prove ours is finished or removed. {volumes: [{object, class, text, action}], ...}. */
TNS_API int tns_storage_reconcile(struct tns_storage *st, int repair, json_t **ret,
                                  struct tns_error *err);
/* Devices left over on this node by volumes that were freed elsewhere. */
TNS_API int tns_storage_tidy(struct tns_storage *st, unsigned *ret_removed,
                             struct tns_error *err);
/* Every local trace of a storage that is being removed; never data, never a mapped volume. */
TNS_API int tns_storage_forget(struct tns_storage *st, struct tns_error *err);
/* Any call to the NAS, for `tnctl call`. */
TNS_API int tns_storage_call(struct tns_storage *st, const char *method, json_t *params,
                             json_t **ret, struct tns_error *err);
/* The IQN this node presents, for QEMU's own iSCSI driver. */
TNS_API int tns_storage_initiator(struct tns_storage *st, char ret[256],
                                  struct tns_error *err);
/* {calls, trips, logins} this handle has used so far. */
TNS_API int tns_storage_counters(struct tns_storage *st, json_t **ret,
                                 struct tns_error *err);

/* ---- volumes ------------------------------------------------------------------------ */

/* Pure: {vtype, name, vmid, basename, basevmid, isbase, format, zvol (leaf), old_form}. Members
 * that do not apply are null. Anything outside the grammar is TNS_E_USAGE. */
TNS_API int tns_volname_parse(const char *volname, json_t **ret, struct tns_error *err);

/* [{volname, vmid, size, used, parent, ctime, format, zvol, notes?, protected?}]; vmid 0: all. */
TNS_API int tns_volume_list(struct tns_storage *st, uint64_t vmid, json_t **ret,
                            struct tns_error *err);
/* One element of the list. With the API away, of a volume that this node mapped before: its name and the size
 * of then, null for the rest, and "warning". */
TNS_API int tns_volume_info(struct tns_storage *st, const char *volname, json_t **ret,
                            struct tns_error *err);
/* name NULL or "": the first free vm-<vmid>-disk-<n>. ret holds the canonical volname. */
TNS_API int tns_volume_alloc(struct tns_storage *st, uint64_t vmid, const char *name,
                             uint64_t size_bytes, char ret[256], struct tns_error *err);
/* Absent is success. Clones, holds, use on this node: TNS_E_CONFLICT with their names. */
TNS_API int tns_volume_free(struct tns_storage *st, const char *volname,
                            struct tns_error *err);
/* Grows; equal is success, smaller TNS_E_USAGE. A mapped device follows. */
TNS_API int tns_volume_resize(struct tns_storage *st, const char *volname,
                              uint64_t size_bytes, struct tns_error *err);
TNS_API int tns_volume_rename(struct tns_storage *st, const char *volname, uint64_t vmid,
                              const char *new_name, char ret[256], struct tns_error *err);
/* vm-... becomes base-...; ret holds the new volname. */
TNS_API int tns_volume_create_base(struct tns_storage *st, const char *volname,
                                   char ret[256], struct tns_error *err);
/* Linked clone of a base (snap NULL) or of a snapshot of any volume. */
TNS_API int tns_volume_clone(struct tns_storage *st, const char *volname, const char *snap,
                             uint64_t vmid, char ret[256], struct tns_error *err);
TNS_API int tns_volume_promote(struct tns_storage *st, const char *volname,
                               struct tns_error *err);
/* "notes" (text) and "protected" ("0", "1"); NULL removes. get answers JSON null when unset. */
TNS_API int tns_volume_get_attribute(struct tns_storage *st, const char *volname,
                                     const char *name, json_t **ret, struct tns_error *err);
TNS_API int tns_volume_set_attribute(struct tns_storage *st, const char *volname,
                                     const char *name, const char *value,
                                     struct tns_error *err);
/* Tags an untagged volume of the old plugin, or one that was moved here, as ours under the given
 * spelling; adopt_all does so for every one whose tags name us. release takes the tags away. */
TNS_API int tns_volume_adopt(struct tns_storage *st, const char *volname,
                             struct tns_error *err);
TNS_API int tns_storage_adopt_all(struct tns_storage *st, int check_only, json_t **ret,
                                  struct tns_error *err);
TNS_API int tns_volume_release(struct tns_storage *st, const char *volname,
                               struct tns_error *err);

/* ---- snapshots ---------------------------------------------------------------------- */

TNS_API int tns_snapshot_create(struct tns_storage *st, const char *volname,
                                const char *snap, struct tns_error *err);
/* Absent is success. */
TNS_API int tns_snapshot_delete(struct tns_storage *st, const char *volname,
                                const char *snap, struct tns_error *err);
TNS_API int tns_snapshot_rename(struct tns_storage *st, const char *volname,
                                const char *snap, const char *new_name,
                                struct tns_error *err);
/* [{name, id, timestamp, size (virtual), used, held}] oldest first. */
TNS_API int tns_snapshot_list(struct tns_storage *st, const char *volname, json_t **ret,
                              struct tns_error *err);
/* 0 when rollback would go through; else TNS_E_CONFLICT, and *ret_blockers (owned, may be NULL as an
 * argument) lists the names of the newer snapshots that stand in the way. */
TNS_API int tns_rollback_check(struct tns_storage *st, const char *volname,
                               const char *snap, json_t **ret_blockers,
                               struct tns_error *err);
TNS_API int tns_rollback(struct tns_storage *st, const char *volname, const char *snap,
                         struct tns_error *err);

/* ---- on this node ------------------------------------------------------------------- */

/* Pure but for one file under tn_run_dir with tn_initiator qemu: no network, no device. snap may be
 * NULL. /dev/tnstor/<storeid>/<volname>[@snap] or an iscsi:// URL. */
TNS_API int tns_volume_path(struct tns_storage *st, const char *volname, const char *snap,
                            char ret[512], struct tns_error *err);
/* {path, device, paths, already, warning}; a snapshot is mapped as a temporary read-only clone. */
TNS_API int tns_volume_map(struct tns_storage *st, const char *volname, const char *snap,
                           json_t **ret, struct tns_error *err);
/* Not mapped is success, also when the volume is gone. */
TNS_API int tns_volume_unmap(struct tns_storage *st, const char *volname, const char *snap,
                             struct tns_error *err);
/* What this node knows of one volume: paths, states, sizes, holders; asks the NAS only if `ask`. */
TNS_API int tns_volume_node_status(struct tns_storage *st, const char *volname, int ask,
                                   json_t **ret, struct tns_error *err);

#ifdef __cplusplus
}
#endif
#endif
