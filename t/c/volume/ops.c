/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the sweeps, and what must be true after each of them. */
#include "ops.h"

#include <string.h>

#include "base/cleanup.h"

#define DISK "vm-100-disk-0"

static void none(struct vt *v)
{
    (void)v;
}

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

static void a_disk_with_snapshot(struct vt *v)
{
    a_disk(v);
    vt_ok(v, tns_snapshot_create(v->st, DISK, "s1", &v->err));
}

static void a_grown_disk_with_snapshot(struct vt *v)
{
    a_disk_with_snapshot(v);
    vt_ok(v, tns_volume_resize(v->st, DISK, 2 * GIB, &v->err));
}

static void a_template(struct vt *v)
{
    char name[256];

    a_disk(v);
    vt_ok(v, tns_volume_create_base(v->st, DISK, name, &v->err));
}

static void a_clone_of_a_snapshot(struct vt *v)
{
    char name[256];

    a_disk_with_snapshot(v);
    vt_ok(v, tns_volume_clone(v->st, DISK, "s1", 101, name, &v->err));
}

/* ---- requests ---- */

static int ask_alloc(struct vt *v, struct tns_error *err)
{
    char name[256];

    return tns_volume_alloc(v->st, 100, DISK, GIB, name, err);
}

static int ask_alloc_any(struct vt *v, struct tns_error *err)
{
    char name[256];

    return tns_volume_alloc(v->st, 100, NULL, GIB, name, err);
}

static int ask_free(struct vt *v, struct tns_error *err)
{
    return tns_volume_free(v->st, DISK, err);
}

static int ask_resize(struct vt *v, struct tns_error *err)
{
    return tns_volume_resize(v->st, DISK, 2 * GIB, err);
}

static int ask_snapshot(struct vt *v, struct tns_error *err)
{
    return tns_snapshot_create(v->st, DISK, "s1", err);
}

static int ask_delsnapshot(struct vt *v, struct tns_error *err)
{
    return tns_snapshot_delete(v->st, DISK, "s1", err);
}

static int ask_rollback(struct vt *v, struct tns_error *err)
{
    return tns_rollback(v->st, DISK, "s1", err);
}

static int ask_base(struct vt *v, struct tns_error *err)
{
    char name[256];

    return tns_volume_create_base(v->st, DISK, name, err);
}

static int ask_clone(struct vt *v, struct tns_error *err)
{
    char name[256];

    return tns_volume_clone(v->st, "base-100-disk-0", NULL, 101, name, err);
}

static int ask_rename(struct vt *v, struct tns_error *err)
{
    char name[256];

    return tns_volume_rename(v->st, DISK, 200, NULL, name, err);
}

static int ask_promote(struct vt *v, struct tns_error *err)
{
    return tns_volume_promote(v->st, "vm-101-disk-0", err);
}

static int ask_notes(struct vt *v, struct tns_error *err)
{
    return tns_volume_set_attribute(v->st, DISK, "notes", "hello", err);
}

/* ---- what holds then ---- */

static json_int_t number(struct vt *v, const char *volname, const char *key)
{
    _tns_json_ json_t *info = NULL;

    vt_ok(v, tns_volume_info(v->st, volname, &info, &v->err));
    return json_integer_value(json_object_get(info, key));
}

static size_t snapshots(struct vt *v)
{
    _tns_json_ json_t *list = NULL;

    vt_ok(v, tns_snapshot_list(v->st, DISK, &list, &v->err));
    return json_array_size(list);
}

static void holds_disk(struct vt *v)
{
    ck_assert(vt_listed(v, DISK));
    ck_assert_int_eq(number(v, DISK, "size"), (json_int_t)GIB);
}

/* Whichever name was free: at least one disk that is whole. */
static void holds_some_disk(struct vt *v)
{
    _tns_json_ json_t *list = NULL;

    vt_ok(v, tns_volume_list(v->st, 100, &list, &v->err));
    ck_assert_uint_ge(json_array_size(list), 1);
}

static void holds_nothing(struct vt *v)
{
    ck_assert(!vt_listed(v, DISK));
    ck_assert(!vt_exists(v, DISK));
}

static void holds_grown(struct vt *v)
{
    ck_assert_int_eq(number(v, DISK, "size"), (json_int_t)(2 * GIB));
}

static void holds_one_snapshot(struct vt *v)
{
    ck_assert_uint_eq(snapshots(v), 1);
}

static void holds_no_snapshot(struct vt *v)
{
    ck_assert_uint_eq(snapshots(v), 0);
}

/* Published as it was, and not left disabled. */
static void holds_rolled_back(struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char disk[340];

    holds_disk(v);
    snprintf(disk, sizeof(disk), "zvol/%s/" DISK, v->dataset);
    ck_assert_int_eq(json_integer_value(
                         json_object_get(vt_row(world, "extent", "disk", disk), "enabled")),
                     1);
}

static void holds_template(struct vt *v)
{
    ck_assert(vt_listed(v, "base-100-disk-0"));
    ck_assert(!vt_listed(v, DISK));
}

static void holds_clone(struct vt *v)
{
    _tns_json_ json_t *list = NULL;

    vt_ok(v, tns_volume_list(v->st, 101, &list, &v->err));
    ck_assert_uint_ge(json_array_size(list), 1);
}

static void holds_renamed(struct vt *v)
{
    ck_assert(vt_listed(v, "vm-200-disk-0"));
    ck_assert(!vt_listed(v, DISK));
}

static void holds_promoted(struct vt *v)
{
    _tns_json_ json_t *info = NULL;

    vt_ok(v, tns_volume_info(v->st, "vm-101-disk-0", &info, &v->err));
    ck_assert(json_is_null(json_object_get(info, "parent")));
}

static void holds_notes(struct vt *v)
{
    _tns_json_ json_t *value = NULL;

    vt_ok(v, tns_volume_get_attribute(v->st, DISK, "notes", &value, &v->err));
    ck_assert_str_eq(json_string_value(value), "hello");
}

const struct vt_op vt_ops[] = {
    { "alloc", none, ask_alloc, holds_disk, TNS_E_EXISTS, false },
    { "alloc any", none, ask_alloc_any, holds_some_disk, 0, false },
    { "free", a_disk_with_snapshot, ask_free, holds_nothing, 0, false },
    { "resize", a_disk, ask_resize, holds_grown, 0, false },
    { "snapshot", a_disk, ask_snapshot, holds_one_snapshot, TNS_E_EXISTS, false },
    { "delsnapshot", a_disk_with_snapshot, ask_delsnapshot, holds_no_snapshot, 0, false },
    { "rollback", a_grown_disk_with_snapshot, ask_rollback, holds_rolled_back, 0, false },
    { "base", a_disk, ask_base, holds_template, 0, false },
    { "clone", a_template, ask_clone, holds_clone, 0, false },
    { "rename", a_disk, ask_rename, holds_renamed, 0, true },
    { "promote", a_clone_of_a_snapshot, ask_promote, holds_promoted, 0, false },
    { "notes", a_disk, ask_notes, holds_notes, 0, false },
};
const size_t vt_ops_count = TNS_ARRAY_LEN(vt_ops);

/* ---- recovery ---- */

bool vt_op_unsupported(struct vt *v, const struct vt_op *op)
{
    struct tns_error err = TNS_ERROR_INIT;

    if (!op->needs_rename)
        return false;
    (void)v;
    (void)err;
    return !(tst_cell_is("25.10", NULL) || tst_cell_is("26", NULL) ||
             tst_cell_is(NULL, "ddp"));
}

/* Clones before what they were cloned from: as long as one round frees something,
 * another goes. */
void vt_sweep_clean(struct vt *v)
{
    bool progress = true;

    while (progress) {
        _tns_json_ json_t *list = NULL;
        json_t *item;
        size_t i;

        progress = false;
        vt_ok(v, tns_volume_list(v->st, 0, &list, &v->err));
        json_array_foreach(list, i, item)
        {
            const char *name = json_string_value(json_object_get(item, "volname"));

            if (tns_volume_free(v->st, name, &v->err) == 0)
                progress = true;
            tns__error_clear(&v->err);
        }
    }
    vt_nothing_left(v);
}

static void reconcile(struct vt *v)
{
    json_t *report = NULL;
    int failed;

    vt_ok(v, tns_storage_reconcile(v->st, 1, &report, &v->err));
    failed = (int)json_integer_value(json_object_get(report, "failed"));
    if (failed) {
        char *text = json_dumps(report, JSON_COMPACT);

        ck_abort_msg("reconcile failed: %s", text);
    }
    json_decref(report);
}

size_t vt_recover(struct vt *v, const struct vt_op *op)
{
    size_t left;
    int rc = op->ask(v, &v->err);

    if (rc && rc != -op->done_code) {
        tns__error_clear(&v->err);
        reconcile(v);
        rc = op->ask(v, &v->err);
    }
    ck_assert_msg(rc == 0 || rc == -op->done_code, "%s, asked again: %d %s", op->name, rc,
                  v->err.text);
    tns__error_clear(&v->err);
    op->holds(v);
    reconcile(v);
    op->holds(v);
    left = vt_invariants(v);
    ck_assert_msg(left == 0, "%s: %zu objects are left over", op->name, left);
    return left;
}
