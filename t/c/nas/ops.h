/* SPDX-License-Identifier: Apache-2.0 */
/* Every typed call as one operation of a table, for the sweeps. */
#ifndef TNS_T_NAS_OPS_H
#define TNS_T_NAS_OPS_H

#include "nas/fix.h"

/* What an operation needs to find; ops_prepare() makes it. */
enum {
    NEEDS_VOLUME = 1,  /* f->vol with the snapshots "old" and "new"  */
    NEEDS_CLONE = 2,   /* <root>/clone of vol@old                    */
    NEEDS_SPARE = 4,   /* <root>/spare, a zvol that nothing refers to */
    NEEDS_EXPORT = 8,  /* vol on a target of its own                 */
    NEEDS_EXTENT = 16, /* an extent on spare: f->extent_id           */
};

struct op {
    const char *name;
    int (*run)(struct fix *f, struct tns_error *err);
    unsigned needs;
    bool is_read;
    /* the operation may answer this on some releases, and then nothing is checked */
    int unsupported;
};

/* ---- lists ---- */

#define OP_LIST(name_, type_, put_, free_)                                                 \
    static int name_(struct fix *f, struct tns_error *err)                                 \
    {                                                                                      \
        _tns_batch_ struct tns_batch *b = tns__batch_new(f->s);                            \
        struct type_ *list = NULL;                                                         \
        int rc;                                                                            \
                                                                                           \
        put_;                                                                              \
        rc = tns__batch_run(b, err);                                                       \
        ck_assert_msg((rc == 0) == (list != NULL), "%s: %d but %p", #name_, rc,            \
                      (void *)list);                                                       \
        free_(list);                                                                       \
        return rc;                                                                         \
    }

OP_LIST(op_extents, tns_extent_list, tns__extent_list_put(b, NULL, &list),
        tns__extent_list_free)
OP_LIST(op_mappings, tns_mapping_list, tns__mapping_list_put(b, NULL, &list),
        tns__mapping_list_free)
OP_LIST(op_targets, tns_target_list, tns__target_list_put(b, &list), tns__target_list_free)
OP_LIST(op_portals, tns_portal_list, tns__portal_list_put(b, &list), tns__portal_list_free)
OP_LIST(op_initiators, tns_initiator_list, tns__initiator_list_put(b, &list),
        tns__initiator_list_free)
OP_LIST(op_auths, tns_auth_list, tns__auth_list_put(b, &list), tns__auth_list_free)
OP_LIST(op_sessions, tns_iscsi_session_list, tns__iscsi_session_list_put(b, &list),
        tns__iscsi_session_list_free)
OP_LIST(op_global, tns_iscsi_global, tns__iscsi_global_get_put(b, &list),
        tns__iscsi_global_free)
OP_LIST(op_snapshots, tns_snapshot_list, tns__snapshot_list_put(b, f->vol, &list),
        tns__snapshot_list_free)
OP_LIST(op_dataset, tns_dataset, tns__dataset_get_put(b, f->vol, &list), tns__dataset_free)

static int op_children(struct fix *f, struct tns_error *err)
{
    const struct tns_dataset_filter filter = { .parent = f->root, .with_tags = true };
    struct tns_dataset_list *list = NULL;
    int rc = tns__dataset_list(f->s, &filter, &list, err);

    tns__dataset_list_free(list);
    return rc;
}
static int op_names(struct fix *f, struct tns_error *err)
{
    const char *const ids[] = { f->vol, "tank/nothing/here", NULL };
    const struct tns_dataset_filter filter = { .ids = ids };
    struct tns_dataset_list *list = NULL;
    int rc = tns__dataset_list(f->s, &filter, &list, err);

    tns__dataset_list_free(list);
    return rc;
}
static int op_clones(struct fix *f, struct tns_error *err)
{
    const struct tns_dataset_filter filter = { .origin_of = f->vol };
    struct tns_dataset_list *list = NULL;
    int rc = tns__dataset_list(f->s, &filter, &list, err);

    tns__dataset_list_free(list);
    return rc;
}
static int op_pools(struct fix *f, struct tns_error *err)
{
    struct tns_pool_list *list = NULL;
    int rc = tns__pool_list(f->s, &list, err);

    tns__pool_list_free(list);
    return rc;
}
static int op_pool(struct fix *f, struct tns_error *err)
{
    struct tns_pool *pool = NULL;
    int rc = tns__pool_get(f->s, "tank", &pool, err);

    tns__pool_free(pool);
    return rc;
}

/* ---- single values ---- */

static int op_ready(struct fix *f, struct tns_error *err)
{
    bool ready;

    return tns__system_ready(f->s, &ready, err);
}
static int op_time(struct fix *f, struct tns_error *err)
{
    int64_t now;

    return tns__system_time(f->s, &now, err);
}
static int op_identity(struct fix *f, struct tns_error *err)
{
    char *id = NULL;
    int rc = tns__system_identity(f->s, &id, err);

    tns__free(id);
    return rc;
}
static int op_roles(struct fix *f, struct tns_error *err)
{
    struct tns_roles roles = { 0 };
    int rc = tns__roles_get(f->s, &roles, err);

    tns__roles_clear(&roles);
    return rc;
}
static int op_blocksize(struct fix *f, struct tns_error *err)
{
    uint64_t bytes;

    return tns__recommended_blocksize(f->s, "tank", &bytes, err);
}
static int op_service(struct fix *f, struct tns_error *err)
{
    struct tns_service service;

    return tns__service_get(f->s, "iscsitarget", &service, err);
}

/* ---- changes to datasets ---- */

static int op_create(struct fix *f, struct tns_error *err)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:self", fix_name(f, "made"));
    const struct tns_zvol_spec spec = { .id = fix_name(f, "made"),
                                        .volsize_bytes = 16 * MIB,
                                        .volblocksize_bytes = 16384,
                                        .sparse = true,
                                        .compression = "lz4",
                                        .comments = "made",
                                        .tags = tags };

    return tags ? tns__zvol_create(f->s, &spec, err) : tns__error_nomem(err);
}
static int op_create_put(struct fix *f, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(f->s);
    const struct tns_zvol_spec spec = { .id = fix_name(f, "made"),
                                        .volsize_bytes = 16 * MIB };

    tns__zvol_create_put(b, &spec);
    return tns__batch_run(b, err);
}
static int op_filesystem(struct fix *f, struct tns_error *err)
{
    return tns__filesystem_create(f->s, fix_name(f, "fs"), "x", err);
}
static int op_set_tags(struct fix *f, struct tns_error *err)
{
    _tns_json_ json_t *tags =
        json_pack("{s: s, s: n}", "org.tnstor:a", "1", "org.tnstor:b");

    return tags ? tns__dataset_set_tags(f->s, fix_name(f, "spare"), tags, err)
                : tns__error_nomem(err);
}
static int op_resize(struct fix *f, struct tns_error *err)
{
    return tns__zvol_resize(f->s, fix_name(f, "spare"), 32 * MIB, true, err);
}
static int op_readonly(struct fix *f, struct tns_error *err)
{
    return tns__dataset_set_readonly(f->s, fix_name(f, "spare"), true, err);
}
static int op_delete(struct fix *f, struct tns_error *err)
{
    return tns__dataset_delete(f->s, fix_name(f, "spare"), err);
}
static int op_promote(struct fix *f, struct tns_error *err)
{
    return tns__dataset_promote(f->s, fix_name(f, "clone"), err);
}
static int op_rename(struct fix *f, struct tns_error *err)
{
    return tns__dataset_rename(f->s, fix_name(f, "spare"), fix_name(f, "renamed"), err);
}

/* ---- changes to snapshots ---- */

static int op_snap_create(struct fix *f, struct tns_error *err)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:op", "1");

    return tags ? tns__snapshot_create(f->s, f->vol, "newer", tags, err)
                : tns__error_nomem(err);
}
static int op_snap_delete(struct fix *f, struct tns_error *err)
{
    return tns__snapshot_delete(f->s, f->vol, "new", err);
}
static int op_rollback(struct fix *f, struct tns_error *err)
{
    return tns__snapshot_rollback(f->s, f->vol, "new", err);
}
static int op_clone(struct fix *f, struct tns_error *err)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:op", "1");

    return tags ? tns__snapshot_clone(f->s, f->vol, "old", fix_name(f, "clone2"), tags, err)
                : tns__error_nomem(err);
}
static int op_snap_rename(struct fix *f, struct tns_error *err)
{
    return tns__snapshot_rename(f->s, f->vol, "new", "newest", err);
}
static int op_hold(struct fix *f, struct tns_error *err)
{
    return tns__snapshot_hold(f->s, f->vol, "new", true, err);
}
static int op_release(struct fix *f, struct tns_error *err)
{
    return tns__snapshot_hold(f->s, f->vol, "new", false, err);
}
static int op_bulk(struct fix *f, struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    _tns_free_ char *full = tns__asprintf("%s@new", f->vol);
    _tns_json_ json_t *rows = full ? json_pack("[[s]]", full) : NULL;
    struct tns_error each[1];
    int rc = tns__session_caps(f->s, &caps, err);

    if (rc || !rows)
        return rc ? rc : tns__error_nomem(err);
    return tns__bulk(f->s,
                     caps->snap_ns == TNS_SNAP_ZFS ? "zfs.snapshot.delete"
                                                   : "pool.snapshot.delete",
                     rows, 0, each, err);
}

/* ---- changes to iSCSI objects ---- */

static int op_extent(struct fix *f, struct tns_error *err)
{
    char name[64];
    const struct tns_extent_spec spec = { .name = name,
                                          .zvol = fix_name(f, "spare"),
                                          .comment = "x" };
    int64_t id;

    snprintf(name, sizeof(name), "e%s", f->tag);
    return tns__extent_create(f->s, &spec, &id, err);
}
static int op_extent_zvol(struct fix *f, struct tns_error *err)
{
    char name[64];

    snprintf(name, sizeof(name), "z%s", f->tag);
    return tns__extent_set_zvol(f->s, f->extent_id, fix_name(f, "spare"), name, err);
}
static int op_extent_enable(struct fix *f, struct tns_error *err)
{
    return tns__extent_set_enabled(f->s, f->extent_id, false, err);
}
static int op_extent_delete(struct fix *f, struct tns_error *err)
{
    return tns__extent_delete(f->s, f->extent_id, err);
}
static int op_mapping(struct fix *f, struct tns_error *err)
{
    int64_t id;

    return tns__mapping_create(f->s, f->target_id, f->extent_id, 5, &id, err);
}
static int op_mapping_delete(struct fix *f, struct tns_error *err)
{
    return tns__mapping_delete(f->s, f->mapping_id, err);
}
static int op_target(struct fix *f, struct tns_error *err)
{
    char name[64];
    int64_t id;

    snprintf(name, sizeof(name), "m%s", f->tag);
    return tns__target_create(f->s, name, NULL, NULL, 0, &id, err);
}
static int op_target_delete(struct fix *f, struct tns_error *err)
{
    return tns__target_delete(f->s, f->target_id, err);
}
static int op_initiator(struct fix *f, struct tns_error *err)
{
    static const char *const iqns[] = { "iqn.2000-01.test:a", NULL };
    int64_t id;

    return tns__initiator_create(f->s, iqns, "x", &id, err);
}
static int op_auth(struct fix *f, struct tns_error *err)
{
    _tns_secret_ struct tns_secret *chap = tns__secret_new(TST_CANARY_CHAP, 13);
    int64_t id;

    return chap ? tns__auth_create(f->s, getpid(), "user", chap, NULL, NULL, &id, err)
                : tns__error_nomem(err);
}
static int op_start(struct fix *f, struct tns_error *err)
{
    return tns__service_start(f->s, "iscsitarget", true, err);
}
static int op_reload(struct fix *f, struct tns_error *err)
{
    return tns__service_reload(f->s, "iscsitarget", err);
}

static const struct op ops[] = {
    { "extents", op_extents, 0, true, 0 },
    { "mappings", op_mappings, 0, true, 0 },
    { "targets", op_targets, 0, true, 0 },
    { "portals", op_portals, 0, true, 0 },
    { "initiators", op_initiators, 0, true, 0 },
    { "auths", op_auths, 0, true, 0 },
    { "sessions", op_sessions, 0, true, 0 },
    { "global", op_global, 0, true, 0 },
    { "snapshots", op_snapshots, NEEDS_VOLUME, true, 0 },
    { "dataset", op_dataset, NEEDS_VOLUME, true, 0 },
    { "children", op_children, NEEDS_VOLUME, true, 0 },
    { "names", op_names, NEEDS_VOLUME, true, 0 },
    { "clones", op_clones, NEEDS_VOLUME, true, 0 },
    { "pools", op_pools, 0, true, 0 },
    { "pool", op_pool, 0, true, 0 },
    { "ready", op_ready, 0, true, 0 },
    { "time", op_time, 0, true, 0 },
    { "identity", op_identity, 0, true, 0 },
    { "roles", op_roles, 0, true, 0 },
    { "blocksize", op_blocksize, 0, true, 0 },
    { "service", op_service, 0, true, 0 },
    { "create", op_create, 0, false, 0 },
    { "create_put", op_create_put, 0, false, 0 },
    { "filesystem", op_filesystem, 0, false, 0 },
    { "set_tags", op_set_tags, NEEDS_SPARE, false, 0 },
    { "resize", op_resize, NEEDS_SPARE, false, 0 },
    { "readonly", op_readonly, NEEDS_SPARE, false, 0 },
    { "delete", op_delete, NEEDS_SPARE, false, 0 },
    { "promote", op_promote, NEEDS_VOLUME | NEEDS_CLONE, false, 0 },
    { "rename", op_rename, NEEDS_SPARE, false, TNS_E_UNSUPPORTED },
    { "snap_create", op_snap_create, NEEDS_VOLUME, false, 0 },
    { "snap_delete", op_snap_delete, NEEDS_VOLUME, false, 0 },
    { "rollback", op_rollback, NEEDS_VOLUME, false, 0 },
    { "clone", op_clone, NEEDS_VOLUME, false, 0 },
    { "snap_rename", op_snap_rename, NEEDS_VOLUME, false, TNS_E_UNSUPPORTED },
    { "hold", op_hold, NEEDS_VOLUME, false, 0 },
    { "release", op_release, NEEDS_VOLUME, false, 0 },
    { "bulk", op_bulk, NEEDS_VOLUME, false, 0 },
    { "extent", op_extent, NEEDS_SPARE, false, 0 },
    { "extent_zvol", op_extent_zvol, NEEDS_VOLUME | NEEDS_EXPORT | NEEDS_SPARE, false, 0 },
    { "extent_enable", op_extent_enable, NEEDS_VOLUME | NEEDS_EXPORT, false, 0 },
    { "extent_delete", op_extent_delete, NEEDS_VOLUME | NEEDS_EXPORT, false, 0 },
    { "mapping", op_mapping, NEEDS_VOLUME | NEEDS_EXPORT | NEEDS_SPARE | NEEDS_EXTENT,
      false, 0 },
    { "mapping_delete", op_mapping_delete, NEEDS_VOLUME | NEEDS_EXPORT, false, 0 },
    { "target", op_target, 0, false, 0 },
    { "target_delete", op_target_delete, NEEDS_VOLUME | NEEDS_EXPORT, false, 0 },
    { "initiator", op_initiator, 0, false, 0 },
    { "auth", op_auth, 0, false, 0 },
    { "start", op_start, 0, false, 0 },
    { "reload", op_reload, 0, false, 0 },
};
#define OPS_COUNT ((int)TNS_ARRAY_LEN(ops))

#endif
