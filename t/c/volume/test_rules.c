/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a volume is, what is refused and how it is said; rows of the fault catalogue as
 * sentences. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

static size_t list_size(struct tns_storage *st, struct vt *v)
{
    _tns_json_ json_t *list = NULL;

    vt_ok(v, tns_volume_list(st, 0, &list, &v->err));
    return json_array_size(list);
}

/* An extent on a zvol and its mapping on this test's target, as the old plugin makes
 * them. */
static void publish(const struct vt *v, const char *leaf, int lun)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    json_int_t target = json_integer_value(
        json_object_get(vt_row(world, "target", "name", v->target), "id"));
    char text[600];
    _tns_json_ json_t *body = NULL;
    _tns_json_ json_t *answer = NULL;
    json_int_t extent;

    snprintf(
        text, sizeof(text),
        "{\"insert\": {\"table\": \"extent\", \"row\": {\"name\": \"%s-%s\", \"disk\": "
        "\"zvol/%s/%s\"}}}",
        v->target, leaf, v->dataset, leaf);
    body = json_loads(text, 0, NULL);
    answer = tst_sim_post(v->sim, "/world", body);
    extent = json_integer_value(json_object_get(json_object_get(answer, "insert"), "id"));
    snprintf(text, sizeof(text),
             "{\"insert\": {\"table\": \"mapping\", \"row\": {\"target\": %lld, "
             "\"extent\": %lld, "
             "\"lunid\": %d}}}",
             (long long)target, (long long)extent, lun);
    tst_sim_world(v->sim, text);
}

static void make_old(const struct vt *v, const char *leaf, int lun)
{
    char text[400];

    snprintf(text, sizeof(text),
             "{\"dataset\": {\"name\": \"%s/%s\", \"create\": {\"volsize\": "
             "1073741824}}}",
             v->dataset, leaf);
    tst_sim_world(v->sim, text);
    if (lun >= 0)
        publish(v, leaf, lun);
}

/* ---- whose is it: C30, C40 ---- */

/* C40 */
START_TEST(test_two_storages_on_one_dataset_never_touch_each_others_volumes)
{
    struct vt v;
    struct tns_storage *other;
    char name[256];

    vt_open(&v, tst_cell_sim());
    other = vt_more(&v, "n1", "{\"storeid\": \"second\"}");
    a_disk(&v);
    ck_assert_uint_eq(list_size(other, &v), 0);
    vt_fails(&v, tns_volume_free(other, DISK, &v.err), TNS_E_FOREIGN);
    vt_fails(&v, tns_volume_resize(other, DISK, 2 * GIB, &v.err), TNS_E_FOREIGN);
    vt_fails(&v, tns_snapshot_create(other, DISK, "s", &v.err), TNS_E_FOREIGN);
    vt_fails(&v, tns_volume_adopt(other, DISK, &v.err), TNS_E_FOREIGN);
    vt_fails(&v, tns_volume_alloc(other, 100, DISK, GIB, name, &v.err), TNS_E_EXISTS);
    vt_ok(&v, tns_volume_alloc(other, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    ck_assert_uint_eq(list_size(v.st, &v), 1);
    tns_storage_close(other);
    vt_close(&v);
}
END_TEST

/* C40 */
START_TEST(test_two_clusters_on_one_dataset_never_touch_each_others_volumes)
{
    struct vt v;
    struct tns_storage *other;

    vt_open(&v, tst_cell_sim());
    other = vt_more(&v, "n1", "{\"tn_owner\": \"" VT_OTHER "\"}");
    a_disk(&v);
    ck_assert_uint_eq(list_size(other, &v), 0);
    vt_fails(&v, tns_volume_free(other, DISK, &v.err), TNS_E_FOREIGN);
    ck_assert(vt_listed(&v, DISK));
    tns_storage_close(other);
    vt_close(&v);
}
END_TEST

START_TEST(test_an_old_plugins_volume_is_listed_with_its_lun_used_and_freed)
{
    struct vt v;
    char name[256];
    _tns_json_ json_t *list = NULL;

    vt_open(&v, tst_cell_sim());
    make_old(&v, DISK, 7);
    make_old(&v, "pve-plugin-weight", 1); /* its helper */
    make_old(&v, "vm-101-disk-0", -1);    /* not published: not ours to use */
    vt_ok(&v, tns_volume_list(v.st, 0, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "volname")),
                     "vol-vm-100-disk-0-lun7");

    vt_fails(&v, tns_volume_free(v.st, "vm-101-disk-0", &v.err), TNS_E_FOREIGN);
    vt_fails(&v, tns_volume_free(v.st, "vol-pve-plugin-weight-lun1", &v.err), TNS_E_USAGE);
    /* The LUN number is a spelling, never an address. */
    vt_ok(&v, tns_snapshot_create(v.st, "vol-vm-100-disk-0-lun99", "s1", &v.err));
    vt_ok(&v, tns_snapshot_delete(v.st, "vol-vm-100-disk-0-lun7", "s1", &v.err));
    vt_ok(&v, tns_volume_resize(v.st, "vol-vm-100-disk-0-lun7", 2 * GIB, &v.err));
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    vt_ok(&v, tns_volume_free(v.st, "vol-vm-100-disk-0-lun7", &v.err));
    ck_assert(!vt_exists(&v, DISK));
    ck_assert(vt_exists(&v, "pve-plugin-weight"));
    vt_close(&v);
}
END_TEST

START_TEST(test_adopting_keeps_the_spelling_that_the_guest_config_holds)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    make_old(&v, DISK, 7);
    vt_ok(&v, tns_volume_adopt(v.st, "vol-vm-100-disk-0-lun3", &v.err));
    vt_ok(&v, tns_volume_adopt(v.st, "vol-vm-100-disk-0-lun3", &v.err));
    ck_assert(vt_listed(&v, "vol-vm-100-disk-0-lun3"));
    vt_ok(&v, tns_volume_release(v.st, "vol-vm-100-disk-0-lun3", &v.err));
    ck_assert(vt_listed(&v, "vol-vm-100-disk-0-lun7"));
    vt_close(&v);
}
END_TEST

START_TEST(test_old_volumes_are_nobodys_where_two_clusters_share_a_dataset)
{
    struct vt v;
    struct tns_storage *other;
    char name[256];

    vt_open(&v, tst_cell_sim());
    other = vt_more(&v, "n1", "{\"tn_owner\": \"" VT_OTHER "\"}");
    make_old(&v, DISK, 7);
    vt_ok(&v, tns_volume_alloc(v.st, 200, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_volume_alloc(other, 300, NULL, GIB, name, &v.err));
    ck_assert_uint_eq(list_size(v.st, &v), 1);
    ck_assert_uint_eq(list_size(other, &v), 1);
    vt_fails(&v, tns_volume_free(v.st, "vol-vm-100-disk-0-lun7", &v.err), TNS_E_FOREIGN);
    tns_storage_close(other);
    vt_close(&v);
}
END_TEST

/* C30 */
START_TEST(test_a_replica_with_our_tags_is_foreign_until_it_is_adopted)
{
    struct vt v;
    _tns_json_ json_t *report = NULL;
    char text[400];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    snprintf(text, sizeof(text),
             "{\"replicate\": {\"from\": \"%s/" DISK "\", \"to\": \"%s/"
             "vm-100-disk-9\"}}",
             v.dataset, v.dataset);
    tst_sim_world(v.sim, text);
    ck_assert(!vt_listed(&v, "vm-100-disk-9"));
    vt_fails(&v, tns_volume_free(v.st, "vm-100-disk-9", &v.err), TNS_E_FOREIGN);
    vt_ok(&v, tns_storage_adopt_all(v.st, 1, &report, &v.err));
    ck_assert_uint_eq(json_array_size(json_object_get(report, "volumes")), 1);
    ck_assert(!vt_listed(&v, "vm-100-disk-9"));
    json_decref(report);
    report = NULL;
    vt_ok(&v, tns_storage_adopt_all(v.st, 0, &report, &v.err));
    ck_assert(vt_listed(&v, "vm-100-disk-9"));
    ck_assert(vt_listed(&v, DISK));
    vt_close(&v);
}
END_TEST

START_TEST(test_a_template_of_before_the_release_could_rename_is_found_and_cloned)
{
    struct vt v;
    char name[256];
    char text[1024];
    json_t *report = NULL;

    vt_open(&v, tst_cell_sim());
    snprintf(text, sizeof(text),
             "{\"dataset\": {\"name\": \"%s/" DISK "\", \"create\": {\"volsize\": "
             "1073741824}, \"user\": {\"org.tnstor:owner\": \"" VT_OWNER
             "\", \"org.tnstor:storeid\": \"nas\", \"org.tnstor:volname\": "
             "\"base-100-disk-0\", \"org.tnstor:self\": \"%s/" DISK
             "\", \"org.tnstor:was\": \"%s/" DISK "\", \"org.tnstor:state\": \"ready\", "
             "\"org.tnstor:op\": \"1\", \"org.tnstor:schema\": \"1\"}}, \"snapshot\": "
             "\"%s/" DISK "@__base__\"}",
             v.dataset, v.dataset, v.dataset, v.dataset);
    tst_sim_world(v.sim, text);
    ck_assert(vt_listed(&v, "base-100-disk-0"));
    vt_ok(&v, tns_volume_clone(v.st, "base-100-disk-0", NULL, 101, name, &v.err));
    ck_assert_str_eq(name, "base-100-disk-0/vm-101-disk-0");
    vt_fails(&v, tns_volume_free(v.st, "base-100-disk-0", &v.err), TNS_E_CONFLICT);
    vt_ok(&v, tns_volume_free(v.st, name, &v.err));
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err)); /* publishes it */
    json_decref(report);
    ck_assert_int_gt(vt_lun_of(&v, DISK), 0);
    /* by a name that it has no more, nothing of it goes */
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    ck_assert_int_gt(vt_lun_of(&v, DISK), 0);
    ck_assert(vt_listed(&v, "base-100-disk-0"));
    vt_ok(&v, tns_volume_free(v.st, "base-100-disk-0", &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* ---- what is refused ---- */

/* Over REST the room is asked for when the volume has taken it already. */
START_TEST(test_a_thick_volume_with_a_name_has_the_80_percent_that_the_nas_allows)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_own_pool(&v, 20 * GIB, "{\"tn_sparse\": \"0\"}");
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, 17 * GIB, name, &v.err), TNS_E_CAPACITY);
    ck_assert(!vt_exists(&v, DISK));
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, 15 * GIB, name, &v.err));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_names_outside_the_grammar_are_refused_before_anything_is_sent)
{
    static const char *const bad[] = {
        "",
        "vm-100",
        "vm-100-",
        "vm-99-disk-0",
        "vm-0100-disk-0",
        "vm-1000000000-disk-0",
        "vm-100-disk-0\n",
        "../vm-100-disk-0",
        "vm-100-a/b",
        "vm-100-a@s",
        "vm-100-a..b",
        "vm-100-disk 0",
        "vm-100-\xc3\xa4",
        "-vm-100-disk-0",
        "vol-vm-100-disk-0",
        "vol-vm-100-disk-0-lun",
        "vm-100-disk-0/vm-101-disk-0",
        "base-100-disk-0/vm-101-disk-0/vm-102-disk-0",
        "base-100-disk-0/",
    };
    struct vt v;
    json_t *parsed = NULL;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_count_reset(&v);
    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++) {
        vt_fails(&v, tns_volname_parse(bad[i], &parsed, &v.err), TNS_E_USAGE);
        vt_fails(&v, tns_volume_free(v.st, bad[i], &v.err), TNS_E_USAGE);
    }
    vt_fails(&v, tns_snapshot_create(v.st, DISK, "a/b", &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_snapshot_create(v.st, DISK, "a@b", &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_volume_alloc(v.st, 99, NULL, GIB, name, &v.err), TNS_E_USAGE);
    ck_assert_int_eq(vt_calls(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_names_in_both_forms_are_parsed)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *p = NULL;

    tst_ok(tns_volname_parse("base-100-disk-0/vm-101-disk-1", &p, &err), &err);
    ck_assert_str_eq(json_string_value(json_object_get(p, "basename")), "base-100-disk-0");
    ck_assert_int_eq(json_integer_value(json_object_get(p, "basevmid")), 100);
    ck_assert_str_eq(json_string_value(json_object_get(p, "zvol")), "vm-101-disk-1");
    json_decref(p);
    tst_ok(tns_volname_parse("vol-base-100-disk-0-lun3/vol-vm-101-disk-1-lun4", &p, &err),
           &err);
    ck_assert_str_eq(json_string_value(json_object_get(p, "basename")), "base-100-disk-0");
    ck_assert_str_eq(json_string_value(json_object_get(p, "zvol")), "vm-101-disk-1");
    ck_assert(json_is_true(json_object_get(p, "old_form")));
    json_decref(p);
    tst_ok(tns_volname_parse("vm-100-cloudinit", &p, &err), &err);
    ck_assert(json_is_null(json_object_get(p, "basename")));
    json_decref(p);
}
END_TEST

/* C19 */
START_TEST(test_a_volume_too_large_names_the_numbers_and_leaves_nothing)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_world(&v, "{\"dataset\": {\"name\": \"%s\", \"quota\": 4294967296}}");
    for (int named = 0; named < 2; named++) {
        ck_assert_int_eq(tns_volume_alloc(v.st, 100, named ? DISK : NULL, 100 * GIB, name,
                                          &v.err),
                         -TNS_E_CAPACITY);
        tst_says(&v.err, "100.0 GiB");
        tst_says(&v.err, "quota");
        tns__error_clear(&v.err);
        vt_nothing_left(&v);
    }
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    vt_fails(&v, tns_volume_resize(v.st, DISK, 100 * GIB, &v.err), TNS_E_CAPACITY);
    vt_close(&v);
}
END_TEST

static double gib_available(const struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");

    return (double)json_integer_value(
               json_object_get(vt_row(world, "dataset", "name", v->dataset), "available")) /
           (double)GIB;
}

/* All that the error must say, each with its number. */
static void says_number(const struct vt *v, const char *before, double gib,
                        const char *behind)
{
    char text[200];

    snprintf(text, sizeof(text), "%s%.1f GiB%s", before, gib, behind);
    tst_says(&v->err, text);
}

static void grow_to(struct vt *v, uint64_t size_bytes)
{
    ck_assert_int_eq(tns_volume_resize(v->st, DISK, size_bytes, &v->err), -TNS_E_CAPACITY);
    tst_says(&v->err, vt_zvol(v, DISK));
    tst_says(&v->err, v->dataset);
}

static void still_has(struct vt *v, uint64_t size_bytes)
{
    _tns_json_ json_t *info = NULL;

    tns__error_clear(&v->err);
    vt_ok(v, tns_volume_info(v->st, DISK, &info, &v->err));
    ck_assert_int_eq(json_integer_value(json_object_get(info, "size")),
                     (json_int_t)size_bytes);
}

START_TEST(test_c19_a_resize_names_what_it_needs_and_what_is_available)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_own_pool(&v, 20 * GIB, NULL);
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    grow_to(&v, 41 * GIB);
    says_number(&v, "needs ", 40.0, "");
    says_number(&v, "has ", gib_available(&v), " available: ");
    still_has(&v, GIB);
    vt_close(&v);
}
END_TEST

START_TEST(test_c19_a_resize_names_the_quota_that_is_in_the_way)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_own_pool(&v, 100 * GIB, NULL);
    vt_world(&v, "{\"dataset\": {\"name\": \"%s\", \"quota\": 8589934592}}");
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    grow_to(&v, 21 * GIB);
    says_number(&v, "needs ", 20.0, "");
    says_number(&v, "has ", gib_available(&v), " available within its quota of 8.0 GiB: ");
    still_has(&v, GIB);
    vt_close(&v);
}
END_TEST

/* Of 20 GiB a volume that has 8 may have 16: it may grow by 8, and not by 8.5. */
START_TEST(test_c19_a_resize_of_a_thick_volume_names_the_four_fifths_that_it_may_have)
{
    struct vt v;
    char name[256];
    double there;

    vt_open(&v, tst_cell_sim());
    vt_own_pool(&v, 100 * GIB, "{\"tn_sparse\": \"0\"}");
    vt_world(&v, "{\"dataset\": {\"name\": \"%s\", \"quota\": 21474836480}}");
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, 8 * GIB, name, &v.err));
    there = gib_available(&v);
    ck_assert(there > 11.0 && there <= 12.0);
    grow_to(&v, 16 * GIB + GIB / 2);
    says_number(&v, "needs ", 8.5, "");
    says_number(&v, "has ", there, " available within its quota of 20.0 GiB");
    says_number(&v, "of which volumes may take 80 %, ", (there + 8.0) / 5.0 * 4.0 - 8.0,
                ":");
    still_has(&v, 8 * GIB);
    vt_ok(&v, tns_volume_resize(v.st, DISK, 15 * GIB, &v.err));
    still_has(&v, 15 * GIB);
    vt_close(&v);
}
END_TEST

/* C21 */
START_TEST(test_a_locked_dataset_refuses_and_is_never_taken_for_empty)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_world(&v, "{\"dataset\": {\"name\": \"%s\", \"encrypted\": 1, \"locked\": 1}}");
    ck_assert(vt_listed(&v, DISK));
    vt_fails(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err), TNS_E_LOCKED);
    ck_assert_int_eq(tns_volume_alloc(v.st, 100, "vm-100-x", GIB, name, &v.err),
                     -TNS_E_LOCKED);
    tst_says(&v.err, v.dataset);
    tns__error_clear(&v.err);
    ck_assert(!vt_exists(&v, "vm-100-x"));
    vt_fails(&v, tns_volume_map(v.st, DISK, NULL, NULL, &v.err), TNS_E_LOCKED);
    vt_close(&v);
}
END_TEST

/* C22 */
START_TEST(test_an_exported_pool_is_unavailable_and_never_empty)
{
    struct vt v;
    json_t *out = NULL;
    char name[256];
    struct tns_storage *st;

    vt_open(&v, tst_cell_sim());
    st = vt_more(&v, "n1", "{\"dataset\": \"flash\"}");
    tst_sim_world(v.sim, "{\"pool\": {\"name\": \"flash\", \"exported\": 1}}");
    vt_fails(&v, tns_storage_status(st, &out, &v.err), TNS_E_UNAVAILABLE);
    vt_fails(&v, tns_volume_list(st, 0, &out, &v.err), TNS_E_UNAVAILABLE);
    vt_fails(&v, tns_volume_alloc(st, 100, NULL, GIB, name, &v.err), TNS_E_UNAVAILABLE);
    vt_fails(&v, tns_volume_free(st, DISK, &v.err), TNS_E_UNAVAILABLE);
    tst_sim_world(v.sim, "{\"pool\": {\"name\": \"flash\", \"exported\": 0}}");
    vt_ok(&v, tns_storage_status(st, &out, &v.err));
    json_decref(out);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

/* C32 */
START_TEST(test_a_held_snapshot_stops_delete_rollback_and_free_by_name)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_world(&v, "{\"hold\": {\"snapshot\": \"%s/" DISK "@s1\"}}");
    ck_assert_int_eq(tns_snapshot_delete(v.st, DISK, "s1", &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "s1");
    tns__error_clear(&v.err);
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "s1");
    tns__error_clear(&v.err);
    ck_assert(vt_listed(&v, DISK)); /* refused before the first change */
    vt_close(&v);
}
END_TEST

/* C32 */
START_TEST(test_a_clone_that_appears_between_check_and_delete_survives)
{
    struct vt v;
    char text[500];

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    snprintf(text, sizeof(text),
             "{\"knob\": {\"clone_at_delete\": {\"snapshot\": \"%s/" DISK
             "@late\", \"name\": \"%s/vm-300-disk-0\"}}}",
             v.dataset, v.dataset);
    tst_sim_world(v.sim, text);
    tns_volume_free(v.st, DISK, &v.err);
    tns__error_clear(&v.err);
    tst_sim_world(v.sim, "{\"knob\": {\"clone_at_delete\": null}}");
    ck_assert(vt_exists(&v, "vm-300-disk-0"));
    vt_close(&v);
}
END_TEST

/* ---- LUNs ---- */

START_TEST(test_a_lun_that_was_just_freed_is_not_given_out_again)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    for (int i = 0; i < 8; i++) {
        json_int_t before;

        a_disk(&v);
        before = vt_lun_of(&v, DISK);
        ck_assert_int_gt(before, 0);
        vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
        vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-next", GIB, name, &v.err));
        ck_assert_int_ne(vt_lun_of(&v, "vm-100-next"), before);
        vt_ok(&v, tns_volume_free(v.st, "vm-100-next", &v.err));
    }
    vt_close(&v);
}
END_TEST

static json_int_t target_id(const struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");

    return json_integer_value(
        json_object_get(vt_row(world, "target", "name", v->target), "id"));
}

/* All numbers but these two are somebody else's meanwhile. */
static void take_numbers_but(const struct vt *v, json_int_t one, json_int_t other)
{
    json_int_t target = target_id(v);
    json_t *rows = json_array();
    _tns_json_ json_t *body = json_pack("{s:o}", "insert", rows);
    int lun;

    for (lun = 1; lun <= 1024; lun++)
        if (lun != one && lun != other)
            json_array_append_new(rows, json_pack("{s:s, s:{s:I, s:i, s:i}}", "table",
                                                  "mapping", "row", "target", target,
                                                  "extent", 500000 + lun, "lunid", lun));
    json_decref(tst_sim_post(v->sim, "/world", body));
}

static void remove_target(const struct vt *v)
{
    char text[100];

    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"target\", \"id\": %lld}}",
             (long long)target_id(v));
    tst_sim_world(v->sim, text);
}

START_TEST(test_numbers_that_others_took_since_the_last_volume_are_not_given_out_twice)
{
    struct vt v;
    struct tns_storage *other;
    char name[256];
    json_int_t first;
    json_int_t left;

    vt_open(&v, tst_cell_sim());
    other = vt_more(&v, "n2", NULL);
    a_disk(&v);
    first = vt_lun_of(&v, DISK);
    left = first == 1024 ? 1 : first + 1;
    take_numbers_but(&v, first, left);
    /* By what this handle knows a thousand numbers are free; one is. */
    vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-disk-1", GIB, name, &v.err));
    ck_assert_int_eq(vt_lun_of(&v, "vm-100-disk-1"), left);
    /* The other one's free is not known here either, and a full target has a further one. */
    vt_ok(&v, tns_volume_free(other, DISK, &v.err));
    vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-disk-2", GIB, name, &v.err));
    ck_assert_int_eq(vt_lun_of(&v, "vm-100-disk-2"), first);
    tns_storage_close(other);
    remove_target(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_target_that_was_made_anew_is_not_taken_for_the_one_before)
{
    struct vt v;
    char name[256];
    char text[400];
    json_int_t was;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    was = target_id(&v);
    snprintf(text, sizeof(text),
             "{\"remove\": {\"table\": \"target\", \"id\": %lld}, \"insert\": {\"table\": "
             "\"target\", \"row\": {\"name\": \"%s\", \"alias\": null, \"mode\": "
             "\"ISCSI\", \"rel_tgt_id\": 9, \"auth_networks\": [], \"groups\": []}}}",
             (long long)was, v.target);
    tst_sim_world(v.sim, text);
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    ck_assert_int_ne(target_id(&v), was);
    ck_assert_int_gt(vt_lun_of(&v, DISK), 0);
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_full_target_is_followed_by_a_further_one)
{
    struct vt v;
    char text[2048];
    char name[256];
    char further[80];
    _tns_json_ json_t *world = NULL;

    vt_open(&v, tst_cell_sim());
    snprintf(
        text, sizeof(text),
        "{\"check_replies\": 0, \"bulk\": {\"dataset\": \"%s\", "
        "\"count\": 1024, \"first\": 10000, \"volsize\": 1048576, \"target\": \"%s\"}}",
        v.dataset, v.target);
    tst_sim_world(v.sim, text);
    tns_storage_set_timeout(v.st, 90000);
    a_disk(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-disk-1", GIB, name, &v.err));
    snprintf(further, sizeof(further), "%s-tn2", v.target);
    world = tst_sim_get(v.sim, "/world");
    ck_assert_ptr_nonnull(vt_row(world, "target", "name", further));
    ck_assert_int_gt(vt_lun_of(&v, "vm-100-disk-1"), 0);
    ck_assert_int_ne(vt_lun_of(&v, "vm-100-disk-1"), vt_lun_of(&v, DISK));
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_world(&v, "{\"destroy\": \"%s\"}");
    tst_sim_world(v.sim, "{\"check_replies\": 1}");
    vt_close(&v);
}
END_TEST

/* ---- temporary clones ---- */

START_TEST(test_a_forgotten_clone_to_read_from_does_not_block_deleting_its_snapshot)
{
    struct vt v;
    json_t *mapped = NULL;
    struct tns_storage *other;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    /* No iSCSI behind this tnsim: the clone is made, its device cannot come. */
    ck_assert_int_ne(tns_volume_map(v.st, DISK, "s1", &mapped, &v.err), 0);
    tns__error_clear(&v.err);
    ck_assert_uint_eq(vt_invariants(&v), 1);
    ck_assert_uint_eq(list_size(v.st, &v), 1);

    other = vt_more(&v, "n2", NULL);
    ck_assert_int_eq(tns_snapshot_delete(other, DISK, "s1", &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "n1");
    tns__error_clear(&v.err);
    tns_storage_close(other);

    vt_ok(&v, tns_snapshot_delete(v.st, DISK, "s1", &v.err));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

static void forgotten_clone(struct vt *v, const char *snap)
{
    json_t *mapped = NULL;

    vt_ok(v, tns_snapshot_create(v->st, DISK, snap, &v->err));
    /* No iSCSI behind this tnsim: the clone is made, its device cannot come. */
    ck_assert_int_ne(tns_volume_map(v->st, DISK, snap, &mapped, &v->err), 0);
    tns__error_clear(&v->err);
    ck_assert_uint_eq(vt_invariants(v), 1);
}

START_TEST(test_a_forgotten_clone_to_read_from_goes_with_reconcile_rollback_and_free)
{
    struct vt v;
    struct tns_storage *removing;
    _tns_json_ json_t *report = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    forgotten_clone(&v, "s1");
    vt_ok(&v, tns_storage_reconcile(v.st, 1, &report, &v.err));
    ck_assert_int_eq(json_integer_value(json_object_get(report, "repaired")), 1);
    ck_assert_uint_eq(vt_invariants(&v), 0);

    forgotten_clone(&v, "s2");
    removing = vt_more(&v, "n1", "{\"tn_rollback_removes_newer\": \"1\"}");
    vt_ok(&v, tns_rollback(removing, DISK, "s1", &v.err));
    tns_storage_close(removing);
    ck_assert_uint_eq(vt_invariants(&v), 0);

    forgotten_clone(&v, "s3");
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_unmapping_a_snapshot_removes_its_clone)
{
    struct vt v;
    json_t *mapped = NULL;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    ck_assert_int_ne(tns_volume_map(v.st, DISK, "s1", &mapped, &v.err), 0);
    tns__error_clear(&v.err);
    vt_ok(&v, tns_volume_unmap(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_volume_unmap(v.st, DISK, "s1", &v.err));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_ok(&v, tns_volume_unmap(v.st, "vm-100-disk-5", NULL, &v.err));
    vt_close(&v);
}
END_TEST

START_TEST(test_paths_need_no_network)
{
    struct vt v;
    char path[512];

    vt_open(&v, tst_cell_sim());
    vt_count_reset(&v);
    vt_ok(&v, tns_volume_path(v.st, "base-100-disk-0/vm-101-disk-0", NULL, path, &v.err));
    ck_assert_str_eq(path, "/dev/tnstor/nas/base-100-disk-0+vm-101-disk-0");
    vt_ok(&v, tns_volume_path(v.st, DISK, "s1", path, &v.err));
    ck_assert_str_eq(path, "/dev/tnstor/nas/vm-100-disk-0@s1");
    ck_assert_int_eq(vt_calls(&v), 0);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_two_storages_on_one_dataset_never_touch_each_others_volumes);
    tcase_add_test(tc, test_two_clusters_on_one_dataset_never_touch_each_others_volumes);
    tcase_add_test(tc, test_an_old_plugins_volume_is_listed_with_its_lun_used_and_freed);
    tcase_add_test(tc, test_adopting_keeps_the_spelling_that_the_guest_config_holds);
    tcase_add_test(tc, test_old_volumes_are_nobodys_where_two_clusters_share_a_dataset);
    tcase_add_test(tc, test_a_replica_with_our_tags_is_foreign_until_it_is_adopted);
    tcase_add_test(tc,
                   test_a_template_of_before_the_release_could_rename_is_found_and_cloned);
    tcase_add_test(tc,
                   test_a_thick_volume_with_a_name_has_the_80_percent_that_the_nas_allows);
    tcase_add_test(tc, test_names_outside_the_grammar_are_refused_before_anything_is_sent);
    tcase_add_test(tc, test_names_in_both_forms_are_parsed);
    tcase_add_test(tc, test_a_volume_too_large_names_the_numbers_and_leaves_nothing);
    tcase_add_test(tc, test_c19_a_resize_names_what_it_needs_and_what_is_available);
    tcase_add_test(tc, test_c19_a_resize_names_the_quota_that_is_in_the_way);
    tcase_add_test(
        tc, test_c19_a_resize_of_a_thick_volume_names_the_four_fifths_that_it_may_have);
    tcase_add_test(tc, test_a_locked_dataset_refuses_and_is_never_taken_for_empty);
    tcase_add_test(tc, test_an_exported_pool_is_unavailable_and_never_empty);
    tcase_add_test(tc, test_a_held_snapshot_stops_delete_rollback_and_free_by_name);
    tcase_add_test(tc, test_a_clone_that_appears_between_check_and_delete_survives);
    tcase_add_test(tc, test_a_lun_that_was_just_freed_is_not_given_out_again);
    tcase_add_test(
        tc, test_numbers_that_others_took_since_the_last_volume_are_not_given_out_twice);
    tcase_add_test(tc, test_a_target_that_was_made_anew_is_not_taken_for_the_one_before);
    tcase_add_test(tc, test_a_full_target_is_followed_by_a_further_one);
    tcase_add_test(
        tc, test_a_forgotten_clone_to_read_from_does_not_block_deleting_its_snapshot);
    tcase_add_test(
        tc, test_a_forgotten_clone_to_read_from_goes_with_reconcile_rollback_and_free);
    tcase_add_test(tc, test_unmapping_a_snapshot_removes_its_clone);
    tcase_add_test(tc, test_paths_need_no_network);
}

int main(void)
{
    return vt_main("rules", VT_FEW_CELLS, add);
}
