/* SPDX-License-Identifier: Apache-2.0 */
/* Rows C01 to C40 of the fault catalogue (RELIABILITY, section 4.1) that are about a volume's
 * life, each by its name and at its very point; sweeps and history do the same at every other
 * point. The other rows are beside what they are about: `grep -rEi 'c17' t` finds one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "ops.h"
#include "volume/names.h"
#include "volume/plan.h"

#define DISK "vm-100-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

/* ---- somebody dies behind a step ---- */

static int ask_alloc(struct tns_storage *st, struct tns_error *err)
{
    char name[256];

    return tns_volume_alloc(st, 100, DISK, GIB, name, err);
}

static int ask_free(struct tns_storage *st, struct tns_error *err)
{
    return tns_volume_free(st, DISK, err);
}

/* The zvol has its name and its tags. */
static const char *zvol_step(void)
{
    return tst_cell_is("26", NULL) ? "rename" : "zvol";
}

static void reconciled(struct vt *v, const char *leaf, const char *class,
                       const char *action)
{
    _tns_json_ json_t *report = NULL;
    const json_t *row;

    vt_ok(v, tns_storage_reconcile(v->st, 1, &report, &v->err));
    row = vt_row(report, "volumes", "object", vt_zvol(v, leaf));
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(json_string_value(json_object_get(row, "class")), class);
    ck_assert_str_eq(json_string_value(json_object_get(row, "action")), action);
}

static void whole(struct vt *v)
{
    ck_assert(vt_listed(v, DISK));
    ck_assert_int_gt(vt_lun_of(v, DISK), 0);
    ck_assert_uint_eq(vt_invariants(v), 0);
}

START_TEST(test_c01_a_zvol_whose_maker_died_is_finished_by_the_same_request)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_dies_at(&v, "n1", zvol_step(), ask_alloc);
    ck_assert(vt_exists(&v, DISK) && !vt_listed(&v, DISK));
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    a_disk(&v);
    whole(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_c01_a_zvol_of_another_node_is_removed_when_its_maker_must_be_over)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_dies_at(&v, "n2", zvol_step(), ask_alloc);
    ck_assert_int_eq(tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err), -TNS_E_BUSY);
    tst_says(&v.err, "n2");
    tns__error_clear(&v.err);
    reconciled(&v, DISK, "creating", "none");
    vt_an_hour_later(&v, true);
    reconciled(&v, DISK, "half-made", "removed");
    vt_an_hour_later(&v, false);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* Only where a volume has another name first. */
START_TEST(
    test_c01_what_a_dead_maker_left_goes_and_the_volume_that_has_the_name_stays_mapped)
{
    struct tns_addr portal = { .host = "127.0.0.1", .port = 3260 };
    struct tns_want want = { .storeid = "nas",
                             .linkname = DISK,
                             .naa = "6589cfc0000000000000000000000001",
                             .lun = 7,
                             .size_bytes = GIB,
                             .portals = &portal,
                             .n_portals = 1 };
    struct tns_record record = { .memory = NULL };
    _tns_json_ json_t *report = NULL;
    struct vt v;

    if (!tst_cell_is("26", NULL))
        return;
    vt_open(&v, tst_cell_sim());
    vt_dies_at(&v, "n2", "tag", ask_alloc);
    a_disk(&v);
    want.target_iqn = v.iqn;
    vt_ok(&v, tns__record_write(&v.st->node, &want, &v.err));
    vt_an_hour_later(&v, true);
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    vt_an_hour_later(&v, false);
    vt_ok(&v, tns__record_read(&v.st->node, "nas", DISK, &record, &v.err));
    tns__record_clear(&record);
    whole(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v); /* what the dead maker left least of all */
    vt_close(&v);
}
END_TEST

START_TEST(test_c02_an_extent_without_mapping_is_finished_or_freed)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_dies_at(&v, "n1", "extent", ask_alloc);
    ck_assert_int_eq(vt_lun_of(&v, DISK), -1);
    a_disk(&v);
    whole(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_dies_at(&v, "n1", "extent", ask_alloc);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* Nobody was told its name, so nobody activates it: the same request, or reconcile. */
START_TEST(test_c03_a_complete_volume_that_was_not_marked_is_verified_and_marked)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_dies_at(&v, "n1", "mapping", ask_alloc);
    ck_assert(!vt_listed(&v, DISK));
    reconciled(&v, DISK, "complete", "marked ready");
    whole(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_dies_at(&v, "n1", "mapping", ask_alloc);
    a_disk(&v);
    whole(&v);
    vt_close(&v);
}
END_TEST

static const char *const free_steps[] = { "mark", "unmap", "extent", "snapshots" };

START_TEST(test_c04_a_volume_half_freed_is_hidden_refused_and_freed_again)
{
    struct vt v;
    json_t *out = NULL;
    char name[256];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_dies_at(&v, "n2", free_steps[_i], ask_free);
    ck_assert(!vt_listed(&v, DISK));
    ck_assert_int_eq(tns_volume_map(v.st, DISK, NULL, &out, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "being deleted");
    tns__error_clear(&v.err);
    vt_fails(&v, tns_volume_resize(v.st, DISK, 2 * GIB, &v.err), TNS_E_CONFLICT);
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    reconciled(&v, DISK, "deleting", "none");
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_ok(&v, tns_volume_free(v.st, name, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* ---- replies that are lost behind what they answer ---- */

static void lose_reply(const struct vt *v, const char *match)
{
    char fault[200];

    snprintf(fault, sizeof(fault), "{\"match\": \"%s\", \"nth\": 1, \"do\": \"cut\"}",
             match);
    tst_sim_fault(v->sim, fault);
}

static void was_lost(const struct vt *v, const char *match)
{
    _tns_json_ json_t *faults = tst_sim_get(v->sim, "/fault");

    ck_assert_msg(json_integer_value(json_object_get(json_array_get(faults, 0), "hits")) >
                      0,
                  "no reply of %s was lost", match);
    tst_sim_fault(v->sim, "{\"clear\": true}");
}

static const char *const creates[] = { "pool.dataset.create", "iscsi.extent.create",
                                       "iscsi.targetextent.create" };

START_TEST(test_c05_a_lost_reply_to_a_creation_is_read_back_and_one_volume_is_there)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    /* A mapping whose reply was lost is only believed when the service exports it (C07). */
    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 1}}");
    tst_sim_reset(v.sim);
    lose_reply(&v, creates[_i]);
    a_disk(&v);
    was_lost(&v, creates[_i]);
    ck_assert_int_eq(tst_sim_calls(v.sim, creates[_i]), 1);
    whole(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* The decisive call of each; its name is another one in some releases. */
static const struct {
    const char *op;
    const char *match;
} changes[] = {
    { "free", "pool.dataset.delete" },    { "resize", "pool.dataset.update" },
    { "snapshot", "*snapshot.create" },   { "delsnapshot", "*snapshot.de*" },
    { "rollback", "*snapshot.rollback" }, { "rename", "*dataset.rename" },
    { "clone", "*snapshot.clone" },
};

static const struct vt_op *op_of(const char *name)
{
    size_t i;

    for (i = 0; i < vt_ops_count; i++)
        if (strcmp(vt_ops[i].name, name) == 0)
            return &vt_ops[i];
    ck_abort_msg("no operation '%s'", name);
}

START_TEST(test_c06_a_lost_reply_to_a_change_is_read_back_and_what_was_done_is_a_success)
{
    const struct vt_op *op = op_of(changes[_i].op);
    struct vt v;

    vt_open(&v, tst_cell_sim());
    if (vt_op_unsupported(&v, op)) {
        vt_close(&v);
        return;
    }
    op->prepare(&v);
    lose_reply(&v, changes[_i].match);
    vt_ok(&v, op->ask(&v, &v.err));
    was_lost(&v, changes[_i].match);
    op->holds(&v);
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

static json_int_t rollbacks(const struct vt *v)
{
    return tst_sim_calls(v->sim, "zfs.snapshot.rollback") +
           tst_sim_calls(v->sim, "pool.snapshot.rollback") +
           tst_sim_calls(v->sim, "zfs.resource.snapshot.rollback");
}

/* A child rolls back and is not answered; before it looks again, somebody takes a snapshot. */
START_TEST(test_c06_a_rollback_is_not_repeated_once_there_is_a_newer_snapshot)
{
    struct vt v;
    int status = 0;
    pid_t pid;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    tst_sim_reset(v.sim);
    tst_sim_fault(v.sim,
                  "[{\"match\": \"*snapshot.rollback\", \"nth\": 1, \"do\": \"cut\"}, "
                  "{\"match\": \"*snapshot.query\", \"nth\": 2, \"do\": \"delay\", "
                  "\"ms\": 1500, \"before\": true}]");
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tns_error err = TNS_ERROR_INIT;
        int rc = tns_rollback(vt_more(&v, "n2", NULL), DISK, "s1", &err);

        _exit(rc && (err.flags & TNS_F_OUTCOME_UNKNOWN) ? 0 : 1);
    }
    tst_eventually(rollbacks(&v) == 1, 10000);
    vt_world(&v, "{\"snapshot\": \"%s/" DISK "@newer\"}");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(rollbacks(&v), 1);
    tst_sim_fault(v.sim, "{\"clear\": true}");
    vt_close(&v);
}
END_TEST

/* ---- nodes that are in each other's way ---- */

static const struct vt *race_vt;
static const char *race_step;

static void other_node_allocs(const char *what, const char *step, int after)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_storage *other;
    char name[256];

    (void)what;
    if (after || strcmp(step, race_step) != 0)
        return;
    tns__plan_hook = NULL;
    other = vt_more(race_vt, "n2", NULL);
    if (strcmp(race_step, "zvol") == 0)
        tst_ok(tns_volume_alloc(other, 100, DISK, 2 * GIB, name, &err), &err);
    else
        tst_fails(tns_volume_alloc(other, 100, DISK, 2 * GIB, name, &err), TNS_E_BUSY,
                  &err);
    tns_storage_close(other);
}

/* The lock has expired, and another node does the same: before our zvol is there, and then. */
START_TEST(test_c14_the_exclusive_creation_decides_when_the_lock_has_leaked)
{
    struct vt v;
    char name[256];
    _tns_json_ json_t *info = NULL;

    vt_open(&v, tst_cell_sim());
    race_vt = &v;
    race_step = "zvol";
    tns__plan_hook = other_node_allocs;
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err), TNS_E_EXISTS);
    vt_ok(&v, tns_volume_info(v.st, DISK, &info, &v.err));
    ck_assert_int_eq(json_integer_value(json_object_get(info, "size")),
                     (json_int_t)(2 * GIB));
    whole(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));

    race_step = "extent";
    tns__plan_hook = other_node_allocs;
    a_disk(&v);
    whole(&v);
    vt_close(&v);
}
END_TEST

/* A loser that may choose takes the next name. */
START_TEST(test_c14_whoever_loses_and_may_choose_takes_another_name)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    race_vt = &v;
    race_step = "zvol";
    tns__plan_hook = other_node_allocs;
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    whole(&v);
    ck_assert_int_ne(vt_lun_of(&v, DISK), vt_lun_of(&v, name));
    vt_close(&v);
}
END_TEST

START_TEST(test_c16_without_time_for_a_step_it_is_not_begun)
{
    struct vt v;
    json_t *status = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_storage_status(v.st, &status, &v.err));
    json_decref(status);
    tst_sim_reset(v.sim);
    tns_storage_set_timeout(v.st, 190); /* enough to look, not to change */
    ck_assert_int_eq(tns_volume_resize(v.st, DISK, 2 * GIB, &v.err), -TNS_E_TIMEOUT);
    tns__error_clear(&v.err);
    ck_assert_int_eq(tst_sim_calls(v.sim, "pool.dataset.update"), 0);
    tns_storage_set_timeout(v.st, 40000);
    whole(&v);
    vt_close(&v);
}
END_TEST

static void made_anew(const char *what, const char *step, int after)
{
    (void)what;
    if (after || strcmp(step, "mark") != 0)
        return;
    vt_world(race_vt, "{\"destroy\": \"%s/" DISK "\"}");
    vt_world(race_vt,
             "{\"dataset\": {\"name\": \"%s/" DISK "\", \"create\": {\"volsize\": "
             "1073741824}, \"user\": {\"org.tnstor:owner\": \"" VT_OWNER
             "\", \"org.tnstor:storeid\": \"nas\", \"org.tnstor:volname\": \"" DISK
             "\", \"org.tnstor:self\": \"%s/" DISK "\", \"org.tnstor:state\": \"ready\", "
             "\"org.tnstor:op\": \"another\", \"org.tnstor:schema\": \"1\"}}}");
}

START_TEST(test_c18_a_name_that_is_another_volumes_by_now_is_not_freed)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 0}}");
    a_disk(&v);
    race_vt = &v;
    tns__plan_hook = made_anew;
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tns__plan_hook = NULL;
    tst_says(&v.err, "another one by now");
    tns__error_clear(&v.err);
    ck_assert(vt_listed(&v, DISK)); /* there, and whole as it was */
    vt_close(&v);
}
END_TEST

/* ---- what is in the way on the NAS ---- */

START_TEST(test_c20_a_full_pool_is_told_as_no_room_and_nothing_is_deleted_to_help)
{
    struct vt v;
    _tns_json_ json_t *status = NULL;
    _tns_json_ json_t *report = NULL;
    char name[256];
    char text[100];

    vt_open(&v, tst_cell_sim());
    vt_own_pool(&v, 20 * GIB, NULL);
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    snprintf(text, sizeof(text), "{\"fill\": {\"pool\": \"p%s\", \"leave\": 0}}", v.target);
    tst_sim_world(v.sim, text);
    vt_ok(&v, tns_storage_status(v.st, &status, &v.err));
    ck_assert_int_eq(json_integer_value(json_object_get(status, "available")), 0);
    vt_fails(&v, tns_volume_alloc(v.st, 101, NULL, GIB, name, &v.err), TNS_E_CAPACITY);
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    ck_assert_int_eq(json_integer_value(json_object_get(report, "repaired")), 0);
    whole(&v);
    vt_ok(&v, tns_rollback(v.st, DISK, "s1", &v.err)); /* the snapshot is there, too */
    vt_close(&v);
}
END_TEST

static void foreign_extent(const struct vt *v, const char *name)
{
    char text[300];

    snprintf(text, sizeof(text),
             "{\"insert\": {\"table\": \"extent\", \"row\": {\"name\": \"%s\", \"disk\": "
             "\"zvol/tank/elsewhere\"}}}",
             name);
    tst_sim_world(v->sim, text);
}

START_TEST(test_c23_a_foreign_extent_of_our_name_is_told_and_left_alone)
{
    struct vt v;
    _tns_json_ json_t *world = NULL;
    char extent[TNS_EXTENT_CAP];
    char name[256];
    char text[100];

    vt_open(&v, tst_cell_sim());
    ck_assert(tns__extent_name(vt_zvol(&v, DISK), extent));
    foreign_extent(&v, extent);
    ck_assert_int_eq(tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err), -TNS_E_EXISTS);
    tst_says(&v.err, extent);
    tns__error_clear(&v.err);
    vt_nothing_left(&v);
    ck_assert_int_eq(tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err), -TNS_E_EXISTS);
    tst_says(&v.err, extent);
    tns__error_clear(&v.err);
    vt_nothing_left(&v);
    world = tst_sim_get(v.sim, "/world");
    ck_assert_ptr_nonnull(vt_row(world, "extent", "name", extent));
    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"extent\", \"id\": %lld}}",
             (long long)json_integer_value(
                 json_object_get(vt_row(world, "extent", "name", extent), "id")));
    tst_sim_world(v.sim, text);
    a_disk(&v);
    whole(&v);
    vt_close(&v);
}
END_TEST

/* The first 64 bytes are the same, and 25.10 takes '.' and '_' for the same. */
START_TEST(test_c23_names_that_are_cut_or_flattened_to_the_same_are_two_extents)
{
    static const char *const labels[] = { "a.b", "a_b", "a-b" };
    struct vt v;
    char leaf[100] = "vm-999999999-";
    char name[256];

    vt_open(&v, tst_cell_sim());
    for (size_t i = 0; i < TNS_ARRAY_LEN(labels); i++) {
        snprintf(leaf, sizeof(leaf), "vm-100-%s", labels[i]);
        vt_ok(&v, tns_volume_alloc(v.st, 100, leaf, GIB, name, &v.err));
    }
    for (char last = 'a'; last <= 'c'; last++) {
        snprintf(leaf, sizeof(leaf), "vm-999999999-%063d%c", 0, last);
        vt_ok(&v, tns_volume_alloc(v.st, 999999999, leaf, GIB, name, &v.err));
    }
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

/* ---- what administrators do ---- */

static json_int_t extent_id(const struct vt *v, const char *leaf)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char disk[340];

    snprintf(disk, sizeof(disk), "zvol/%s/%s", v->dataset, leaf);
    return json_integer_value(json_object_get(vt_row(world, "extent", "disk", disk), "id"));
}

START_TEST(test_c31_a_zvol_that_an_administrator_renamed_is_reported_and_not_touched)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_world(&v, "{\"rename\": {\"from\": \"%s/" DISK "\", \"to\": \"%s/vm-100-disk-5\"}}");
    ck_assert(!vt_listed(&v, DISK) && !vt_listed(&v, "vm-100-disk-5"));
    vt_fails(&v, tns_volume_resize(v.st, DISK, 2 * GIB, &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_free(v.st, "vm-100-disk-5", &v.err), TNS_E_FOREIGN);
    reconciled(&v, "vm-100-disk-5", "moved", "none");
    ck_assert_int_gt(extent_id(&v, DISK),
                     0); /* its extent waits for the name to come back */
    vt_world(&v, "{\"rename\": {\"from\": \"%s/vm-100-disk-5\", \"to\": \"%s/" DISK "\"}}");
    whole(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_close(&v);
}
END_TEST

START_TEST(test_c31_an_extent_that_an_administrator_changed_is_reported_and_not_repaired)
{
    struct vt v;
    json_t *out = NULL;
    char text[200];
    json_int_t id;
    json_int_t target;
    _tns_json_ json_t *answer = NULL;
    _tns_json_ json_t *body = NULL;
    _tns_json_ json_t *world = NULL;
    json_t *row;
    size_t i;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    id = extent_id(&v, DISK);
    snprintf(text, sizeof(text), "{\"extent\": {\"id\": %lld, \"set\": {\"enabled\": 0}}}",
             (long long)id);
    tst_sim_world(v.sim, text);
    reconciled(&v, DISK, "disabled", "none");
    snprintf(text, sizeof(text), "{\"extent\": {\"id\": %lld, \"set\": {\"enabled\": 1}}}",
             (long long)id);
    tst_sim_world(v.sim, text);
    reconciled(&v, DISK, "ready", "none");

    /* Its mapping is on a target that is not ours. */
    body = json_pack("{s:{s:s, s:{s:s, s:n, s:s, s:i, s:[], s:[]}}}", "insert", "table",
                     "target", "row", "name", "strange", "alias", "mode", "ISCSI",
                     "rel_tgt_id", 99, "auth_networks", "groups");
    answer = tst_sim_post(v.sim, "/world", body);
    target = json_integer_value(json_object_get(json_object_get(answer, "insert"), "id"));
    world = tst_sim_get(v.sim, "/world");
    json_array_foreach(json_object_get(world, "mapping"), i, row)
    {
        if (json_integer_value(json_object_get(row, "extent")) != id)
            continue;
        snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"mapping\", \"id\": %lld}}",
                 (long long)json_integer_value(json_object_get(row, "id")));
        tst_sim_world(v.sim, text);
    }
    snprintf(
        text, sizeof(text),
        "{\"insert\": {\"table\": \"mapping\", \"row\": {\"target\": %lld, \"extent\": "
        "%lld, \"lunid\": 3}}}",
        (long long)target, (long long)id);
    tst_sim_world(v.sim, text);
    reconciled(&v, DISK, "conflict", "none");
    ck_assert_int_ne(tns_volume_map(v.st, DISK, NULL, &out, &v.err), 0);
    tns__error_clear(&v.err);
    vt_close(&v);
}
END_TEST

/* Snapshots that a periodic task took are the volume's and go with it, unless one is held. */
START_TEST(test_c32_snapshots_of_a_periodic_task_go_with_the_volume_and_held_ones_stay)
{
    struct vt v;
    json_t *blockers = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_world(&v, "{\"snapshot\": \"%s/" DISK "@auto-2026-11-30_00-00\"}");
    vt_fails(&v, tns_rollback_check(v.st, DISK, "s1", &blockers, &v.err), TNS_E_CONFLICT);
    ck_assert_str_eq(json_string_value(json_array_get(blockers, 0)),
                     "auto-2026-11-30_00-00");
    json_decref(blockers);
    vt_world(&v, "{\"hold\": {\"snapshot\": \"%s/" DISK "@auto-2026-11-30_00-00\"}}");
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "auto-2026-11-30_00-00");
    tns__error_clear(&v.err);
    whole(&v);
    vt_world(&v, "{\"release\": {\"snapshot\": \"%s/" DISK "@auto-2026-11-30_00-00\"}}");
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_c01_a_zvol_whose_maker_died_is_finished_by_the_same_request);
    tcase_add_test(tc,
                   test_c01_a_zvol_of_another_node_is_removed_when_its_maker_must_be_over);
    tcase_add_test(
        tc,
        test_c01_what_a_dead_maker_left_goes_and_the_volume_that_has_the_name_stays_mapped);
    tcase_add_test(tc, test_c02_an_extent_without_mapping_is_finished_or_freed);
    tcase_add_test(tc,
                   test_c03_a_complete_volume_that_was_not_marked_is_verified_and_marked);
    tcase_add_loop_test(tc, test_c04_a_volume_half_freed_is_hidden_refused_and_freed_again,
                        0, (int)TNS_ARRAY_LEN(free_steps));
    tcase_add_loop_test(
        tc, test_c05_a_lost_reply_to_a_creation_is_read_back_and_one_volume_is_there, 0,
        (int)TNS_ARRAY_LEN(creates));
    tcase_add_loop_test(
        tc, test_c06_a_lost_reply_to_a_change_is_read_back_and_what_was_done_is_a_success,
        0, (int)TNS_ARRAY_LEN(changes));
    tcase_add_test(tc, test_c06_a_rollback_is_not_repeated_once_there_is_a_newer_snapshot);
    tcase_add_test(tc, test_c14_the_exclusive_creation_decides_when_the_lock_has_leaked);
    tcase_add_test(tc, test_c14_whoever_loses_and_may_choose_takes_another_name);
    tcase_add_test(tc, test_c16_without_time_for_a_step_it_is_not_begun);
    tcase_add_test(tc, test_c18_a_name_that_is_another_volumes_by_now_is_not_freed);
    tcase_add_test(tc,
                   test_c20_a_full_pool_is_told_as_no_room_and_nothing_is_deleted_to_help);
    tcase_add_test(tc, test_c23_a_foreign_extent_of_our_name_is_told_and_left_alone);
    tcase_add_test(tc,
                   test_c23_names_that_are_cut_or_flattened_to_the_same_are_two_extents);
    tcase_add_test(
        tc, test_c31_a_zvol_that_an_administrator_renamed_is_reported_and_not_touched);
    tcase_add_test(
        tc, test_c31_an_extent_that_an_administrator_changed_is_reported_and_not_repaired);
    tcase_add_test(
        tc, test_c32_snapshots_of_a_periodic_task_go_with_the_volume_and_held_ones_stay);
}

int main(void)
{
    return vt_main("rows", VT_FEW_CELLS, add);
}
