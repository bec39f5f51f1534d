/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the session holder begin and end with. */
#include "session/held.h"

#include <signal.h>
#include <stdio.h>

struct tst_sim *held_sim;
char held_run_dir[300];

void held_start(void)
{
    held_sim = tst_sim_start("25.10", NULL);
}

void held_stop(void)
{
    tst_sim_stop(held_sim);
}

void held_fresh(void)
{
    snprintf(held_run_dir, sizeof held_run_dir, "%s", ses_run_dir());
    tst_sim_reset(held_sim);
    tst_sim_world(held_sim, "{\"limiter\":{\"reset\":true}}");
}

void held_tidy(void)
{
    ses_holder_kill(held_run_dir, SIGTERM);
}

void held_opts(struct tns_session_opts *ret)
{
    ses_opts(held_sim, held_run_dir, ret);
    ret->no_holder = false;
    ret->holder_path = ses_holder();
}

int held_request(void *user)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    (void)user;
    held_opts(&opts);
    if (tns__session_open(&opts, &s, &err) || ses_call(s, &err)) {
        fprintf(stderr, "# %s: %s\n", tns_code_name(err.code), err.text);
        return err.code;
    }
    return 0;
}
