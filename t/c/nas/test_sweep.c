/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of each operation fails, or its reply is lost: reads are repeated, changes never. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nas/ops.h"

static void volume(struct fix *f, const char *leaf)
{
    const struct tns_zvol_spec spec = { .id = fix_name(f, leaf),
                                        .volsize_bytes = 16 * MIB,
                                        .sparse = true };

    tst_ok(tns__zvol_create(f->s, &spec, &f->err), &f->err);
}

static void prepare(struct fix *f, unsigned needs)
{
    char name[64];
    struct tns_extent_spec extent = { .name = name };

    if (f->s) {
        fix_rename(f);
        tst_ok(tns__filesystem_create(f->s, f->root, NULL, &f->err), &f->err);
    } else {
        fix_open(f);
    }
    if (needs & NEEDS_VOLUME) {
        fix_volume(f);
        tst_ok(tns__snapshot_create(f->s, f->vol, "old", NULL, &f->err), &f->err);
    }
    if (needs & NEEDS_CLONE)
        tst_ok(tns__snapshot_clone(f->s, f->vol, "old", fix_name(f, "clone"), NULL,
                                   &f->err),
               &f->err);
    if (needs & NEEDS_VOLUME)
        tst_ok(tns__snapshot_create(f->s, f->vol, "new", NULL, &f->err), &f->err);
    if (needs & NEEDS_SPARE)
        volume(f, "spare");
    if (needs & NEEDS_EXPORT)
        fix_export(f);
    if (needs & NEEDS_EXTENT) {
        snprintf(name, sizeof(name), "s%s", f->tag);
        extent.zvol = fix_name(f, "spare");
        tst_ok(tns__extent_create(f->s, &extent, &f->extent_id, &f->err), &f->err);
    }
}

/* Each run needs a world of its own: the name of the root is made new. */
static void cleanup(struct fix *f)
{
    static const char clear[] = "{\"clear\":true}";
    char text[128];

    tst_sim_fault(tst_cell_sim(), clear);
    if (f->mapping_id)
        tns__mapping_delete(f->s, f->mapping_id, NULL);
    if (f->extent_id)
        tns__extent_delete(f->s, f->extent_id, NULL);
    if (f->target_id)
        tns__target_delete(f->s, f->target_id, NULL);
    snprintf(text, sizeof(text), "{\"destroy\":\"%s\"}", f->root);
    tst_sim_world(tst_cell_sim(), text);
}

static bool changes(const char *method)
{
    static const char *const reads[] = { "query",
                                         "get_instance",
                                         "config",
                                         "sessions",
                                         "get_jobs",
                                         "ready",
                                         "info",
                                         "host_id",
                                         "version",
                                         "me",
                                         "recommended_zvol_blocksize" };
    const char *verb = strrchr(method, '.');

    if (!verb || strncmp(method, "auth.", 5) == 0 ||
        strcmp(method, "core.set_options") == 0 || strcmp(method, "core.ping") == 0 ||
        strcmp(method, "core.subscribe") == 0)
        return false;
    for (size_t i = 0; i < TNS_ARRAY_LEN(reads); i++) {
        if (strcmp(verb + 1, reads[i]) == 0)
            return false;
    }
    return true;
}

/* No change was sent more often than in the run that nothing disturbed. */
static void compare_changes(const json_t *before, const json_t *clean, const char *name)
{
    _tns_json_ json_t *stats = tst_sim_get(tst_cell_sim(), "/stats");
    json_t *now = json_object_get(stats, "by_method");
    const char *method;
    json_t *count;

    json_object_foreach(now, method, count)
    {
        json_int_t sent =
            json_integer_value(count) - json_integer_value(json_object_get(before, method));

        if (changes(method))
            ck_assert_msg(sent <= json_integer_value(json_object_get(clean, method)),
                          "%s: %s was sent %lld times", name, method, (long long)sent);
    }
}

static json_t *counts(void)
{
    _tns_json_ json_t *stats = tst_sim_get(tst_cell_sim(), "/stats");

    return json_incref(json_object_get(stats, "by_method"));
}

/* The calls that an undisturbed run makes, by method; NULL when the release cannot. */
static json_t *clean_run(struct fix *f, const struct op *op)
{
    _tns_json_ json_t *before = NULL;
    json_t *after;
    const char *method;
    json_t *count;
    int rc;

    prepare(f, op->needs);
    before = counts();
    rc = op->run(f, &f->err);
    if (rc && rc == -op->unsupported) {
        cleanup(f);
        return NULL;
    }
    tst_ok(rc, &f->err);
    after = counts();
    json_object_foreach(after, method, count)
    {
        json_integer_set(count, json_integer_value(count) -
                                    json_integer_value(json_object_get(before, method)));
    }
    cleanup(f);
    return after;
}

static bool fault_was_hit(void)
{
    _tns_json_ json_t *dump = tst_sim_get(tst_cell_sim(), "/fault");
    const json_t *list = json_is_array(dump) ? dump : json_object_get(dump, "faults");

    return json_integer_value(json_object_get(json_array_get(list, 0), "hits")) > 0;
}

/* Runs the operation once with the nth call of a method disturbed. */
static void disturb(struct fix *f, const struct op *op, const char *how, const char *method,
                    int nth, const json_t *clean)
{
    _tns_json_ json_t *before = NULL;
    char fault[160];
    bool lost = strcmp(how, "fail") != 0;
    bool hit;
    int rc;

    prepare(f, op->needs);
    before = counts();
    snprintf(fault, sizeof(fault), "{\"match\":\"%s\",\"nth\":%d,\"do\":\"%s\"}", method,
             nth, how);
    tst_sim_fault(tst_cell_sim(), fault);
    rc = op->run(f, &f->err);
    hit = fault_was_hit();
    tst_no_canary(f->err.text);
    ck_assert_int_eq(rc, -f->err.code);
    if (!hit)
        tst_ok(rc, &f->err);
    else if (lost && op->is_read)
        ck_assert_msg(rc == 0, "%s, %s %d, %s: answered %d: %s", op->name, method, nth, how,
                      rc, f->err.text);
    else if (lost)
        ck_assert_msg(rc == 0 || (f->err.flags & TNS_F_OUTCOME_UNKNOWN),
                      "%s, %s %d, %s: answered %d without saying that it is not known: %s",
                      op->name, method, nth, how, rc, f->err.text);
    if (lost)
        compare_changes(before, clean, op->name);
    cleanup(f);
}

static void sweep(const struct op *op, const char *how)
{
    _fix_ struct fix f = { 0 };
    _tns_json_ json_t *clean = clean_run(&f, op);
    const char *method;
    json_t *count;
    size_t runs = 0;

    json_object_foreach(clean, method, count)
    {
        for (int nth = 1; nth <= (int)json_integer_value(count); nth++, runs++)
            disturb(&f, op, how, method, nth, clean);
    }
    ck_assert_msg(!clean || runs || strcmp(op->name, "roles") == 0, "%s makes no call",
                  op->name);
}

START_TEST(any_call_of_an_operation_may_fail)
{
    sweep(&ops[_i], "fail");
}
END_TEST

START_TEST(the_reply_of_any_call_may_be_lost)
{
    sweep(&ops[_i], "cut");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_loop_test(tc, any_call_of_an_operation_may_fail, 0, OPS_COUNT);
    tcase_add_loop_test(tc, the_reply_of_any_call_may_be_lost, 0, OPS_COUNT);
}

int main(void)
{
    Suite *s = suite_create("nas_sweep");

    /* One release of each dialect; the newest is the one that differs most. */
    setenv("TNS_TEST_CELLS", "24.10/ddp,25.10/rest,26/jsonrpc", 0);
    tst_matrix(s, add);
    return tst_run(s);
}
