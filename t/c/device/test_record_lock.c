/* SPDX-License-Identifier: Apache-2.0 */
/* open-iscsi locks its records by a hard link, which stays when the iscsiadm that made it is killed. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/session.h"
#include "device/stage.h"

#define LOCK "/lock.write"

static struct tns__sessions sessions;

/* As iscsiadm does: who gets the lock works for a while, the others try again. Later versions never
 * take it away from anybody. */
static void put_stub(void)
{
    static char stub[512];
    char script[1600];

    snprintf(stub, sizeof(stub), "%s/stub", w->root);
    snprintf(script, sizeof(script),
             "#!/bin/sh\ncase \"$*\" in *\"-o update\"*) ;; *) exit 0 ;; esac\n"
             "until ln %s %s" LOCK " 2>/dev/null; do sleep 0.02; done\n"
             "sleep 1\nrm %s" LOCK "\n",
             stub, w->root, w->root);
    world_put(w, "/stub", script);
    ck_assert_int_eq(chmod(stub, 0700), 0);
    w->stub = stub;
}

static const char *lock_path(void)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s" LOCK, w->root);
    return path;
}

static int ensure(unsigned *failed)
{
    return tns__sessions_ensure(&w->node, &want, &sessions, failed, &w->err);
}

static int is_locked(void *user)
{
    (void)user;
    return world_has(w, LOCK);
}

START_TEST(test_a_map_that_is_cancelled_does_not_leave_the_records_locked_for_ever)
{
    unsigned failed = 9;

    put_stub();
    w->ctx.cancel_fn = is_locked;
    tst_fails(ensure(&failed), TNS_E_CANCELLED, &w->err);
    w->ctx.cancel_fn = NULL;
    w->ctx.deadline_ns = tns__now_ns() + TNS_MS(tst_ms(8000));
    tst_ok(ensure(&failed), &w->err);
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_eq(tns__sessions_up(&sessions), 2);
    ck_assert(!world_has(w, LOCK));
}
END_TEST

START_TEST(test_a_map_whose_time_is_over_does_not_wait_for_the_records)
{
    unsigned failed = 9;
    uint64_t start;

    put_stub();
    world_put(w, LOCK, "");
    want.multipath = false;
    want.n_portals = 1;
    start = tns__now_ns();
    w->ctx.deadline_ns = start + TNS_MS(tst_ms(400));
    tst_fails(ensure(&failed), TNS_E_TIMEOUT, &w->err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(tst_ms(1400)));
    /* the one that is left alone gets it, and gives it back */
    ck_assert_int_eq(remove(lock_path()), 0);
    tst_eventually(is_locked(NULL), 3000);
    tst_eventually(!is_locked(NULL), 5000);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_map_that_is_cancelled_does_not_leave_the_records_locked_for_ever,
        test_a_map_whose_time_is_over_does_not_wait_for_the_records,
    };

    return tst_main("record_lock", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown,
                    60);
}
