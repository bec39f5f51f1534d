/* SPDX-License-Identifier: Apache-2.0 */
/* Typed calls to the NAS: what volumes need, the same in every release. */
#ifndef TNS_NAS_NAS_H
#define TNS_NAS_NAS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/session.h"
#include "tnstor.h"

/*
 * A batch: calls that are sent together and count as one trip. Each tns__X_put() adds a call and
 * a decoder; tns__batch_run() sends all and decodes each reply into the `ret` given to its put,
 * which is owned by the caller then (release with the _free of its type) and untouched when that
 * call failed.
 *
 *     _tns_batch_ struct tns_batch *b = tns__batch_new(session);
 *     tns__dataset_list_put(b, &filter, &datasets);
 *     tns__extent_list_put(b, NULL, &extents);
 *     rc = tns__batch_run(b, err);
 *
 * A put that cannot (memory, a bad argument) makes run fail before anything is sent, so its return
 * value need not be looked at. put returns the call's index.
 */
struct tns_batch;

struct tns_batch *tns__batch_new(struct tns_session *s);
void tns__batch_free(struct tns_batch *b);
void tns__batch_freep(struct tns_batch **b);
#define _tns_batch_ __attribute__((cleanup(tns__batch_freep)))

/* 0 when every call succeeded; else the first failing call's error in *err. */
int tns__batch_run(struct tns_batch *b, struct tns_error *err);
/* After run: how call i went, code 0 when well. Borrowed. */
const struct tns_error *tns__batch_error(const struct tns_batch *b, int i);

/* Most mutations quirk around releases with several calls and are plain functions below; those
 * that are one call have a _put form, and this runs one alone. */

/* ---- system ---- */

struct tns_pool {
    char *name;
    char *guid;
    char *status; /* ONLINE, DEGRADED, FAULTED, OFFLINE, ... */
    bool healthy;
    bool draid; /* its smallest volblocksize is 32K or more */
};

/* NULL-safe. */
void tns__pool_free(struct tns_pool *p);
/* TNS_E_NOTFOUND when the pool is not there (exported). */
int tns__pool_get(struct tns_session *s, const char *name, struct tns_pool **ret,
                  struct tns_error *err);

struct tns_pool_list {
    struct tns_pool *items;
    size_t n;
};
void tns__pool_list_free(struct tns_pool_list *l);
/* name NULL: all. A pool that is not there is an empty list. */
int tns__pool_list_put(struct tns_batch *b, const char *name, struct tns_pool_list **ret);
int tns__pool_list(struct tns_session *s, struct tns_pool_list **ret,
                   struct tns_error *err);

int tns__system_ready(struct tns_session *s, bool *ret, struct tns_error *err);
/* Seconds since 1970 on the NAS, for `tnctl ping`. */
int tns__system_time(struct tns_session *s, int64_t *ret_s, struct tns_error *err);
/* An id of this installation that survives reboots and address changes (system.host_id, or the
 * next best of a release), for get_identity. */
int tns__system_identity(struct tns_session *s, char **ret, struct tns_error *err);

/* Which of the roles the client needs the key has; older releases answer "all" or "unknown". */
struct tns_roles {
    bool known; /* false: this release cannot tell  */
    bool full_admin;
    json_t *names; /* array of role names when known   */
};
int tns__roles_get(struct tns_session *s, struct tns_roles *ret, struct tns_error *err);
void tns__roles_clear(struct tns_roles *r);
/* True when the roles are known and neither this one nor one that includes it is among them. */
bool tns__roles_lack(const struct tns_roles *r, const char *role);

/* ---- datasets and zvols ---- */

enum tns_dataset_type { TNS_DATASET_FILESYSTEM = 1, TNS_DATASET_VOLUME = 2 };

struct tns_dataset {
    char *id; /* "tank/vm/vm-100-disk-0" */
    char *pool;
    enum tns_dataset_type type;
    uint64_t volsize_bytes;
    uint64_t volblocksize_bytes;
    uint64_t used_bytes;
    uint64_t referenced_bytes;
    uint64_t available_bytes;
    uint64_t refreservation_bytes;
    uint64_t reservation_bytes;
    uint64_t quota_bytes; /* 0: none */
    uint64_t refquota_bytes;
    int64_t creation_s; /* seconds since 1970, 0 if not asked for */
    char *origin;       /* snapshot this is a clone of, or NULL */
    bool encrypted;
    bool locked;
    bool readonly;
    json_t *tags; /* user properties, name -> string, as shown (perhaps inherited) */
};

struct tns_dataset_list {
    struct tns_dataset *items;
    size_t n;
};

void tns__dataset_free(struct tns_dataset *d);
void tns__dataset_list_free(struct tns_dataset_list *l);
/* Borrowed, NULL when there is none. */
const char *tns__dataset_tag(const struct tns_dataset *d, const char *name);

/* Of the names of one query: what a request line of HTTP carries well. */
#define TNS_NAMES_BYTES 4000

struct tns_dataset_filter {
    const char *id;         /* exactly this one                                        */
    const char *const *ids; /* zvols by exactly one of these names, NULL-terminated    */
    const char *within;     /* with ids: this dataset, too, and its room; only where a */
                            /* release takes that (tns__dataset_takes_within)          */
    const char *parent;     /* direct children of this one, filtered here again        */
    const char *origin_of;  /* clones of this snapshot or of any snapshot of this zvol */
    bool with_tags;
    bool minimal; /* used, available, quota, locked: what `status` needs     */
};
int tns__dataset_list_put(struct tns_batch *b, const struct tns_dataset_filter *f,
                          struct tns_dataset_list **ret);
int tns__dataset_list(struct tns_session *s, const struct tns_dataset_filter *f,
                      struct tns_dataset_list **ret, struct tns_error *err);
bool tns__dataset_takes_within(const struct tns_caps *caps);
/* Out of the list, owned; TNS_E_NOTFOUND when it is not in it. */
int tns__dataset_take(struct tns_dataset_list *l, const char *id, struct tns_dataset **ret,
                      struct tns_error *err);
/* TNS_E_NOTFOUND when there is none by exactly that name. */
int tns__dataset_get_put(struct tns_batch *b, const char *id, struct tns_dataset **ret);
int tns__dataset_get(struct tns_session *s, const char *id, struct tns_dataset **ret,
                     struct tns_error *err);

struct tns_zvol_spec {
    const char *id;
    uint64_t volsize_bytes;
    uint64_t volblocksize_bytes; /* 0: leave it to the NAS */
    bool sparse;
    const char *compression; /* NULL: inherit */
    const char *sync;        /* NULL: inherit */
    const char *comments;    /* NULL: none */
    json_t *tags;            /* object name -> string, borrowed, may be NULL */
};
/* One call, where tags go along; where the release drops them an update follows at once and is
 * read back. An existing one is TNS_E_EXISTS. */
int tns__zvol_create(struct tns_session *s, const struct tns_zvol_spec *spec,
                     struct tns_error *err);
/* One pool.dataset.create. The tags go along, and the reply must show them; where
 * caps->create_drops_tags they are left out, and the caller tags. */
int tns__zvol_create_put(struct tns_batch *b, const struct tns_zvol_spec *spec);
int tns__filesystem_create(struct tns_session *s, const char *id, const char *comments,
                           struct tns_error *err);
/* tags: name -> string to set, or null to remove. One call; the reply is compared with what was
 * set where it shows the properties (tns__dataset_set_tags() reads them back where it does not). */
int tns__dataset_set_tags(struct tns_session *s, const char *id, const json_t *tags,
                          struct tns_error *err);
/* The same when only one that has this tag with that value is meant: TNS_E_CONFLICT when it turns
 * out to be another one by now, which has the new tags all the same. */
int tns__dataset_set_tags_of(struct tns_session *s, const char *id, const json_t *tags,
                             const char *tag, const char *value, struct tns_error *err);
int tns__dataset_set_tags_of_put(struct tns_batch *b, const char *id, const json_t *tags,
                                 const char *tag, const char *value);
int tns__zvol_resize(struct tns_session *s, const char *id, uint64_t volsize_bytes,
                     bool sparse, struct tns_error *err);
/* readonly ON/OFF of a zvol (temporary clones). */
int tns__dataset_set_readonly(struct tns_session *s, const char *id, bool readonly,
                              struct tns_error *err);
/* Never recursive. Asked again afterwards where the release answers true without deleting: still
 * there is TNS_E_CONFLICT. Absent before: TNS_E_NOTFOUND. */
int tns__dataset_delete(struct tns_session *s, const char *id, struct tns_error *err);
int tns__dataset_promote(struct tns_session *s, const char *id, struct tns_error *err);
/* TNS_E_UNSUPPORTED where no method of this release does it for this key. */
int tns__dataset_rename(struct tns_session *s, const char *id, const char *new_id,
                        struct tns_error *err);
int tns__recommended_blocksize(struct tns_session *s, const char *pool, uint64_t *ret_bytes,
                               struct tns_error *err);

/* ---- snapshots ---- */

struct tns_snapshot {
    char *id;      /* "tank/vm/vm-100-disk-0@s1" */
    char *dataset; /* before the @ */
    char *name;    /* behind it    */
    uint64_t createtxg;
    int64_t creation_s;
    uint64_t used_bytes;
    uint64_t referenced_bytes;
    uint64_t volsize_bytes; /* 0 where not told */
    bool held;
    json_t *clones; /* array of dataset names, where the release tells; else NULL */
    json_t *tags;   /* user properties, may be NULL */
};
struct tns_snapshot_list {
    struct tns_snapshot *items; /* by createtxg, oldest first */
    size_t n;
};
void tns__snapshot_list_free(struct tns_snapshot_list *l);
int tns__snapshot_list_put(struct tns_batch *b, const char *dataset,
                           struct tns_snapshot_list **ret);
int tns__snapshot_list(struct tns_session *s, const char *dataset,
                       struct tns_snapshot_list **ret, struct tns_error *err);
/* tags may be NULL; they carry this operation's id. Existing: TNS_E_EXISTS. */
int tns__snapshot_create(struct tns_session *s, const char *dataset, const char *name,
                         const json_t *tags, struct tns_error *err);
/* Never deferred, never recursive. Clones or holds: TNS_E_CONFLICT naming them. */
int tns__snapshot_delete(struct tns_session *s, const char *dataset, const char *name,
                         struct tns_error *err);
int tns__snapshot_delete_put(struct tns_batch *b, const char *dataset, const char *name);
/* Never recursive: newer snapshots are TNS_E_CONFLICT. */
int tns__snapshot_rollback(struct tns_session *s, const char *dataset, const char *name,
                           struct tns_error *err);
/* tags go along where the release takes them (tns__clone_takes_tags), else by an update that follows
 * and is read back. Without tags it is always one call. */
bool tns__clone_takes_tags(const struct tns_caps *caps);
int tns__snapshot_clone(struct tns_session *s, const char *dataset, const char *name,
                        const char *new_id, const json_t *tags, struct tns_error *err);
int tns__snapshot_rename(struct tns_session *s, const char *dataset, const char *name,
                         const char *new_name, struct tns_error *err);
int tns__snapshot_hold(struct tns_session *s, const char *dataset, const char *name,
                       bool hold, struct tns_error *err);

/* ---- iSCSI ---- */

struct tns_iscsi_global {
    char *basename;
    uint16_t listen_port;
};
void tns__iscsi_global_free(struct tns_iscsi_global *g);
int tns__iscsi_global_get(struct tns_session *s, struct tns_iscsi_global **ret,
                          struct tns_error *err);
int tns__iscsi_global_get_put(struct tns_batch *b, struct tns_iscsi_global **ret);

struct tns_extent {
    int64_t id;
    char *name;
    char *disk; /* "zvol/tank/vm/vm-100-disk-0", NULL for file extents */
    char *serial;
    char *naa; /* 32 lower-case hex digits, without 0x */
    char *comment;
    uint32_t blocksize;
    bool enabled;
    bool ro;
    bool locked;
};
struct tns_extent_list {
    struct tns_extent *items;
    size_t n;
};
void tns__extent_list_free(struct tns_extent_list *l);
struct tns_extent_filter {
    const char *disk;        /* exactly this one                     */
    const char *disk_prefix; /* "zvol/tank/vm/": starts with         */
    const char *name;
    int64_t id; /* > 0: exactly this one                */
};
/* f NULL: all. Filters are applied here again: a server that ignores them harms nothing. */
int tns__extent_list_put(struct tns_batch *b, const struct tns_extent_filter *f,
                         struct tns_extent_list **ret);
/* "zvol/tank/vm/x" as extents write it, owned; NULL when memory is out. */
char *tns__extent_disk(const char *zvol);
struct tns_extent_spec {
    const char *name;
    const char *zvol;   /* "tank/vm/vm-100-disk-0" */
    const char *serial; /* NULL: the NAS chooses   */
    const char *comment;
    uint32_t blocksize; /* 0: 512 */
    bool ro;
};
int tns__extent_create(struct tns_session *s, const struct tns_extent_spec *spec,
                       int64_t *ret_id, struct tns_error *err);
/* Points it at another zvol path after a rename; NAA and serial stay. */
int tns__extent_set_zvol(struct tns_session *s, int64_t id, const char *zvol,
                         const char *name, struct tns_error *err);
int tns__extent_set_enabled(struct tns_session *s, int64_t id, bool enabled,
                            struct tns_error *err);
/* Never removes the zvol or file. Forced: the server's in-use check counts other LUNs of the
 * target. Absent: TNS_E_NOTFOUND. */
int tns__extent_delete(struct tns_session *s, int64_t id, struct tns_error *err);

struct tns_mapping {
    int64_t id;
    int64_t target_id;
    int64_t extent_id;
    int64_t lun;
};
struct tns_mapping_list {
    struct tns_mapping *items;
    size_t n;
};
void tns__mapping_list_free(struct tns_mapping_list *l);
struct tns_mapping_filter {
    int64_t target_id; /* > 0 */
    int64_t extent_id; /* > 0 */
};
int tns__mapping_list_put(struct tns_batch *b, const struct tns_mapping_filter *f,
                          struct tns_mapping_list **ret);
int tns__mapping_create(struct tns_session *s, int64_t target_id, int64_t extent_id,
                        int64_t lun, int64_t *ret_id, struct tns_error *err);
int tns__mapping_delete(struct tns_session *s, int64_t id, struct tns_error *err);

struct tns_target_group {
    int64_t portal_id;
    int64_t initiator_id; /* 0: anyone */
    int64_t auth_tag;     /* 0: none   */
    char authmethod[16];  /* NONE CHAP CHAP_MUTUAL */
};
struct tns_target {
    int64_t id;
    char *name;
    char *alias; /* or NULL */
    struct tns_target_group *groups;
    size_t n_groups;
};
struct tns_target_list {
    struct tns_target *items;
    size_t n;
};
void tns__target_list_free(struct tns_target_list *l);
int tns__target_list_put(struct tns_batch *b, struct tns_target_list **ret);
int tns__target_create(struct tns_session *s, const char *name, const char *alias,
                       const struct tns_target_group *groups, size_t n_groups,
                       int64_t *ret_id, struct tns_error *err);
int tns__target_delete(struct tns_session *s, int64_t id, struct tns_error *err);

struct tns_portal {
    int64_t id;
    char *comment;
    char **ips; /* NULL-terminated */
    uint16_t port;
    int64_t tag;
};
struct tns_portal_list {
    struct tns_portal *items;
    size_t n;
};
void tns__portal_list_free(struct tns_portal_list *l);
int tns__portal_list_put(struct tns_batch *b, struct tns_portal_list **ret);
int tns__portal_create(struct tns_session *s, const char *const *ips, const char *comment,
                       int64_t *ret_id, struct tns_error *err);

struct tns_initiator_group {
    int64_t id;
    char *comment;
    char **iqns; /* NULL-terminated; none: everyone */
};
struct tns_initiator_list {
    struct tns_initiator_group *items;
    size_t n;
};
void tns__initiator_list_free(struct tns_initiator_list *l);
int tns__initiator_list_put(struct tns_batch *b, struct tns_initiator_list **ret);
int tns__initiator_create(struct tns_session *s, const char *const *iqns,
                          const char *comment, int64_t *ret_id, struct tns_error *err);
int tns__initiator_update(struct tns_session *s, int64_t id, const char *const *iqns,
                          struct tns_error *err);

struct tns_iscsi_auth {
    int64_t id;
    int64_t tag;
    char *user;
    char *peer_user; /* "" without mutual CHAP */
};
struct tns_auth_list {
    struct tns_iscsi_auth *items;
    size_t n;
};
void tns__auth_list_free(struct tns_auth_list *l);
int tns__auth_list_put(struct tns_batch *b, struct tns_auth_list **ret);
int tns__auth_create(struct tns_session *s, int64_t tag, const char *user,
                     const struct tns_secret *secret, const char *peer_user,
                     const struct tns_secret *peer_secret, int64_t *ret_id,
                     struct tns_error *err);

struct tns_iscsi_session {
    char *initiator;
    char *initiator_addr;
    char *target; /* the full IQN */
};
struct tns_iscsi_session_list {
    struct tns_iscsi_session *items;
    size_t n;
};
void tns__iscsi_session_list_free(struct tns_iscsi_session_list *l);
int tns__iscsi_session_list_put(struct tns_batch *b, struct tns_iscsi_session_list **ret);

/* ---- services ---- */

struct tns_service {
    bool running;
    bool enabled;
};
int tns__service_get(struct tns_session *s, const char *name, struct tns_service *ret,
                     struct tns_error *err);
int tns__service_start(struct tns_session *s, const char *name, bool enable,
                       struct tns_error *err);
/* An idempotent reload, so that what is in the database is exported (RELIABILITY C07). */
int tns__service_reload(struct tns_session *s, const char *name, struct tns_error *err);

/* ---- bulk ---- */

/* Runs method once per row of params (an array of parameter arrays) as one job, or several when a
 * request would be too large; ret_errors[i] tells each item's outcome, code 0 when well. Without
 * core.bulk in this dialect: the calls pipelined. 0 when every item succeeded, else the first
 * error. */
int tns__bulk(struct tns_session *s, const char *method, const json_t *rows, unsigned flags,
              struct tns_error *ret_errors, struct tns_error *err);

#endif
