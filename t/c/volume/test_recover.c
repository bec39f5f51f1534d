/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation that died or failed leaves, and from when on others may finish it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

/* One reconcile with repair; the row of this object must be of that class and action. */
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

/* ---- somebody dies behind a step ---- */

static int ask_free(struct tns_storage *st, struct tns_error *err)
{
    return tns_volume_free(st, DISK, err);
}

static int ask_rename(struct tns_storage *st, struct tns_error *err)
{
    char name[256];

    return tns_volume_rename(st, DISK, 200, NULL, name, err);
}

/* The node's clock and the NAS's may differ by minutes, so an hour it is. */
START_TEST(test_a_deletion_cut_short_on_a_dead_node_is_finished_when_it_must_be_over)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_dies_at(&v, "n2", "mark", ask_free);
    reconciled(&v, DISK, "deleting", "none"); /* n2 may be at it still */
    vt_an_hour_later(&v, true);
    reconciled(&v, DISK, "half-freed", "removed");
    vt_an_hour_later(&v, false);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_rename_cut_short_on_a_dead_node_is_finished_when_it_must_be_over)
{
    struct vt v;

    if (!tst_cell_is("25.10", NULL) && !tst_cell_is("26", NULL))
        return; /* before, keys of full administrators only */
    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_dies_at(&v, "n2", "rename", ask_rename);
    reconciled(&v, "vm-200-disk-0", "renaming", "none");
    vt_an_hour_later(&v, true);
    reconciled(&v, "vm-200-disk-0", "half-renamed", "finished");
    vt_an_hour_later(&v, false);
    ck_assert(vt_listed(&v, "vm-200-disk-0"));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_free_that_failed_is_finished_by_any_node_at_once)
{
    struct vt v;
    struct tns_storage *other;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    other = vt_more(&v, "n2", NULL);
    tst_sim_fault(v.sim,
                  "{\"match\": \"iscsi.extent.delete\", \"nth\": 1, \"do\": \"fail\", "
                  "\"errno\": 14, \"reason\": \"[EFAULT] injected\"}");
    vt_fails(&v, tns_volume_free(other, DISK, &v.err), TNS_E_SERVER);
    tns_storage_close(other);
    ck_assert(!vt_listed(&v, DISK));
    reconciled(&v, DISK, "half-freed", "removed");
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* ---- races with a free ---- */

static const struct vt *race_vt;
static const char *race_world;

static void race_before_mark(const char *what, const char *step, int after)
{
    (void)what;
    if (!after && strcmp(step, "mark") == 0)
        vt_world(race_vt, race_world);
}

static void race_behind_mark(const char *what, const char *step, int after)
{
    (void)what;
    if (after && strcmp(step, "mark") == 0)
        vt_world(race_vt, race_world);
}

START_TEST(test_freeing_what_another_free_removes_meanwhile_succeeds)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    race_vt = &v;
    race_world = "{\"destroy\": \"%s/" DISK "\"}";
    tns__plan_hook = race_before_mark;
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    tns__plan_hook = NULL;
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_volume_cloned_while_it_was_freed_waits_for_its_clone)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    race_vt = &v;
    race_world = "{\"clone\": {\"snapshot\": \"%s/" DISK "@s1\", \"name\": "
                 "\"%s/vm-101-disk-0\"}}";
    tns__plan_hook = race_behind_mark;
    ck_assert_int_ne(tns_volume_free(v.st, DISK, &v.err), 0);
    tns__plan_hook = NULL;
    tns__error_clear(&v.err);

    ck_assert(vt_exists(&v, "vm-101-disk-0"));
    reconciled(&v, DISK, "needed", "none");
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "vm-101-disk-0");
    tns__error_clear(&v.err);
    vt_world(&v, "{\"destroy\": \"%s/vm-101-disk-0\"}");
    reconciled(&v, DISK, "half-freed", "removed");
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* ---- what is left over, and what only looks like it ---- */

static json_int_t inserted(const struct vt *v, json_t *row, const char *table)
{
    _tns_json_ json_t *body =
        json_pack("{s:{s:s, s:o}}", "insert", "table", table, "row", row);
    _tns_json_ json_t *answer = tst_sim_post(v->sim, "/world", body);

    return json_integer_value(json_object_get(json_object_get(answer, "insert"), "id"));
}

static json_int_t id_in(const struct vt *v, const char *table, const char *key,
                        const char *value)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");

    return json_integer_value(json_object_get(vt_row(world, table, key, value), "id"));
}

static void remove_row(const struct vt *v, const char *table, json_int_t id)
{
    char text[200];

    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"%s\", \"id\": %lld}}", table,
             (long long)id);
    tst_sim_world(v->sim, text);
}

static void row_says(const json_t *report, const char *object, const char *class,
                     const char *action)
{
    const json_t *row = vt_row(report, "volumes", "object", object);

    ck_assert_msg(row != NULL, "%s is not reported", object);
    ck_assert_str_eq(json_string_value(json_object_get(row, "class")), class);
    ck_assert_str_eq(json_string_value(json_object_get(row, "action")), action);
}

START_TEST(test_orphans_that_are_ours_go_and_what_is_anothers_stays)
{
    struct vt v;
    char disk[340];
    char ours[120];
    char theirs[120];
    char mapping[64];
    json_int_t stray;
    json_int_t target;
    _tns_json_ json_t *report = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    target = id_in(&v, "target", "name", v.target);
    snprintf(disk, sizeof(disk), "zvol/%s/vm-100-gone", v.dataset);
    snprintf(ours, sizeof(ours), "%s-gone", v.target);
    snprintf(theirs, sizeof(theirs), "%s-theirs", v.target);
    inserted(&v,
             json_pack("{s:s, s:s, s:s}", "name", ours, "disk", disk, "comment",
                       "tnstor " VT_OWNER " nas some-op"),
             "extent");
    snprintf(disk, sizeof(disk), "zvol/%s/vm-100-else", v.dataset);
    inserted(&v,
             json_pack("{s:s, s:s, s:s}", "name", theirs, "disk", disk, "comment",
                       "by hand"),
             "extent");
    stray = inserted(&v,
                     json_pack("{s:I, s:i, s:i}", "target", target, "extent", 987654,
                               "lunid", 1024),
                     "mapping");

    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    snprintf(disk, sizeof(disk), "extent %s", ours);
    row_says(report, disk, "orphan-extent", "removed");
    snprintf(disk, sizeof(disk), "extent %s", theirs);
    row_says(report, disk, "foreign", "none");
    snprintf(mapping, sizeof(mapping), "mapping %lld", (long long)stray);
    row_says(report, mapping, "orphan-mapping", "removed");
    row_says(report, vt_zvol(&v, DISK), "ready", "none");
    ck_assert_int_eq(id_in(&v, "extent", "name", ours), 0);
    ck_assert_int_gt(id_in(&v, "extent", "name", theirs), 0);
    remove_row(&v, "extent", id_in(&v, "extent", "name", theirs));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_volume_that_lost_its_mapping_is_mapped_again_under_its_identity)
{
    struct vt v;
    char disk[340];
    char naa[64];
    json_int_t extent;
    _tns_json_ json_t *world = NULL;
    json_t *row;
    size_t i;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    snprintf(disk, sizeof(disk), "zvol/%s/" DISK, v.dataset);
    extent = id_in(&v, "extent", "disk", disk);
    world = tst_sim_get(v.sim, "/world");
    snprintf(naa, sizeof(naa), "%s",
             json_string_value(
                 json_object_get(vt_row(world, "extent", "disk", disk), "naa")));
    json_array_foreach(json_object_get(world, "mapping"), i, row)
    {
        if (json_integer_value(json_object_get(row, "extent")) == extent)
            remove_row(&v, "mapping", json_integer_value(json_object_get(row, "id")));
    }
    reconciled(&v, DISK, "missing-mapping", "published");
    reconciled(&v, DISK, "ready", "none");
    ck_assert_int_eq(id_in(&v, "extent", "naa", naa), extent);
    ck_assert_int_gt(vt_lun_of(&v, DISK), 0);
    vt_close(&v);
}
END_TEST

/* ---- C22: the pool went away and came again, or the volumes are on another one now ---- */

static json_t *row_of_disk(const struct vt *v, json_t **ret_world, const char *leaf)
{
    char disk[340];

    *ret_world = tst_sim_get(v->sim, "/world");
    snprintf(disk, sizeof(disk), "zvol/%s/%s", v->dataset, leaf);
    return vt_row(*ret_world, "extent", "disk", disk);
}

static json_int_t extent_id(const struct vt *v, const char *leaf)
{
    _tns_json_ json_t *world = NULL;

    return json_integer_value(json_object_get(row_of_disk(v, &world, leaf), "id"));
}

static void naa_of(const struct vt *v, const char *leaf, char ret[64])
{
    _tns_json_ json_t *world = NULL;

    snprintf(ret, 64, "%s",
             json_string_value(json_object_get(row_of_disk(v, &world, leaf), "naa")));
}

/* The GUIDs of pools are kept, as in a cluster. */
static void move_to_own_pool(struct vt *v)
{
    tst_file(v->root, "etc/pve/priv/.here", "");
    vt_own_pool(v, 100 * GIB, NULL);
}

static void pool_is_away(const struct vt *v, bool away)
{
    char text[200];

    snprintf(text, sizeof(text), "{\"pool\": {\"name\": \"p%s\", \"exported\": %d}}",
             v->target, away);
    tst_sim_world(v->sim, text);
}

static void extent_enabled(const struct vt *v, const char *leaf, bool enabled)
{
    char text[200];

    snprintf(text, sizeof(text), "{\"extent\": {\"id\": %lld, \"set\": {\"enabled\": %d}}}",
             (long long)extent_id(v, leaf), enabled);
    tst_sim_world(v->sim, text);
}

static void removed(const struct vt *v, const char *table, json_int_t id)
{
    char text[200];

    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"%s\", \"id\": %lld}}", table,
             (long long)id);
    tst_sim_world(v->sim, text);
}

/* Nothing is taken for gone, and nothing is changed: what the extents stand on is out of
 * sight, not destroyed. */
static void refuses_while_away(struct vt *v)
{
    json_t *out = NULL;
    char name[256];

    vt_fails(v, tns_storage_reconcile(v->st, 1, &out, &v->err), TNS_E_UNAVAILABLE);
    vt_fails(v, tns_volume_free(v->st, DISK, &v->err), TNS_E_UNAVAILABLE);
    vt_fails(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err), TNS_E_UNAVAILABLE);
    vt_fails(v, tns_volume_list(v->st, 0, &out, &v->err), TNS_E_UNAVAILABLE);
}

/* The NAS disables what is exported of a pool that it exports, and enables it when it
 * imports it again. */
START_TEST(test_c22_a_pool_that_comes_back_with_its_extents_is_as_it_was)
{
    struct vt v;
    char before[64];
    char after[64];
    json_int_t lun;

    vt_open(&v, tst_cell_sim());
    move_to_own_pool(&v);
    a_disk(&v);
    naa_of(&v, DISK, before);
    lun = vt_lun_of(&v, DISK);
    extent_enabled(&v, DISK, false);
    pool_is_away(&v, true);
    refuses_while_away(&v);
    pool_is_away(&v, false);
    reconciled(&v, DISK, "disabled", "none"); /* that is the NAS's to end, or an admin's */
    extent_enabled(&v, DISK, true);
    reconciled(&v, DISK, "ready", "none");
    naa_of(&v, DISK, after);
    ck_assert_str_eq(after, before);
    ck_assert_int_eq(vt_lun_of(&v, DISK), lun);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* "Delete configuration of shares": mappings and extents go with the pool, and a target
 * that has none left. */
START_TEST(test_c22_volumes_are_exported_again_after_their_pool_was_exported_and_imported)
{
    struct vt v;
    char other[256];
    char clone[256];
    _tns_json_ json_t *world = NULL;
    _tns_json_ json_t *plan = NULL;

    vt_open(&v, tst_cell_sim());
    move_to_own_pool(&v);
    a_disk(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 101, NULL, 2 * GIB, other, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_volume_clone(v.st, DISK, "s1", 102, clone, &v.err));
    removed(&v, "extent", extent_id(&v, DISK));
    removed(&v, "extent", extent_id(&v, other));
    removed(&v, "extent", extent_id(&v, clone));
    world = tst_sim_get(v.sim, "/world");
    removed(&v, "target",
            json_integer_value(
                json_object_get(vt_row(world, "target", "name", v.target), "id")));
    pool_is_away(&v, true);
    refuses_while_away(&v);
    pool_is_away(&v, false);

    ck_assert(vt_listed(&v, DISK)); /* it is there, if not for initiators */
    reconciled(&v, DISK, "missing-extent", "failed");
    vt_ok(&v, tns_storage_setup(v.st, 0, &plan, &v.err));
    reconciled(&v, DISK, "missing-extent", "published");
    reconciled(&v, other, "ready", "none");
    reconciled(&v, clone, "ready", "none");
    ck_assert_uint_eq(vt_invariants(&v), 0);
    ck_assert_int_gt(vt_lun_of(&v, DISK), 0);
    ck_assert_int_ne(vt_lun_of(&v, DISK), vt_lun_of(&v, other));
    vt_ok(&v, tns_volume_free(v.st, clone, &v.err));
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_ok(&v, tns_volume_free(v.st, other, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_volumes_of_a_dataset_that_moved_to_another_pool_are_adopted_and_exported)
{
    struct vt v;
    struct vt first;
    char text[300];
    char before[64];
    char after[64];
    json_int_t lun;
    _tns_json_ json_t *report = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    first = v;
    naa_of(&first, DISK, before);
    lun = vt_lun_of(&first, DISK);
    move_to_own_pool(&v);
    snprintf(text, sizeof(text),
             "{\"replicate\": {\"from\": \"%s/" DISK "\", \"to\": \"%s/" DISK "\"}}",
             first.dataset, v.dataset);
    tst_sim_world(v.sim, text);

    /* The tags say that they are about another place: nobody's until an administrator says so. */
    ck_assert(!vt_listed(&v, DISK));
    reconciled(&v, DISK, "moved", "none");
    vt_ok(&v, tns_storage_adopt_all(v.st, 0, &report, &v.err));
    ck_assert(vt_listed(&v, DISK));
    reconciled(&v, DISK, "missing-extent", "published");
    reconciled(&v, DISK, "ready", "none");
    /* Another identity than the one left behind, which is as it was. */
    naa_of(&v, DISK, after);
    ck_assert_str_ne(after, before);
    naa_of(&first, DISK, after);
    ck_assert_str_eq(after, before);
    ck_assert_int_eq(vt_lun_of(&first, DISK), lun);
    ck_assert_int_ne(vt_lun_of(&v, DISK), lun);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    ck_assert(vt_exists(&first, DISK));
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_a_deletion_cut_short_on_a_dead_node_is_finished_when_it_must_be_over);
    tcase_add_test(tc,
                   test_a_rename_cut_short_on_a_dead_node_is_finished_when_it_must_be_over);
    tcase_add_test(tc, test_a_free_that_failed_is_finished_by_any_node_at_once);
    tcase_add_test(tc, test_freeing_what_another_free_removes_meanwhile_succeeds);
    tcase_add_test(tc, test_a_volume_cloned_while_it_was_freed_waits_for_its_clone);
    tcase_add_test(tc, test_orphans_that_are_ours_go_and_what_is_anothers_stays);
    tcase_add_test(tc,
                   test_a_volume_that_lost_its_mapping_is_mapped_again_under_its_identity);
    tcase_add_test(tc, test_c22_a_pool_that_comes_back_with_its_extents_is_as_it_was);
    tcase_add_test(
        tc, test_c22_volumes_are_exported_again_after_their_pool_was_exported_and_imported);
    tcase_add_test(
        tc, test_volumes_of_a_dataset_that_moved_to_another_pool_are_adopted_and_exported);
}

int main(void)
{
    return vt_main("recover", VT_FEW_CELLS, add);
}
