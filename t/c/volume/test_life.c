/* SPDX-License-Identifier: Apache-2.0 */
/* A volume's plain life, in every release and dialect: made, listed, changed, freed. */
#include <string.h>

#include "base/cleanup.h"
#include "vt.h"

START_TEST(test_a_volume_is_made_listed_and_freed)
{
    struct vt v;
    char name[256];
    _tns_json_ json_t *info = NULL;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, NULL, GIB, name, &v.err));
    ck_assert_str_eq(name, "vm-100-disk-0");
    ck_assert(vt_listed(&v, name));
    ck_assert_uint_eq(vt_invariants(&v), 0);

    vt_ok(&v, tns_volume_info(v.st, name, &info, &v.err));
    ck_assert_int_eq(json_integer_value(json_object_get(info, "size")), (json_int_t)GIB);
    ck_assert_int_eq(json_integer_value(json_object_get(info, "vmid")), 100);

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

static void add(TCase *tc)
{
    tcase_add_test(tc, test_a_volume_is_made_listed_and_freed);
    tcase_add_test(tc, test_status_tells_total_available_and_used);
}

int main(void)
{
    Suite *s = suite_create("life");

    tst_matrix(s, add);
    return tst_run(s);
}
