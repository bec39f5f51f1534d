/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation that died or failed leaves, and from when on others may finish it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

/* One reconcile with repair; the row of this object must be of that class and action. */
static void reconciled(struct vt *v, const char *leaf, const char *class,
                       const char *action)
{
    _tns_json_ json_t *report = NULL;
    const json_t *row;

    vt_ok(v, tns_storage_reconcile(v->st, 1, &report, &v->err));
    row = vt_row(report, "volumes", "object", vt_zvol(v, leaf));
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(json_string_value(json_object_get(row, "class")), class);
    ck_assert_str_eq(json_string_value(json_object_get(row, "action")), action);
}

/* ---- somebody dies behind a step ---- */

static const char *last_step;

static void die_behind(const char *what, const char *step, int after)
{
    (void)what;
    if (after && strcmp(step, last_step) == 0)
        _exit(137);
}

static void dies_on_node(const struct vt *v, const char *node, const char *step,
                         int (*ask)(struct tns_storage *st, struct tns_error *err))
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tns_error err = TNS_ERROR_INIT;

        last_step = step;
        tns__plan_hook = die_behind;
        ask(vt_more(v, node, NULL), &err);
        fprintf(stderr, "# %s\n", err.text);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 137);
}

static int ask_free(struct tns_storage *st, struct tns_error *err)
{
    return tns_volume_free(st, DISK, err);
}

static int ask_rename(struct tns_storage *st, struct tns_error *err)
{
    char name[256];

    return tns_volume_rename(st, DISK, 200, NULL, name, err);
}

/* The node's clock and the NAS's may differ by minutes, so an hour it is. */
static void an_hour_later(const struct vt *v, bool later)
{
    tst_sim_world(v->sim, later ? "{\"clock_offset\": 3600}" : "{\"clock_offset\": 0}");
}

START_TEST(test_a_deletion_cut_short_on_a_dead_node_is_finished_when_it_must_be_over)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    dies_on_node(&v, "n2", "mark", ask_free);
    reconciled(&v, DISK, "deleting", "none"); /* n2 may be at it still */
    an_hour_later(&v, true);
    reconciled(&v, DISK, "half-freed", "removed");
    an_hour_later(&v, false);
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_rename_cut_short_on_a_dead_node_is_finished_when_it_must_be_over)
{
    struct vt v;

    if (!tst_cell_is("25.10", NULL) && !tst_cell_is("26", NULL))
        return; /* before, keys of full administrators only */
    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    dies_on_node(&v, "n2", "rename", ask_rename);
    reconciled(&v, "vm-200-disk-0", "renaming", "none");
    an_hour_later(&v, true);
    reconciled(&v, "vm-200-disk-0", "half-renamed", "finished");
    an_hour_later(&v, false);
    ck_assert(vt_listed(&v, "vm-200-disk-0"));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_free_that_failed_is_finished_by_any_node_at_once)
{
    struct vt v;
    struct tns_storage *other;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    other = vt_more(&v, "n2", NULL);
    tst_sim_fault(v.sim,
                  "{\"match\": \"iscsi.extent.delete\", \"nth\": 1, \"do\": \"fail\", "
                  "\"errno\": 14, \"reason\": \"[EFAULT] injected\"}");
    vt_fails(&v, tns_volume_free(other, DISK, &v.err), TNS_E_SERVER);
    tns_storage_close(other);
    ck_assert(!vt_listed(&v, DISK));
    reconciled(&v, DISK, "half-freed", "removed");
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

/* ---- races with a free ---- */

static const struct vt *race_vt;
static const char *race_world;

static void race_before_mark(const char *what, const char *step, int after)
{
    (void)what;
    if (!after && strcmp(step, "mark") == 0)
        vt_world(race_vt, race_world);
}

static void race_behind_mark(const char *what, const char *step, int after)
{
    (void)what;
    if (after && strcmp(step, "mark") == 0)
        vt_world(race_vt, race_world);
}

START_TEST(test_freeing_what_another_free_removes_meanwhile_succeeds)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    race_vt = &v;
    race_world = "{\"destroy\": \"%s/" DISK "\"}";
    tns__plan_hook = race_before_mark;
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    tns__plan_hook = NULL;
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_volume_cloned_while_it_was_freed_waits_for_its_clone)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    race_vt = &v;
    race_world = "{\"clone\": {\"snapshot\": \"%s/" DISK "@s1\", \"name\": "
                 "\"%s/vm-101-disk-0\"}}";
    tns__plan_hook = race_behind_mark;
    ck_assert_int_ne(tns_volume_free(v.st, DISK, &v.err), 0);
    tns__plan_hook = NULL;
    tns__error_clear(&v.err);

    ck_assert(vt_exists(&v, "vm-101-disk-0"));
    reconciled(&v, DISK, "needed", "none");
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "vm-101-disk-0");
    tns__error_clear(&v.err);
    vt_world(&v, "{\"destroy\": \"%s/vm-101-disk-0\"}");
    reconciled(&v, DISK, "half-freed", "removed");
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_a_deletion_cut_short_on_a_dead_node_is_finished_when_it_must_be_over);
    tcase_add_test(tc,
                   test_a_rename_cut_short_on_a_dead_node_is_finished_when_it_must_be_over);
    tcase_add_test(tc, test_a_free_that_failed_is_finished_by_any_node_at_once);
    tcase_add_test(tc, test_freeing_what_another_free_removes_meanwhile_succeeds);
    tcase_add_test(tc, test_a_volume_cloned_while_it_was_freed_waits_for_its_clone);
}

int main(void)
{
    Suite *s = suite_create("recover");

    if (!getenv("TNS_TEST_FULL"))
        setenv("TNS_TEST_CELLS", "22.12/rest,24.04/ddp,25.10/jsonrpc,26/jsonrpc", 0);
    tst_matrix(s, add);
    return tst_run(s);
}
