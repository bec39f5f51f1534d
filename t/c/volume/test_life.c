/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's plain life, in every release and dialect: made, listed, changed, freed. */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "vt.h"

/* Releases that can rename; before 25.10 only full administrators, by the private call. */
static bool cell_renames(void)
{
    if (tst_cell_is("25.10", NULL) || tst_cell_is("26", NULL))
        return true;
    return tst_cell_is(NULL, "ddp") || tst_cell_is("25.04", "jsonrpc");
}

static json_int_t info_int(struct vt *v, const char *volname, const char *key)
{
    _tns_json_ json_t *info = NULL;

    vt_ok(v, tns_volume_info(v->st, volname, &info, &v->err));
    return json_integer_value(json_object_get(info, key));
}

START_TEST(test_a_volume_is_made_listed_and_freed)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-0");
    ck_assert(vt_listed(&v, name));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    ck_assert_int_eq(info_int(&v, name, "size"), (json_int_t)GIB);
    ck_assert_int_eq(info_int(&v, name, "vmid"), 100);

    vt_ok(&v, tns_volume_alloc(v.st, 100, "", GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-1");
    vt_ok(&v, tns_volume_free(v.st, "vm-100-disk-0", &v.err));
    vt_ok(&v, tns_volume_free(v.st, "vm-100-disk-0", &v.err));
    ck_assert(!vt_listed(&v, "vm-100-disk-0"));
    vt_ok(&v, tns_volume_free(v.st, "vm-100-disk-1", &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_status_tells_total_available_and_used)
{
    struct vt v;
    _tns_json_ json_t *status = NULL;
    json_int_t total;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_storage_status(v.st, &status, &v.err));
    total = json_integer_value(json_object_get(status, "total"));
    ck_assert_int_gt(total, 0);
    ck_assert_int_eq(total, json_integer_value(json_object_get(status, "available")) +
                                json_integer_value(json_object_get(status, "used")));
    vt_close(&v);
}
END_TEST

START_TEST(test_sizes_are_exact_to_the_byte)
{
    static const struct {
        const char *name;
        uint64_t size;
    } rows[] = {
        { "vm-100-disk-0", 528 * 1024 }, /* EFI variables */
        { "vm-100-disk-1", 4 * MIB },    /* TPM state     */
        { "vm-100-cloudinit", 4 * MIB }, { "vm-100-state-s1", 4 * GIB + 500 * MIB },
        { "vm-100-fleece-0", 10 * GIB }, { "vm-100-odd", 1000 * 1024 + 512 },
    };
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++) {
        vt_ok(&v, tns_volume_alloc(v.st, 100, rows[i].name, rows[i].size, name, &v.err));
        ck_assert_str_eq(name, rows[i].name);
        ck_assert_int_eq(info_int(&v, name, "size"), (json_int_t)rows[i].size);
    }
    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++)
        vt_ok(&v, tns_volume_free(v.st, rows[i].name, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

static const char *prop(const json_t *dataset, const char *name)
{
    const json_t *value = json_object_get(json_object_get(dataset, "props"), name);

    return json_is_string(value) ? json_string_value(value) : "";
}

START_TEST(test_what_the_section_says_about_new_volumes_is_what_they_have)
{
    struct vt v;
    struct tns_storage *st;
    char name[256];
    _tns_json_ json_t *world = NULL;
    _tns_json_ json_t *list = NULL;
    const json_t *row;

    vt_open(&v, tst_cell_sim());
    st = vt_more(&v, "n1",
                 "{\"tn_compression\": \"zstd\", \"tn_sync\": \"always\", "
                 "\"zvol_blocksize\": \"64K\", \"tn_sparse\": \"0\"}");
    vt_ok(&v, tns_volume_alloc(st, 100, "vm-100-disk-0", GIB, name, &v.err));
    world = tst_sim_get(v.sim, "/world");
    row = vt_row(world, "dataset", "name", vt_zvol(&v, "vm-100-disk-0"));
    ck_assert_int_eq(strcasecmp(prop(row, "compression"), "zstd"), 0);
    ck_assert_int_eq(strcasecmp(prop(row, "sync"), "always"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "volblocksize")), 65536);
    ck_assert_int_ge(json_integer_value(json_object_get(row, "refreservation")),
                     (json_int_t)GIB);
    vt_ok(&v, tns_volume_list(st, 100, &list, &v.err));
    row = json_array_get(list, 0);
    ck_assert_int_gt(json_integer_value(json_object_get(row, "ctime")), 1600000000);
    ck_assert(json_is_integer(json_object_get(row, "used")));
    json_decref(list);
    list = NULL;
    vt_ok(&v, tns_volume_list(st, 101, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 0); /* of another guest */
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

/* C33: newer snapshots block a rollback by name. C34: a name that is there is told. */
START_TEST(test_snapshots_are_made_listed_rolled_back_and_deleted)
{
    struct vt v;
    char name[256];
    _tns_json_ json_t *list = NULL;
    _tns_json_ json_t *blockers = NULL;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, name, "s1", &v.err));
    vt_fails(&v, tns_snapshot_create(v.st, name, "s1", &v.err), TNS_E_EXISTS);
    vt_ok(&v, tns_snapshot_create(v.st, name, "s2", &v.err));

    vt_ok(&v, tns_snapshot_list(v.st, name, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "name")),
                     "s1");

    vt_ok(&v, tns_rollback_check(v.st, name, "s2", NULL, &v.err));
    vt_ok(&v, tns_rollback(v.st, name, "s2", &v.err));
    vt_fails(&v, tns_rollback_check(v.st, name, "s1", &blockers, &v.err), TNS_E_CONFLICT);
    ck_assert_uint_eq(json_array_size(blockers), 1);
    ck_assert_str_eq(json_string_value(json_array_get(blockers, 0)), "s2");
    vt_fails(&v, tns_rollback(v.st, name, "s1", &v.err), TNS_E_CONFLICT);

    vt_ok(&v, tns_snapshot_delete(v.st, name, "s2", &v.err));
    vt_ok(&v, tns_snapshot_delete(v.st, name, "s2", &v.err));
    vt_ok(&v, tns_rollback(v.st, name, "s1", &v.err));
    vt_fails(&v, tns_rollback(v.st, name, "s9", &v.err), TNS_E_NOTFOUND);

    vt_ok(&v, tns_volume_free(v.st, name, &v.err)); /* with s1 on it */
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_rollback_removes_newer_snapshots_when_the_storage_says_so)
{
    struct vt v;
    char name[256];
    struct tns_storage *st;
    _tns_json_ json_t *list = NULL;

    vt_open(&v, tst_cell_sim());
    st = vt_more(&v, "n1", "{\"tn_rollback_removes_newer\": \"1\"}");
    vt_ok(&v, tns_volume_alloc(st, 100, NULL, GIB, name, &v.err));
    for (int i = 1; i <= 3; i++) {
        char snap[8] = { 's', (char)('0' + i), '\0' };

        vt_ok(&v, tns_snapshot_create(st, name, snap, &v.err));
    }
    vt_ok(&v, tns_rollback(st, name, "s1", &v.err));
    vt_ok(&v, tns_snapshot_list(st, name, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 1);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

/* C35; the lost reply is in test_rows, as C06 */
START_TEST(test_resize_grows_and_refuses_to_shrink)
{
    struct vt v;
    char name[256];

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_volume_resize(v.st, name, 2 * GIB, &v.err));
    vt_ok(&v, tns_volume_resize(v.st, name, 2 * GIB, &v.err));
    ck_assert_int_eq(info_int(&v, name, "size"), (json_int_t)(2 * GIB));
    vt_fails(&v, tns_volume_resize(v.st, name, GIB, &v.err), TNS_E_USAGE);
    vt_fails(&v, tns_volume_resize(v.st, "vm-100-disk-7", GIB, &v.err), TNS_E_NOTFOUND);
    vt_close(&v);
}
END_TEST

START_TEST(test_rollback_across_a_resize_brings_the_old_size_back)
{
    struct vt v;
    char name[256];
    _tns_json_ json_t *world = NULL;
    char disk[340];

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, name, "s1", &v.err));
    vt_ok(&v, tns_volume_resize(v.st, name, 2 * GIB, &v.err));
    vt_ok(&v, tns_rollback(v.st, name, "s1", &v.err));
    ck_assert_int_eq(info_int(&v, name, "size"), (json_int_t)GIB);

    world = tst_sim_get(v.sim, "/world");
    snprintf(disk, sizeof(disk), "zvol/%s/%s", v.dataset, name);
    ck_assert_int_eq(json_integer_value(
                         json_object_get(vt_row(world, "extent", "disk", disk), "enabled")),
                     1);
    vt_close(&v);
}
END_TEST

START_TEST(test_templates_are_cloned_and_protected_by_their_clones)
{
    struct vt v;
    char base[256];
    char clone[256];
    char again[256];
    _tns_json_ json_t *info = NULL;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, base, &v.err));
    vt_ok(&v, tns_volume_create_base(v.st, "vm-100-disk-0", base, &v.err));
    ck_assert_str_eq(base, "base-100-disk-0");
    vt_ok(&v, tns_volume_create_base(v.st, "vm-100-disk-0", again, &v.err));
    ck_assert_str_eq(again, base);
    ck_assert(vt_listed(&v, base));
    ck_assert(!vt_listed(&v, "vm-100-disk-0"));

    vt_ok(&v, tns_volume_clone(v.st, base, NULL, 101, clone, &v.err));
    ck_assert_str_eq(clone, "base-100-disk-0/vm-101-disk-0");
    ck_assert(vt_listed(&v, clone));
    vt_ok(&v, tns_volume_info(v.st, clone, &info, &v.err));
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(info, "parent")), "@__base__"));
    ck_assert_uint_eq(vt_invariants(&v), 0);

    ck_assert_int_eq(tns_volume_free(v.st, base, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "vm-101-disk-0");
    tns__error_clear(&v.err);
    vt_ok(&v, tns_volume_free(v.st, clone, &v.err));
    vt_ok(&v, tns_volume_free(v.st, base, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_clone_of_a_snapshot_blocks_deleting_it_until_promoted_or_freed)
{
    struct vt v;
    char name[256];
    char clone[256];

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, name, "s1", &v.err));
    vt_ok(&v, tns_volume_clone(v.st, name, "s1", 101, clone, &v.err));
    ck_assert_str_eq(clone, "vm-101-disk-0");
    ck_assert_int_eq(tns_snapshot_delete(v.st, name, "s1", &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "vm-101-disk-0");
    tns__error_clear(&v.err);
    vt_fails(&v, tns_volume_free(v.st, name, &v.err), TNS_E_CONFLICT);

    vt_ok(&v, tns_volume_promote(v.st, clone, &v.err));
    vt_ok(&v, tns_volume_promote(v.st, clone, &v.err));
    vt_ok(&v, tns_volume_free(v.st, name, &v.err));
    vt_ok(&v, tns_volume_free(v.st, clone, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_rename_moves_the_volume_and_its_extent_and_keeps_its_naa)
{
    struct vt v;
    char name[256];
    char disk[340];
    char naa[64];
    _tns_json_ json_t *before = NULL;
    _tns_json_ json_t *after = NULL;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    if (!cell_renames()) {
        vt_fails(&v, tns_volume_rename(v.st, name, 200, NULL, name, &v.err),
                 TNS_E_UNSUPPORTED);
        ck_assert(vt_listed(&v, "vm-100-disk-0"));
        vt_close(&v);
        return;
    }
    before = tst_sim_get(v.sim, "/world");
    snprintf(disk, sizeof(disk), "zvol/%s/vm-100-disk-0", v.dataset);
    snprintf(naa, sizeof(naa), "%s",
             json_string_value(
                 json_object_get(vt_row(before, "extent", "disk", disk), "naa")));

    vt_ok(&v, tns_volume_rename(v.st, "vm-100-disk-0", 200, NULL, name, &v.err));
    ck_assert_str_eq(name, "vm-200-disk-0");
    vt_ok(&v, tns_volume_rename(v.st, "vm-100-disk-0", 200, NULL, name, &v.err));
    ck_assert_str_eq(name, "vm-200-disk-0");
    ck_assert(vt_listed(&v, name));
    ck_assert(!vt_listed(&v, "vm-100-disk-0"));
    after = tst_sim_get(v.sim, "/world");
    snprintf(disk, sizeof(disk), "zvol/%s/vm-200-disk-0", v.dataset);
    ck_assert_ptr_nonnull(vt_row(after, "extent", "disk", disk));
    ck_assert_str_eq(json_string_value(
                         json_object_get(vt_row(after, "extent", "disk", disk), "naa")),
                     naa);
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_ok(&v, tns_volume_free(v.st, name, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* PVE names no target; the guest's next disk has the name of the one that went. */
START_TEST(test_a_second_disk_of_one_name_moves_to_the_same_guest_beside_the_first)
{
    struct vt v;
    char name[256];

    if (!cell_renames())
        return;
    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_volume_rename(v.st, "vm-100-disk-0", 200, NULL, name, &v.err));
    ck_assert_str_eq(name, "vm-200-disk-0");
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, 2 * GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-0");
    vt_ok(&v, tns_volume_rename(v.st, "vm-100-disk-0", 200, NULL, name, &v.err));
    ck_assert_str_eq(name, "vm-200-disk-1");
    ck_assert(vt_listed(&v, "vm-200-disk-0") && vt_listed(&v, "vm-200-disk-1"));
    ck_assert(!vt_listed(&v, "vm-100-disk-0"));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_notes_and_the_protected_flag_are_kept)
{
    struct vt v;
    char name[256];
    json_t *value = NULL;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    vt_ok(&v, tns_volume_get_attribute(v.st, name, "notes", &value, &v.err));
    ck_assert(json_is_null(value));
    json_decref(value);
    vt_ok(&v,
          tns_volume_set_attribute(v.st, name, "notes", "a \"note\", \xc3\xa4", &v.err));
    vt_ok(&v, tns_volume_get_attribute(v.st, name, "notes", &value, &v.err));
    ck_assert_str_eq(json_string_value(value), "a \"note\", \xc3\xa4");
    json_decref(value);
    vt_ok(&v, tns_volume_set_attribute(v.st, name, "protected", "1", &v.err));
    vt_fails(&v, tns_volume_set_attribute(v.st, name, "protected", "2", &v.err),
             TNS_E_USAGE);
    vt_ok(&v, tns_volume_set_attribute(v.st, name, "notes", NULL, &v.err));
    vt_ok(&v, tns_volume_get_attribute(v.st, name, "notes", &value, &v.err));
    ck_assert(json_is_null(value));
    json_decref(value);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_a_volume_is_made_listed_and_freed);
    tcase_add_test(tc, test_status_tells_total_available_and_used);
    tcase_add_test(tc, test_sizes_are_exact_to_the_byte);
    tcase_add_test(tc, test_what_the_section_says_about_new_volumes_is_what_they_have);
    tcase_add_test(tc, test_snapshots_are_made_listed_rolled_back_and_deleted);
    tcase_add_test(tc, test_rollback_removes_newer_snapshots_when_the_storage_says_so);
    tcase_add_test(tc, test_resize_grows_and_refuses_to_shrink);
    tcase_add_test(tc, test_rollback_across_a_resize_brings_the_old_size_back);
    tcase_add_test(tc, test_templates_are_cloned_and_protected_by_their_clones);
    tcase_add_test(tc,
                   test_a_clone_of_a_snapshot_blocks_deleting_it_until_promoted_or_freed);
    tcase_add_test(tc, test_rename_moves_the_volume_and_its_extent_and_keeps_its_naa);
    tcase_add_test(tc,
                   test_a_second_disk_of_one_name_moves_to_the_same_guest_beside_the_first);
    tcase_add_test(tc, test_notes_and_the_protected_flag_are_kept);
}

int main(void)
{
    return vt_main("life", NULL, add);
}
