/* SPDX-License-Identifier: Apache-2.0 */
/* What the Check programs share: a main, contexts with a canary, tnsim, the matrix, the sweep. */
#ifndef TNS_T_COMMON_TST_H
#define TNS_T_COMMON_TST_H

#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/ctx.h"
#include "base/error.h"

/* ---- a program ---------------------------------------------------------------------- */

/* Runs the suite, TAP on stdout: int main(void) { return tst_run(suite()); } */
int tst_run(Suite *s);
/* The same for a table of tests, each between setup and teardown (NULL: none), with so much time. */
int tst_main(const char *name, const TTest *const tests[], size_t n, SFun setup,
             SFun teardown, double seconds);

/* 0 is success; anything else fails the test with the error's own words. */
#define tst_ok(rc, err)                                                                    \
    do {                                                                                   \
        int tst_rc_ = (rc);                                                                \
        ck_assert_msg(tst_rc_ == 0, "%s: answered %d: %s", #rc, tst_rc_, (err)->text);     \
    } while (0)

/* Must fail with that code, and with a text; the error is clear again afterwards. */
#define tst_fails(rc, want, err)                                                           \
    do {                                                                                   \
        int tst_rc_ = (rc);                                                                \
        ck_assert_msg(tst_rc_ == -(want), "%s: answered %d, not -%s: %s", #rc, tst_rc_,    \
                      #want, (err)->text);                                                 \
        ck_assert_int_eq((err)->code, (want));                                             \
        ck_assert_msg((err)->text[0] != '\0', "%s: an error without a text", #rc);         \
        tst_no_canary((err)->text);                                                        \
        tns__error_clear(err);                                                             \
    } while (0)

/* The error's text must hold these words (checked before tst_fails clears it). */
#define tst_says(err, words)                                                               \
    ck_assert_msg(strstr((err)->text, (words)) != NULL, "\"%s\" does not say \"%s\"",      \
                  (err)->text, (words))

/* A context that logs at every level into a buffer, with a deadline timeout_ms away. */
void tst_ctx_init(struct tns_ctx *ctx, unsigned timeout_ms);
/* What was logged since tst_ctx_init, one line each. */
const char *tst_log_text(void);

/* Use these wherever a test needs a secret: every log line is searched for them. */
#define TST_CANARY_KEY "1-CaNaRyKeyCaNaRyKeyCaNaRyKeyCaNaRyKeyCaNaRyKeyCaNaRyKeyCaNaRyKey0"
#define TST_CANARY_CHAP "CaNaRyChap-12"
void tst_no_canary(const char *text);

/* A directory of this test's own, removed with all its content when the program ends. */
const char *tst_tmpdir(void);
/* Writes a file below it, making directories; returns nothing, fails the test instead. */
void tst_file(const char *dir, const char *path, const char *content);

/* A time that depends on the machine: longer by Check's CK_TIMEOUT_MULTIPLIER, which make sets to how
 * much slower programs are under the sanitizers (4) and valgrind (20). Else it is ms. */
unsigned tst_ms(unsigned ms);

/*
 * A stopwatch for bounds in both directions: nothing may come before its time, by the clock; and
 * nothing too late, in its own time, which does not pass while processes of this machine wait for a
 * processor (as /proc/pressure/cpu counts it; without that file it is the clock's).
 */
struct tst_watch {
    uint64_t ns, stalled_ns;
};
struct tst_watch tst_watch(void);
unsigned tst_clock_ms(struct tst_watch since);
unsigned tst_own_ms(struct tst_watch since);

/* Polls until cond is true; fails the test after ms. */
#define tst_eventually(cond, ms)                                                           \
    do {                                                                                   \
        struct tns_ctx tst_wait_ = { 0 };                                                  \
        tns__ctx_begin(&tst_wait_, tst_ms(ms));                                            \
        while (!(cond)) {                                                                  \
            ck_assert_msg(tns__ctx_left_ms(&tst_wait_) > 0, "not within %d ms: %s",        \
                          (int)(ms), #cond);                                               \
            tns__ctx_backoff(&tst_wait_, 5, #cond, NULL);                                  \
        }                                                                                  \
    } while (0)

/* ---- tnsim -------------------------------------------------------------------------- */

struct tst_sim {
    pid_t pid;
    char *state; /* its directory */
    json_t *info;
    /* borrowed from info */
    const char *release, *host, *url, *api_key, *fingerprint;
    int port, control_port;
};

/* Starts t/sim/tnsim of that release; more_args (NULL-terminated) may be NULL. The API only, unless
 * more_args holds "--iscsi"; which is not passed on. Fails the test when it does not come up.
 * TNS_TEST_QUIRK=NAME=0|1 of the environment is a switch (t/sim/QUIRKS.md) that it starts with. */
struct tst_sim *tst_sim_start(const char *release, const char *const more_args[]);
/* Ends it and frees; in another process than the one that started it, only forgets. */
void tst_sim_stop(struct tst_sim *sim);

/* The control address. Answers are owned by the caller; a status other than 2xx fails the test. */
json_t *tst_sim_get(const struct tst_sim *sim, const char *path);
json_t *tst_sim_post(const struct tst_sim *sim, const char *path, const json_t *body);

/* Shorthands; the text of fault and world is JSON. */
void tst_sim_reset(const struct tst_sim *sim);
void tst_sim_fault(const struct tst_sim *sim, const char *fault_json);
void tst_sim_world(const struct tst_sim *sim, const char *world_json);
/* A counter of GET /stats: "logins", "calls", "trips", "connections". */
json_int_t tst_sim_stat(const struct tst_sim *sim, const char *name);
/* How often this method came, of stats' by_method. */
json_int_t tst_sim_calls(const struct tst_sim *sim, const char *method);

/* One HTTP exchange over a plain socket on 127.0.0.1; the body is owned by the caller. Returns the
 * status, or -1 with errno. */
int tst_http(int port, const char *method, const char *path, const char *body,
             char **ret_body, unsigned timeout_ms);

/* ---- the matrix --------------------------------------------------------------------- */

struct tst_cell {
    const char *release;
    const char *dialect; /* jsonrpc, ddp, rest */
};

/*
 * Adds one tcase for every cell that TNS_TEST_CELLS ("25.10/jsonrpc,24.10/ddp"; default: all)
 * wants, named after it, and lets `add` put the tests in. In a test tst_cell() is the cell and
 * tst_cell_sim() its tnsim, shared by all cells and tests of the program with that release. Before each
 * test its counters, log, faults and login limiter start anew; its objects stay, so a test works in a
 * dataset of its own. After it, every reply must have been what the release has in its schemas.
 */
void tst_matrix(Suite *s, void (*add)(TCase *tc));
const struct tst_cell *tst_cell(void);
const struct tst_sim *tst_cell_sim(void);
bool tst_cell_is(const char *release, const char *dialect); /* NULL: any */

/* ---- the sweep ---------------------------------------------------------------------- */

/* Runs the operation once, from the start. */
typedef int (*tst_sweep_fn)(void *user, struct tns_error *err);

/*
 * Runs fn with the first, second, ... allocation failing (jansson's included) until it succeeds with
 * none failed. Each run answers 0, -TNS_E_NOMEM, or one of also[] (zero-terminated, may be NULL), and
 * tells so in err. TNS_TEST_SWEEP_STEP=N widens the step. Returns how many allocations were reached.
 */
size_t tst_alloc_sweep(tst_sweep_fn fn, void *user, const int also[]);
/* That step, for sweeps of other kinds: 1 unless the program is a slow one. */
size_t tst_sweep_step(void);

#endif
