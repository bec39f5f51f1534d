/* SPDX-License-Identifier: Apache-2.0 */
/* Every mutating operation, with the process dying at every step, and with every call
 * failing or losing its reply: the same request again, or reconcile and the request,
 * and all is well: C01 to C06 at every point; at the decisive one they are in test_rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ops.h"
#include "volume/plan.h"

#define STEPS_MAX 40
#define CALLS_MAX 60

/* Shared with the tests, each of which is a process. */
static struct {
    size_t points;
    size_t orphans;
} * total;

static void foreign_object(const struct vt *v)
{
    vt_world(v, "{\"dataset\": {\"name\": \"%s/vm-999-disk-0\", \"create\": {\"volsize\": "
                "1073741824}, \"user\": {\"admin:note\": \"mine\"}}}");
}

/* Every operation stands beside a zvol that is not ours, which must come out as it went
 * in. */
static void foreign_untouched(struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    const json_t *row = vt_row(world, "dataset", "name", vt_zvol(v, "vm-999-disk-0"));

    ck_assert_ptr_nonnull(row);
    ck_assert_uint_eq(json_object_size(json_object_get(row, "user")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "volsize")), 1073741824);
}

/* invariants count it as left over, so it goes before they are looked at */
static void foreign_gone(const struct vt *v)
{
    vt_world(v, "{\"destroy\": \"%s/vm-999-disk-0\"}");
}

static void begin(struct vt *v, const struct vt_op *op)
{
    vt_open(v, tst_cell_sim());
    /* Hundreds of rounds: that the NAS's replies are well formed is shown elsewhere. */
    tst_sim_world(v->sim, "{\"check_replies\": 0}");
    op->prepare(v);
    foreign_object(v);
}

static void end(struct vt *v, const struct vt_op *op)
{
    foreign_untouched(v);
    foreign_gone(v);
    total->points++;
    total->orphans += vt_recover(v, op);
    vt_sweep_clean(v);
    vt_world(v, "{\"destroy\": \"%s\"}");
    tst_sim_world(v->sim, "{\"check_replies\": 1}");
    vt_close(v);
}

/* ---- the process dies ---- */

static unsigned die_at;
static unsigned step_count;

static void die(const char *what, const char *step, int after)
{
    (void)what;
    (void)step;
    (void)after;
    if (step_count++ == die_at)
        _exit(137);
}

/* In a child with a storage of its own: 137 when it died, 0 when the operation was
 * through. */
static int run_until(struct vt *v, const struct vt_op *op, unsigned at)
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tns_error err = TNS_ERROR_INIT;
        int rc;

        v->st = vt_more(v, "n1", NULL);
        die_at = at;
        step_count = 0;
        tns__plan_hook = die;
        rc = op->ask(v, &err);
        if (rc)
            fprintf(stderr, "# %s in the child: %s\n", op->name, err.text);
        _exit(rc ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* With a wider step, every cell begins at another one. */
static unsigned first(void)
{
    const struct tst_cell *cell = tst_cell();
    unsigned sum = 0;

    for (const char *p = cell->release; *p; p++)
        sum += (unsigned char)*p;
    for (const char *p = cell->dialect; *p; p++)
        sum += (unsigned char)*p;
    return sum % (unsigned)tst_sweep_step();
}

static void crash_sweep(const struct vt_op *op)
{
    unsigned at;
    unsigned died = 0;

    for (at = first(); at < STEPS_MAX; at += (unsigned)tst_sweep_step()) {
        struct vt v;
        int code;

        begin(&v, op);
        if (vt_op_unsupported(&v, op)) {
            vt_close(&v);
            return;
        }
        code = run_until(&v, op, at);
        ck_assert_int_ne(code, 1);
        died += code == 137;
        end(&v, op);
        if (code == 0)
            break;
    }
    ck_assert_msg(at < STEPS_MAX, "%s never came to its end", op->name);
    printf("# %s %s: died at each of %u points, orphans: %zu\n", tst_cell()->release,
           op->name, died, total->orphans);
}

/* ---- a call fails, or its reply is lost ---- */

/* The N-th call of this handle; reads of the recovery are not touched, since the fault
 * is used up. */
static bool faulty_run(struct vt *v, const struct vt_op *op, const char *kind, unsigned nth)
{
    struct tns_error err = TNS_ERROR_INIT;
    char fault[300];
    json_t *left;
    bool hit;

    snprintf(fault, sizeof(fault),
             strcmp(kind, "fail") == 0 ? "{\"match\": \"*\", \"nth\": %u, \"do\": "
                                         "\"fail\", \"errno\": 14, \"reason\": "
                                         "\"[EFAULT] injected\"}"
                                       : "{\"match\": \"*\", \"nth\": %u, \"do\": \"cut\"}",
             nth);
    tst_sim_fault(v->sim, fault);
    tns_storage_set_timeout(v->st, 8000);
    op->ask(v, &err);
    tns_storage_set_timeout(v->st, 40000);
    left = tst_sim_get(v->sim, "/fault");
    hit = json_integer_value(json_object_get(json_array_get(left, 0), "hits")) > 0;
    json_decref(left);
    tst_sim_fault(v->sim, "{\"clear\": true}");
    return hit;
}

static void fault_sweep(const struct vt_op *op, const char *kind)
{
    unsigned nth;

    for (nth = 1 + first(); nth < CALLS_MAX; nth += (unsigned)tst_sweep_step()) {
        struct vt v;
        json_t *status = NULL;
        bool hit;

        begin(&v, op);
        if (vt_op_unsupported(&v, op)) {
            vt_close(&v);
            return;
        }
        vt_ok(&v, tns_storage_status(v.st, &status, &v.err)); /* logged in */
        json_decref(status);
        hit = faulty_run(&v, op, kind, nth);
        end(&v, op);
        if (!hit)
            break;
    }
    printf("# %s %s: %s at each of %u calls, orphans: %zu\n", tst_cell()->release, op->name,
           kind, nth - 1, total->orphans);
}

#define SWEEP(i)                                                                           \
    START_TEST(test_a_crash_at_any_step_is_recovered_from_##i)                             \
    {                                                                                      \
        crash_sweep(&vt_ops[i]);                                                           \
    }                                                                                      \
    END_TEST                                                                               \
    START_TEST(test_any_failing_call_leaves_nothing_behind_##i)                            \
    {                                                                                      \
        fault_sweep(&vt_ops[i], "fail");                                                   \
    }                                                                                      \
    END_TEST                                                                               \
    START_TEST(test_any_lost_reply_is_read_back_##i)                                       \
    {                                                                                      \
        fault_sweep(&vt_ops[i], "cut");                                                    \
    }                                                                                      \
    END_TEST

/* clang-format takes these lines for the head of a function */
/* clang-format off */
SWEEP(0) SWEEP(1) SWEEP(2) SWEEP(3) SWEEP(4) SWEEP(5)
SWEEP(6) SWEEP(7) SWEEP(8) SWEEP(9) SWEEP(10) SWEEP(11)
/* clang-format on */

#define ADD(i)                                                                             \
    tcase_add_test(tc, test_a_crash_at_any_step_is_recovered_from_##i);                    \
    tcase_add_test(tc, test_any_failing_call_leaves_nothing_behind_##i);                   \
    tcase_add_test(tc, test_any_lost_reply_is_read_back_##i)

        static void add(TCase *tc)
{
    tcase_set_timeout(tc, 1200);
    ADD(0);
    ADD(1);
    ADD(2);
    ADD(3);
    ADD(4);
    ADD(5);
    ADD(6);
    ADD(7);
    ADD(8);
    ADD(9);
    ADD(10);
    ADD(11);
}

int main(void)
{
    Suite *s = suite_create("sweep");
    int rc;

    total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (total == MAP_FAILED)
        return 1;
    /* All cells with TNS_TEST_FULL; one in the everyday check, which is to take minutes. */
    if (!getenv("TNS_TEST_FULL"))
        setenv("TNS_TEST_CELLS", "25.10/jsonrpc", tst_sweep_step() > 1);
    tst_matrix(s, add);
    rc = tst_run(s);
    printf("# %zu faults and crashes, orphans in total: %zu\n", total->points,
           total->orphans);
    return rc;
}
