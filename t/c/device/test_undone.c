/* SPDX-License-Identifier: Apache-2.0 */
/* What was begun and could not be ended is taken back, also when the time for it is over: row D08. */
#include <string.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

#define RESTORED "restorequeueing map " W_WWID_A "\n"

static bool told_last(const char *line)
{
    size_t len = strlen(w->told);

    return len >= strlen(line) && strcmp(w->told + len - strlen(line), line) == 0;
}

START_TEST(test_a_map_that_multipathd_does_not_remove_in_time_queues_again)
{
    mapped_before();
    w->keeps_maps = true;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(400);
    tst_fails(unmap(), TNS_E_TIMEOUT, &w->err);
    ck_assert_ptr_nonnull(strstr(w->told, "remove map " W_WWID_A "\n"));
    ck_assert_msg(told_last(RESTORED), "multipathd was told: %s", w->told);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
}
END_TEST

START_TEST(test_a_removal_that_has_no_time_does_not_begin)
{
    mapped_before();
    w->ctx.deadline_ns = tns__now_ns();
    tst_fails(unmap(), TNS_E_TIMEOUT, &w->err);
    world_told(w, "");
}
END_TEST

/* No disk, no map, no WWID: as before the attempt. */
static void left_nothing(void)
{
    ck_assert_uint_gt(w->scans, 0);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert_ptr_null(world_disk_of(w, 1, 1));
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
    ck_assert_str_eq(world_get(w, "/etc/multipath/wwids"), "");
    ck_assert(world_link_is(w, LINK, NULL));
}

static void never_appears(void)
{
    w->appear_after = 1000000;
    world_session(w, 0);
    world_session(w, 1);
}

START_TEST(test_a_map_that_has_run_out_of_time_takes_back_what_it_added)
{
    uint64_t start = tns__now_ns();

    never_appears();
    w->ctx.deadline_ns = start + TNS_MS(300);
    tst_fails(map(), TNS_E_TIMEOUT, &w->err);
    left_nothing();
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(tst_ms(8000)));
}
END_TEST

static int has_a_disk(void *user)
{
    (void)user;
    return world_has(w, "/sys/class/block/sdd");
}

START_TEST(test_a_map_that_is_cancelled_takes_back_what_it_added)
{
    never_appears();
    w->ctx.cancel_fn = has_a_disk;
    tst_fails(map(), TNS_E_CANCELLED, &w->err);
    left_nothing();
}
END_TEST

/* The first look brings one disk and finds the other stale, the second brings that one anew. */
START_TEST(test_a_map_that_looked_twice_takes_back_what_it_brought_at_the_first_look)
{
    world_session(w, 0);
    world_session(w, 1);
    world_lun(w, 1, W_NAA_B);
    world_disk(w, 0, 1);
    world_lun(w, 1, W_NAA_A);
    w->special[1] = (struct w_lun){
        .exists = true, .number = 1, .naa = W_NAA_B, .size = W_SIZE, .blocksize = 512
    };
    ck_assert_int_eq(map(), -TNS_E_IDENTITY);
    ck_assert_uint_eq(w->scans, 2);
    left_nothing();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_map_that_multipathd_does_not_remove_in_time_queues_again,
        test_a_removal_that_has_no_time_does_not_begin,
        test_a_map_that_has_run_out_of_time_takes_back_what_it_added,
        test_a_map_that_is_cancelled_takes_back_what_it_added,
        test_a_map_that_looked_twice_takes_back_what_it_brought_at_the_first_look,
    };

    return tst_main("undone", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
