/* SPDX-License-Identifier: Apache-2.0 */
/* "No such LUN" on the volume's own devices: it is away, and nobody else has taken its place. */
#include <string.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

static void unlink_it(void)
{
    tst_ok(tns__sysroot_unlink(w->sr, &w->err, "/dev/tnstor/store1/" LINK), &w->err);
}

START_TEST(test_a_lun_that_is_gone_under_a_running_guest_is_not_found_and_its_link_stays)
{
    mapped_before();
    world_process(w, 4711, "kvm\n", "/dev/dm-3");
    world_lun_gone(w, 1);
    tst_fails(map(), TNS_E_NOTFOUND, &w->err);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_uint_eq(w->deletes, 0);
    ck_assert_ptr_nonnull(world_map_of(w, W_NAA_A));
    world_ran(w, "");

    world_lun(w, 1, W_NAA_A);
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
}
END_TEST

START_TEST(test_without_multipath_a_lun_that_is_gone_under_a_guest_is_not_found_either)
{
    want.multipath = false;
    world_multipathd_stop(w);
    mapped_before();
    world_process(w, 4711, "kvm\n", "/dev/sdc");
    world_lun_gone(w, 1);
    tst_fails(map(), TNS_E_NOTFOUND, &w->err);
    ck_assert(!world_link_is(w, LINK, NULL));
    ck_assert_ptr_nonnull(world_disk_of(w, 0, 1));
}
END_TEST

START_TEST(test_a_lun_that_is_gone_on_one_portal_alone_leaves_the_volume_its_other_path)
{
    mapped_before();
    world_process(w, 4711, "kvm\n", "/dev/dm-3");
    w->special[1] = (struct w_lun){ .exists = true, .is_gone = true, .number = 1 };
    unlink_it();
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_uint_eq(mapped.silent, 1);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_uint_eq(w->deletes, 0);
}
END_TEST

START_TEST(test_a_disk_that_nobody_uses_goes_when_its_lun_is_gone)
{
    world_session(w, 0);
    want.n_portals = 1;
    world_disk(w, 0, 1);
    world_lun_gone(w, 1);
    tst_fails(map(), TNS_E_NOTFOUND, &w->err);
    ck_assert_uint_eq(w->deletes, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_lun_that_is_gone_under_a_running_guest_is_not_found_and_its_link_stays,
        test_without_multipath_a_lun_that_is_gone_under_a_guest_is_not_found_either,
        test_a_lun_that_is_gone_on_one_portal_alone_leaves_the_volume_its_other_path,
        test_a_disk_that_nobody_uses_goes_when_its_lun_is_gone,
    };

    return tst_main("gone", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
