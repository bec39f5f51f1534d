/* SPDX-License-Identifier: Apache-2.0 */
/* The list of csi-sanity in our words, each operation also asked for twice; and races
 * on the NAS that no lock of ours can prevent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

START_TEST(test_create_needs_a_size_and_a_guest)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, 0, name, &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_volume_alloc(v.st, 0, NULL, GIB, name, &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_volume_alloc(v.st, 101, DISK, GIB, name, &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, UINT64_MAX, name, &v.err), TNS_E_USAGE);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_create_twice_is_refused_with_any_size)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err), TNS_E_EXISTS);
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, 2 * GIB, name, &v.err), TNS_E_EXISTS);
    ck_assert(vt_listed(&v, DISK));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_the_longest_name_works_and_a_longer_one_is_refused)
{
    struct vt v;
    char name[256];
    char longest[100] = "vm-999999999-";

    vt_open(&v, tst_cell_sim());
    memset(longest + 13, 'x', 64);
    vt_ok(&v, tns_volume_alloc(v.st, 999999999, longest, GIB, name, &v.err));
    ck_assert_str_eq(name, longest);
    vt_ok(&v, tns_volume_free(v.st, longest, &v.err));
    memset(longest + 13, 'x', 65);
    vt_fails(&v, tns_volume_alloc(v.st, 999999999, longest, GIB, name, &v.err),
             TNS_E_USAGE);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* A dataset so deep that only few names fit into one question. */
START_TEST(test_a_free_name_is_found_where_names_are_long)
{
    struct vt v;
    struct tns_storage *st;
    char deep[200];
    char text[300];
    char want[64];
    char name[256];

    vt_open(&v, tst_cell_sim());
    snprintf(deep, sizeof(deep), "%s/", v.dataset);
    memset(deep + strlen(deep), 'd', 120 - strlen(deep));
    deep[120] = '\0';
    snprintf(text, sizeof(text), "{\"dataset\": {\"name\": \"%s\", \"create\": {}}}", deep);
    tst_sim_world(v.sim, text);
    snprintf(text, sizeof(text), "{\"dataset\": \"%s\"}", deep);
    st = vt_more(&v, "n1", text);
    for (unsigned i = 0; i < 14; i++) {
        vt_ok(&v, tns_volume_alloc(st, 100, NULL, GIB, name, &v.err));
        snprintf(want, sizeof(want), "vm-100-disk-%u", i);
        ck_assert_str_eq(name, want);
    }
    tns_storage_close(st);
    vt_world(&v, "{\"destroy\": \"%s\"}");
    vt_close(&v);
}
END_TEST

START_TEST(test_what_is_missing_is_not_found)
{
    struct vt v;
    char name[256];
    json_t *out = NULL;

    vt_open(&v, tst_cell_sim());
    vt_fails(&v, tns_volume_info(v.st, DISK, &out, &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_clone(v.st, "base-100-disk-0", NULL, 101, name, &v.err),
             TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_resize(v.st, DISK, GIB, &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_rollback(v.st, DISK, "s1", &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_promote(v.st, DISK, &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_map(v.st, DISK, NULL, &out, &v.err), TNS_E_NOTFOUND);
    a_disk(&v);
    vt_fails(&v, tns_volume_clone(v.st, DISK, "s1", 101, name, &v.err), TNS_E_NOTFOUND);
    vt_fails(&v, tns_volume_clone(v.st, DISK, NULL, 101, name, &v.err), TNS_E_USAGE);
    vt_close(&v);
}
END_TEST

START_TEST(test_deleting_what_is_not_there_succeeds)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_ok(&v, tns_snapshot_delete(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_volume_unmap(v.st, DISK, NULL, &v.err));
    vt_close(&v);
}
END_TEST

/* C17 */
START_TEST(test_a_second_free_changes_nothing)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_count_reset(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    ck_assert_int_eq(tst_sim_calls(v.sim, "pool.dataset.delete"), 0);
    ck_assert_int_eq(tst_sim_calls(v.sim, "pool.dataset.update"), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_the_whole_life_with_every_call_doubled)
{
    struct vt v;
    char name[256];
    char base[256];
    char clone[256];
    json_t *out = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_resize(v.st, DISK, 2 * GIB, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_fails(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err), TNS_E_EXISTS);
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_rollback(v.st, DISK, "s1", &v.err));
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_snapshot_delete(v.st, DISK, "s1", &v.err));
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_set_attribute(v.st, DISK, "notes", "x", &v.err));
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_create_base(v.st, DISK, base, &v.err));
    for (int i = 0; i < 2; i++) {
        vt_ok(&v, tns_volume_clone(v.st, base, NULL, 101, clone, &v.err));
        snprintf(name, sizeof(name), "base-100-disk-0/vm-101-disk-%d", i);
        ck_assert_str_eq(clone, name);
    }
    for (int i = 0; i < 2; i++) {
        vt_ok(&v, tns_volume_list(v.st, 101, &out, &v.err));
        ck_assert_uint_eq(json_array_size(out), 2);
        json_decref(out);
    }
    for (int i = 0; i < 2; i++) {
        vt_ok(&v, tns_volume_free(v.st, "base-100-disk-0/vm-101-disk-0", &v.err));
        vt_ok(&v, tns_volume_free(v.st, "base-100-disk-0/vm-101-disk-1", &v.err));
    }
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_free(v.st, base, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* Names of snapshots are each volume's own. */
START_TEST(test_a_snapshot_of_the_same_name_on_another_volume_is_another_one)
{
    struct vt v;
    char name[256];
    json_t *out = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-disk-1", GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, name, "s1", &v.err));
    vt_ok(&v, tns_snapshot_delete(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_snapshot_list(v.st, name, &out, &v.err));
    ck_assert_uint_eq(json_array_size(out), 1);
    json_decref(out);
    vt_close(&v);
}
END_TEST

START_TEST(test_what_else_there_is_can_be_asked_for_twice)
{
    struct vt v;
    json_t *out = NULL;
    int renames = 0;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    for (int i = 0; i < 2; i++) {
        int rc = tns_snapshot_rename(v.st, DISK, "s1", "s2", &v.err);

        ck_assert_msg(rc == 0 || rc == -TNS_E_UNSUPPORTED, "%s", v.err.text);
        tns__error_clear(&v.err);
        renames += rc == 0;
    }
    ck_assert_int_ne(renames, 1); /* both times, or this release cannot */
    for (int i = 0; i < 2; i++) {
        vt_ok(&v, tns_storage_reconcile(v.st, 1, &out, &v.err));
        ck_assert_int_eq(json_integer_value(json_object_get(out, "repaired")), 0);
        json_decref(out);
        vt_ok(&v, tns_volume_set_attribute(v.st, DISK, "protected", "1", &v.err));
        vt_ok(&v, tns_volume_adopt(v.st, DISK, &v.err));
        vt_ok(&v, tns_volume_unmap(v.st, DISK, NULL, &v.err));
    }
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_release(v.st, DISK, &v.err));
    for (int i = 0; i < 2; i++)
        vt_ok(&v, tns_volume_adopt(v.st, DISK, &v.err));
    ck_assert(vt_listed(&v, DISK));
    vt_close(&v);
}
END_TEST

/* ---- C15: a LUN that was given out twice ---- */

static struct vt *race_vt;
static bool race_done;

static json_int_t thief_id;

static void insert_mapping(json_int_t target, json_int_t extent, json_int_t lun)
{
    _tns_json_ json_t *body =
        json_pack("{s:{s:s, s:{s:I, s:I, s:I}}}", "insert", "table", "mapping", "row",
                  "target", target, "extent", extent, "lunid", lun);
    _tns_json_ json_t *answer = tst_sim_post(race_vt->sim, "/world", body);

    if (extent == 999999)
        thief_id =
            json_integer_value(json_object_get(json_object_get(answer, "insert"), "id"));
}

/* Between our mapping and its proof, an older mapping turns up on the same LUN. */
static void steal_lun(const char *what, const char *step, int after)
{
    _tns_json_ json_t *world = NULL;
    json_t *mine = NULL;
    json_t *row;
    size_t i;
    char text[500];
    json_int_t target;

    (void)what;
    if (race_done || !after || strcmp(step, "mapping") != 0)
        return;
    race_done = true;
    world = tst_sim_get(race_vt->sim, "/world");
    target = json_integer_value(
        json_object_get(vt_row(world, "target", "name", race_vt->target), "id"));
    json_array_foreach(json_object_get(world, "mapping"), i,
                       row) if (json_integer_value(json_object_get(row, "target")) ==
                                target) mine = row;
    ck_assert_ptr_nonnull(mine);
    /* Ours goes and comes again behind the other one, as if it had been a moment later. */
    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"mapping\", \"id\": %lld}}",
             (long long)json_integer_value(json_object_get(mine, "id")));
    tst_sim_world(race_vt->sim, text);
    insert_mapping(target, 999999, json_integer_value(json_object_get(mine, "lunid")));
    insert_mapping(target, json_integer_value(json_object_get(mine, "extent")),
                   json_integer_value(json_object_get(mine, "lunid")));
}

START_TEST(test_the_later_of_two_mappings_on_one_lun_takes_another)
{
    struct vt v;
    _tns_json_ json_t *world = NULL;
    json_t *a;
    json_t *b;
    size_t i;
    size_t k;
    char text[100];

    vt_open(&v, tst_cell_sim());
    race_vt = &v;
    race_done = false;
    tns__plan_hook = steal_lun;
    a_disk(&v);
    tns__plan_hook = NULL;
    ck_assert(race_done);
    world = tst_sim_get(v.sim, "/world");
    json_array_foreach(json_object_get(world, "mapping"), i, a)
        json_array_foreach(json_object_get(world, "mapping"), k, b)
            ck_assert(i == k ||
                      json_integer_value(json_object_get(a, "target")) !=
                          json_integer_value(json_object_get(b, "target")) ||
                      json_integer_value(json_object_get(a, "lunid")) !=
                          json_integer_value(json_object_get(b, "lunid")));
    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"mapping\", \"id\": %lld}}",
             (long long)thief_id);
    tst_sim_world(v.sim, text);
    vt_close(&v);
}
END_TEST

/* ---- what reconcile says and does ---- */

static const char *class_of(const json_t *report, const char *object)
{
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(report, "volumes"), i,
                       row) if (strcmp(json_string_value(json_object_get(row, "object")),
                                       object) ==
                                0) return json_string_value(json_object_get(row, "class"));
    return "not reported";
}

static json_int_t id_of(const json_t *world, const char *table, const char *key,
                        const char *value)
{
    return json_integer_value(json_object_get(vt_row(world, table, key, value), "id"));
}

START_TEST(test_reconcile_reports_first_and_repairs_when_told)
{
    struct vt v;
    char disk[340];
    char text[200];
    _tns_json_ json_t *world = NULL;
    json_t *report = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    snprintf(disk, sizeof(disk), "zvol/%s/" DISK, v.dataset);
    world = tst_sim_get(v.sim, "/world");
    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"extent\", \"id\": %lld}}",
             (long long)id_of(world, "extent", "disk", disk));
    tst_sim_world(v.sim, text);

    vt_ok(&v, tns_storage_reconcile(v.st, 0, &report, &v.err));
    ck_assert_str_eq(class_of(report, vt_zvol(&v, DISK)), "missing-extent");
    json_decref(report);
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    json_decref(report);
    vt_ok(&v, tns_storage_reconcile(v.st, 0, &report, &v.err));
    ck_assert_str_eq(class_of(report, vt_zvol(&v, DISK)), "ready");
    json_decref(report);

    vt_world(&v, "{\"destroy\": \"%s/" DISK "\"}"); /* an administrator's work */
    ck_assert(!vt_listed(&v, DISK));
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    json_decref(report);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_create_needs_a_size_and_a_guest);
    tcase_add_test(tc, test_create_twice_is_refused_with_any_size);
    tcase_add_test(tc, test_the_longest_name_works_and_a_longer_one_is_refused);
    tcase_add_test(tc, test_a_free_name_is_found_where_names_are_long);
    tcase_add_test(tc, test_what_is_missing_is_not_found);
    tcase_add_test(tc, test_deleting_what_is_not_there_succeeds);
    tcase_add_test(tc, test_a_second_free_changes_nothing);
    tcase_add_test(tc, test_the_whole_life_with_every_call_doubled);
    tcase_add_test(tc, test_a_snapshot_of_the_same_name_on_another_volume_is_another_one);
    tcase_add_test(tc, test_what_else_there_is_can_be_asked_for_twice);
    tcase_add_test(tc, test_the_later_of_two_mappings_on_one_lun_takes_another);
    tcase_add_test(tc, test_reconcile_reports_first_and_repairs_when_told);
}

int main(void)
{
    return vt_main("sanity", VT_FEW_CELLS, add);
}
