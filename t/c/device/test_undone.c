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

int main(void)
{
    const TTest *const tests[] = {
        test_a_map_that_multipathd_does_not_remove_in_time_queues_again,
        test_a_removal_that_has_no_time_does_not_begin,
    };

    return tst_main("undone", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
