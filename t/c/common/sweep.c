/* SPDX-License-Identifier: Apache-2.0 */
/* The allocation sweep: an operation survives, cleanly, the failure of any single allocation. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/tst.h"

/* More allocations than any one operation may need: a sweep that does not end is a finding. */
#define SWEEP_MAX 2000000u

size_t tst_sweep_step(void)
{
    const char *text = getenv("TNS_TEST_SWEEP_STEP");
    long step = text ? atol(text) : 1;

    return step > 0 ? (size_t)step : 1;
}

static bool sweep_allows(int code, const int also[])
{
    if (code == TNS_OK || code == TNS_E_NOMEM)
        return true;
    for (; also && *also; also++) {
        if (*also == code)
            return true;
    }
    return false;
}

size_t tst_alloc_sweep(tst_sweep_fn fn, void *user, const int also[])
{
    size_t step = tst_sweep_step();

    tns__mem_hook_jansson();
    for (size_t n = 1; n < SWEEP_MAX; n += step) {
        struct tns_error err = TNS_ERROR_INIT;
        bool was_hit;
        int rc;

        tns__mem_fail_at(n);
        rc = fn(user, &err);
        was_hit = tns__mem_count() >= n;
        tns__mem_fail_at(0);

        tst_no_canary(err.text);
        ck_assert_msg(sweep_allows(-rc, also), "allocation %zu failed: answered %d: %s", n,
                      rc, err.text);
        ck_assert_msg(rc == 0 || err.code == -rc,
                      "allocation %zu failed: answered %d, told %d", n, rc, err.code);
        if (!was_hit) {
            ck_assert_msg(rc == 0, "no allocation failed, and still %d: %s", rc, err.text);
            return n;
        }
    }
    ck_abort_msg("more than %u allocations", SWEEP_MAX);
    return 0;
}
