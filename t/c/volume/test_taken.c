/* SPDX-License-Identifier: Apache-2.0 */
/* A maker stands still for so long that it counts as dead, another one carries its volume to the end, and then
 * it goes on (row C14): what is another's by now is neither removed nor called ours. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

/* What tells this volume from another one of its name. */
struct made {
    char op[64];
    json_int_t extent, mapping;
};

static struct {
    const struct vt *v;
    const char *step;  /* at which it stands still */
    const char *fault; /* that meets it when it goes on */
    struct made other;
} scene;

static json_int_t id_of(const json_t *row)
{
    return json_integer_value(json_object_get(row, "id"));
}

static void look(const struct vt *v, struct made *ret)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    const json_t *zvol = vt_row(world, "dataset", "name", vt_zvol(v, DISK));
    const char *op =
        json_string_value(json_object_get(json_object_get(zvol, "user"), "org.tnstor:op"));
    char disk[340];
    const json_t *row;
    size_t i;

    *ret = (struct made){ .extent = -1, .mapping = -1 };
    snprintf(disk, sizeof(disk), "zvol/%s", vt_zvol(v, DISK));
    snprintf(ret->op, sizeof(ret->op), "%s", op ? op : "");
    ret->extent = id_of(vt_row(world, "extent", "disk", disk));
    json_array_foreach(json_object_get(world, "mapping"), i, row)
    {
        if (json_integer_value(json_object_get(row, "extent")) == ret->extent)
            ret->mapping = id_of(row);
    }
}

static void another_takes_over(const char *what, const char *step, int after)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_storage *other;
    char name[256];

    (void)what;
    if (after || strcmp(step, scene.step) != 0)
        return;
    tns__plan_hook = NULL;
    vt_an_hour_later(scene.v, true);
    other = vt_more(scene.v, "n2", NULL);
    tst_ok(tns_volume_alloc(other, 100, DISK, GIB, name, &err), &err);
    tns_storage_close(other);
    vt_an_hour_later(scene.v, false);
    look(scene.v, &scene.other);
    ck_assert_int_gt(scene.other.extent, 0);
    ck_assert_int_gt(scene.other.mapping, 0);
    if (scene.fault)
        tst_sim_fault(scene.v->sim, scene.fault);
}

static void stands_still_before(const char *step, const char *fault)
{
    struct vt v;
    struct made now;
    char name[256];

    vt_open(&v, tst_cell_sim());
    scene.v = &v;
    scene.step = step;
    scene.fault = fault;
    tns__plan_hook = another_takes_over;
    vt_fails(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err), TNS_E_CONFLICT);
    tns__plan_hook = NULL;
    tst_sim_fault(v.sim, "{\"clear\": true}");
    look(&v, &now);
    ck_assert_str_eq(now.op, scene.other.op);
    ck_assert_int_eq(now.extent, scene.other.extent);
    ck_assert_int_eq(now.mapping, scene.other.mapping);
    ck_assert(vt_listed(&v, DISK));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}

START_TEST(test_c14_a_maker_that_comes_back_does_not_remove_the_extent_of_its_successor)
{
    stands_still_before("extent", NULL);
}
END_TEST

START_TEST(
    test_c14_a_maker_that_comes_back_and_fails_does_not_destroy_its_successors_volume)
{
    stands_still_before(
        "extent", "{\"match\": \"iscsi.extent.create\", \"nth\": 1, \"do\": \"fail\"}");
}
END_TEST

START_TEST(test_c14_a_maker_that_comes_back_does_not_unmap_what_its_successor_mapped)
{
    stands_still_before(
        "mapping",
        "{\"match\": \"iscsi.targetextent.create\", \"nth\": 1, \"do\": \"fail\"}");
}
END_TEST

START_TEST(test_c14_a_maker_that_comes_back_at_the_end_does_not_call_the_volume_its_own)
{
    stands_still_before("confirm", NULL);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_c14_a_maker_that_comes_back_does_not_remove_the_extent_of_its_successor);
    tcase_add_test(
        tc,
        test_c14_a_maker_that_comes_back_and_fails_does_not_destroy_its_successors_volume);
    tcase_add_test(
        tc, test_c14_a_maker_that_comes_back_does_not_unmap_what_its_successor_mapped);
    tcase_add_test(
        tc, test_c14_a_maker_that_comes_back_at_the_end_does_not_call_the_volume_its_own);
}

int main(void)
{
    return vt_main("taken", VT_FEW_CELLS, add);
}
