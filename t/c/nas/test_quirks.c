/* SPDX-License-Identifier: Apache-2.0 */
/* The quirks of t/sim/QUIRKS.md that lib/nas handles, each with its switch on and off. */
/*
 * A check uses the client, fails the test when its result is wrong, and then answers whether the
 * quirk was really met. It must be while the switch is on, and must not be while it is off: so a
 * quirk that tnsim does not play, or a handling that nothing needs, is found.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nas/fix.h"

#define OK(call) tst_ok(call, &f->err)

/* ---- without the client's care ---- */

/* A call as it is; NULL when the NAS refuses. */
static json_t *raw(struct fix *f, const char *method, unsigned flags, const char *fmt, ...)
{
    _tns_json_ json_t *params = NULL;
    json_t *result = NULL;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    params = json_loads(text, 0, NULL);
    ck_assert_msg(params != NULL, "%s", text);
    if (tns__session_call(f->s, method, params, flags, &result, &f->err))
        tns__error_clear(&f->err);
    return result;
}

static void world(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void world(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tst_sim_world(tst_cell_sim(), text);
}

/* The first row of a dataset query. */
static json_t *raw_dataset(struct fix *f, const char *id, const char *properties)
{
    _tns_json_ json_t *rows =
        raw(f, "pool.dataset.query", TNS_CALL_READ,
            "[[[\"id\",\"=\",\"%s\"]],{\"extra\":{\"retrieve_children\":false,"
            "\"properties\":[%s]}}]",
            id, properties);

    return json_incref(json_array_get(rows, 0));
}

static size_t raw_count(struct fix *f, const char *method, const char *params)
{
    _tns_json_ json_t *rows = raw(f, method, TNS_CALL_READ, "%s", params);

    return json_array_size(rows);
}

static int create(struct fix *f, const char *leaf, uint64_t bytes)
{
    const struct tns_zvol_spec spec = { .id = fix_name(f, leaf),
                                        .volsize_bytes = bytes,
                                        .sparse = true };

    return tns__zvol_create(f->s, &spec, &f->err);
}

/* ---- the checks ---- */

static bool drops_tags(struct fix *f)
{
    json_int_t before = tst_sim_calls(tst_cell_sim(), "pool.dataset.update");
    struct tns_dataset *d = NULL;

    fix_volume(f);
    OK(tns__dataset_get(f->s, f->vol, &d, &f->err));
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:self"), f->vol);
    tns__dataset_free(d);
    return tst_sim_calls(tst_cell_sim(), "pool.dataset.update") > before;
}

static bool comments_among_tags(struct fix *f)
{
    const struct tns_zvol_spec spec = { .id = f->vol,
                                        .volsize_bytes = 16 * MIB,
                                        .comments = "by hand" };
    _tns_json_ json_t *row = NULL;
    struct tns_dataset *d = NULL;

    OK(tns__zvol_create(f->s, &spec, &f->err));
    OK(tns__dataset_get(f->s, f->vol, &d, &f->err));
    ck_assert_uint_eq(json_object_size(d->tags), 0);
    tns__dataset_free(d);
    row = raw_dataset(f, f->vol, "\"used\"");
    return json_object_get(json_object_get(row, "user_properties"), "comments") != NULL;
}

static bool origin_in_capitals(struct fix *f)
{
    _tns_json_ json_t *row = NULL;
    const char *clone = fix_name(f, "clone");
    struct tns_dataset *d = NULL;
    const json_t *origin;
    bool seen;

    fix_volume(f);
    OK(tns__snapshot_create(f->s, f->vol, "s", NULL, &f->err));
    OK(tns__snapshot_clone(f->s, f->vol, "s", clone, NULL, &f->err));
    OK(tns__dataset_get(f->s, clone, &d, &f->err));
    ck_assert(strncmp(d->origin, f->vol, strlen(f->vol)) == 0);
    tns__dataset_free(d);
    row = raw_dataset(f, clone, "\"origin\"");
    origin = json_object_get(row, "origin");
    seen =
        !json_equal(json_object_get(origin, "value"), json_object_get(origin, "rawvalue"));
    return seen;
}

static bool sizes_in_words(struct fix *f)
{
    _tns_json_ json_t *row = NULL;
    struct tns_dataset *d = NULL;
    const char *text;

    OK(create(f, "vm-1-disk-0", 3072ull * MIB));
    OK(tns__dataset_get(f->s, f->vol, &d, &f->err));
    ck_assert_uint_eq(d->volsize_bytes, 3072ull * MIB);
    tns__dataset_free(d);
    row = raw_dataset(f, f->vol, "\"volsize\"");
    text = json_string_value(json_object_get(json_object_get(row, "volsize"), "value"));
    return text && strstr(text, "iB");
}

static bool children_need_an_id(struct fix *f)
{
    const struct tns_dataset_filter filter = { .parent = f->root };
    struct tns_dataset_list *l = NULL;
    char params[256];

    fix_volume(f);
    OK(tns__dataset_list(f->s, &filter, &l, &f->err));
    ck_assert_uint_eq(l->n, 1);
    tns__dataset_list_free(l);
    snprintf(params, sizeof(params),
             "[[[\"id\",\"^\",\"%s/\"]],{\"extra\":{\"retrieve_children\":false}}]",
             f->root);
    return raw_count(f, "pool.dataset.query", params) == 0;
}

static bool lock_must_be_asked_for(struct fix *f)
{
    _tns_json_ json_t *row = NULL;
    struct tns_dataset *d = NULL;

    world("{\"dataset\":{\"name\":\"%s\",\"encrypted\":1,\"locked\":1}}", f->root);
    OK(tns__dataset_get(f->s, f->root, &d, &f->err));
    ck_assert(d->locked);
    tns__dataset_free(d);
    row = raw_dataset(f, f->root, "\"used\"");
    world("{\"dataset\":{\"name\":\"%s\",\"locked\":0}}", f->root);
    return !json_object_get(row, "locked");
}

static bool delete_lies(struct fix *f)
{
    bool seen;

    fix_volume(f);
    world("{\"dataset\":{\"name\":\"%s\",\"busy\":1}}", f->vol);
    ck_assert_int_eq(tns__dataset_delete(f->s, f->vol, &f->err), -TNS_E_CONFLICT);
    seen = strstr(f->err.text, "said that it deleted");
    tns__error_clear(&f->err);
    world("{\"dataset\":{\"name\":\"%s\",\"busy\":0}}", f->vol);
    return seen;
}

static bool recursion_takes_clones(struct fix *f)
{
    const char *clone = fix_name(f, "clone");
    _tns_json_ json_t *row = NULL;

    fix_volume(f);
    OK(tns__snapshot_create(f->s, f->vol, "s", NULL, &f->err));
    OK(tns__snapshot_clone(f->s, f->vol, "s", clone, NULL, &f->err));
    ck_assert_int_eq(tns__dataset_delete(f->s, f->vol, &f->err), -TNS_E_CONFLICT);
    tns__error_clear(&f->err);
    row = raw_dataset(f, clone, "\"used\"");
    ck_assert_ptr_nonnull(row);
    json_decref(TNS_STEAL(row));
    json_decref(raw(f, "pool.dataset.delete", 0, "[\"%s\",{\"recursive\":true}]", f->vol));
    row = raw_dataset(f, clone, "\"used\"");
    return row == NULL;
}

static bool rename_is_forced(struct fix *f)
{
    _tns_json_ json_t *row = NULL;
    const char *there = fix_name(f, "there");

    fix_volume(f);
    OK(tns__dataset_rename(f->s, f->vol, there, &f->err));
    json_decref(
        raw(f, "pool.dataset.rename", 0, "[\"%s\",{\"new_name\":\"%s\"}]", there, f->vol));
    row = raw_dataset(f, there, "\"used\"");
    return row != NULL;
}

static bool snapshots_without_properties(struct fix *f)
{
    _tns_json_ json_t *rows = NULL;
    struct tns_snapshot_list *l = NULL;

    fix_volume(f);
    OK(tns__snapshot_create(f->s, f->vol, "s", NULL, &f->err));
    OK(tns__snapshot_list(f->s, f->vol, &l, &f->err));
    ck_assert_uint_eq(l->items[0].volsize_bytes, 16 * MIB);
    tns__snapshot_list_free(l);
    rows = raw(f, "pool.snapshot.query", TNS_CALL_READ, "[[[\"dataset\",\"=\",\"%s\"]],{}]",
               f->vol);
    ck_assert_uint_eq(json_array_size(rows), 1);
    return json_object_size(json_object_get(json_array_get(rows, 0), "properties")) == 0;
}

static bool snapshot_rename_is_broken(struct fix *f)
{
    struct tns_snapshot_list *l = NULL;
    bool seen;

    fix_volume(f);
    OK(tns__snapshot_create(f->s, f->vol, "a", NULL, &f->err));
    OK(tns__snapshot_rename(f->s, f->vol, "a", "b", &f->err));
    json_decref(raw(f, "pool.snapshot.rename", 0,
                    "[\"%s@b\",{\"new_name\":\"%s@c\",\"force\":true}]", f->vol, f->vol));
    OK(tns__snapshot_list(f->s, f->vol, &l, &f->err));
    seen = strcmp(l->items[0].name, "b") == 0;
    tns__snapshot_list_free(l);
    return seen;
}

static bool unknown_ids_are_database_text(struct fix *f)
{
    int64_t id;
    bool seen;

    fix_volume(f);
    fix_export(f);
    ck_assert_int_eq(tns__mapping_create(f->s, f->target_id, 999999, 9, &id, &f->err),
                     -TNS_E_NOTFOUND);
    seen = strstr(f->err.text, "FOREIGN KEY");
    tns__error_clear(&f->err);
    return seen;
}

static bool services_fail_in_silence(struct fix *f)
{
    const struct tns_caps *caps = NULL;
    _tns_json_ json_t *answer = NULL;

    OK(tns__session_caps(f->s, &caps, &f->err));
    world("{\"service\":{\"name\":\"iscsitarget\",\"running\":0}}");
    world("{\"knob\":{\"service_start_fails\":2}}");
    ck_assert_int_eq(tns__service_start(f->s, "iscsitarget", false, &f->err),
                     -TNS_E_SERVER);
    tns__error_clear(&f->err);
    if (caps->service_control)
        answer = raw(f, "service.control", TNS_CALL_JOB, "[\"START\",\"iscsitarget\"]");
    else
        answer = raw(f, "service.start", 0, "[\"iscsitarget\"]");
    world("{\"knob\":{\"service_start_fails\":0}}");
    world("{\"service\":{\"name\":\"iscsitarget\",\"running\":1}}");
    return json_is_false(answer);
}

static bool any_session_is_in_the_way(struct fix *f)
{
    bool seen;

    fix_volume(f);
    fix_export(f);
    world("{\"session\":{\"target\":\"t%s\",\"initiator\":\"iqn.2000-01.test:x\"}}",
          f->tag);
    _tns_json_ json_t *answer =
        raw(f, "iscsi.targetextent.delete", 0, "[%lld]", (long long)f->mapping_id);
    seen = !answer;
    if (seen)
        OK(tns__mapping_delete(f->s, f->mapping_id, &f->err));
    OK(tns__extent_delete(f->s, f->extent_id, &f->err));
    world("{\"session\":null}");
    return seen;
}

static bool thin_volumes_count_in_full(struct fix *f)
{
    const uint64_t much = 1000ull * 1024 * MIB;
    _tns_json_ json_t *answer = NULL;

    OK(create(f, "thin", much));
    answer = raw(f, "pool.dataset.create", 0,
                 "[{\"name\":\"%s\",\"type\":\"VOLUME\",\"sparse\":true,\"volsize\":%llu}]",
                 f->vol, (unsigned long long)much);
    return !answer;
}

static bool filters_are_ignored(struct fix *f)
{
    _tns_batch_ struct tns_batch *b = NULL;
    const struct tns_extent_filter by_id = { .id = 1 };
    struct tns_extent_filter mine = { 0 };
    struct tns_mapping_filter of_target = { 0 };
    struct tns_extent_list *other = NULL, *e = NULL;
    struct tns_mapping_list *m = NULL;
    struct tns_dataset *d = NULL;
    struct tns_snapshot_list *sn = NULL;
    struct tns_extent_spec spec = { .name = f->tag };
    int64_t id;

    fix_volume(f);
    fix_export(f);
    OK(tns__snapshot_create(f->s, f->vol, "s", NULL, &f->err));
    OK(create(f, "other", 16 * MIB));
    spec.zvol = fix_name(f, "other");
    OK(tns__extent_create(f->s, &spec, &id, &f->err));
    OK(tns__snapshot_create(f->s, fix_name(f, "other"), "t", NULL, &f->err));
    b = tns__batch_new(f->s);
    mine.id = f->extent_id;
    of_target.target_id = f->target_id;
    tns__extent_list_put(b, &mine, &e);
    tns__extent_list_put(b, &by_id, &other);
    tns__mapping_list_put(b, &of_target, &m);
    tns__dataset_get_put(b, f->vol, &d);
    tns__snapshot_list_put(b, f->vol, &sn);
    OK(tns__batch_run(b, &f->err));
    ck_assert_uint_eq(e->n, 1);
    ck_assert_int_eq(e->items[0].id, f->extent_id);
    ck_assert_uint_eq(m->n, 1);
    ck_assert_int_eq(m->items[0].id, f->mapping_id);
    ck_assert_str_eq(d->id, f->vol);
    ck_assert_uint_eq(sn->n, 1);
    ck_assert_str_eq(sn->items[0].name, "s");
    tns__extent_list_free(e);
    tns__extent_list_free(other);
    tns__mapping_list_free(m);
    tns__dataset_free(d);
    tns__snapshot_list_free(sn);
    return raw_count(f, "iscsi.extent.query", "[[[\"name\",\"^\",\"no such\"]],{}]") > 0;
}

static bool fields_that_nobody_knows(struct fix *f)
{
    _tns_json_ json_t *row = NULL;
    struct tns_iscsi_global *g = NULL;
    struct tns_dataset *d = NULL;

    fix_volume(f);
    OK(tns__dataset_get(f->s, f->vol, &d, &f->err));
    tns__dataset_free(d);
    OK(tns__iscsi_global_get(f->s, &g, &f->err));
    ck_assert_uint_ge(g->listen_port, 1025);
    tns__iscsi_global_free(g);
    row = raw(f, "iscsi.global.config", TNS_CALL_READ, "[]");
    return json_object_get(row, "x_tnsim") != NULL;
}

static bool bulk_items_have_job_ids(struct fix *f)
{
    const struct tns_caps *caps = NULL;
    const char *method;
    _tns_json_ json_t *rows = NULL;
    _tns_json_ json_t *items = NULL;
    struct tns_error each[1];
    _tns_free_ char *full = tns__asprintf("%s@a", f->vol);

    fix_volume(f);
    OK(tns__session_caps(f->s, &caps, &f->err));
    method = caps->snap_ns == TNS_SNAP_ZFS ? "zfs.snapshot.delete" : "pool.snapshot.delete";
    OK(tns__snapshot_create(f->s, f->vol, "a", NULL, &f->err));
    rows = json_pack("[[s]]", full);
    OK(tns__bulk(f->s, method, rows, 0, each, &f->err));
    items = raw(f, "core.bulk", TNS_CALL_JOB, "[\"%s\",[[\"%s\"]]]", method, full);
    ck_assert_uint_eq(json_array_size(items), 1);
    return json_object_get(json_array_get(items, 0), "job_id") != NULL;
}

static bool one_extent_for_a_zvol(struct fix *f)
{
    char name[64];
    const struct tns_extent_spec spec = { .name = name, .zvol = f->vol };
    int64_t id;
    int rc;

    fix_volume(f);
    fix_export(f);
    snprintf(name, sizeof(name), "second%s", f->tag);
    rc = tns__extent_create(f->s, &spec, &id, &f->err);
    ck_assert_msg(rc == 0 || rc == -TNS_E_EXISTS, "%s", f->err.text);
    tns__error_clear(&f->err);
    return rc != 0;
}

static bool names_differ_when_flattened(struct fix *f)
{
    char name[64];
    const struct tns_extent_spec spec = { .name = name, .zvol = fix_name(f, "other") };
    int64_t id;
    int rc;

    fix_volume(f);
    OK(create(f, "other", 16 * MIB));
    snprintf(name, sizeof(name), "e.%s", f->tag);
    OK(tns__extent_create(f->s, &spec, &id, &f->err));
    snprintf(name, sizeof(name), "e_%s", f->tag);
    rc = tns__extent_create(f->s, &(struct tns_extent_spec){ .name = name, .zvol = f->vol },
                            &id, &f->err);
    ck_assert_msg(rc == 0 || rc == -TNS_E_EXISTS, "%s", f->err.text);
    tns__error_clear(&f->err);
    return rc != 0;
}

/* ---- the table ---- */

static const struct {
    const char *quirk;
    const char *cell; /* that plays it, or may be told to */
    bool (*check)(struct fix *f);
    bool odd; /* no release does it by itself */
} quirks[] = {
    { "create_drops_user_properties", "26/jsonrpc", drops_tags, false },
    { "comments_in_user_properties", "25.10/jsonrpc", comments_among_tags, false },
    { "origin_upper_case", "25.10/jsonrpc", origin_in_capitals, false },
    { "value_text_iec", "25.10/jsonrpc", sizes_in_words, false },
    { "children_only_by_id_filter", "24.10/ddp", children_need_an_id, false },
    { "children_only_by_id_filter", "25.04/jsonrpc", children_need_an_id, false },
    { "crypto_only_when_asked", "25.10/jsonrpc", lock_must_be_asked_for, false },
    { "delete_swallows_refusal", "26/jsonrpc", delete_lies, false },
    { "recursive_delete_destroys_clones", "26/jsonrpc", recursion_takes_clones, false },
    { "rename_needs_force", "25.10/jsonrpc", rename_is_forced, false },
    { "snapshot_properties_empty", "26/jsonrpc", snapshots_without_properties, false },
    { "pool_snapshot_rename_broken", "26/jsonrpc", snapshot_rename_is_broken, false },
    { "unknown_id_is_database_text", "25.10/jsonrpc", unknown_ids_are_database_text,
      false },
    { "silent_service_failure", "24.10/ddp", services_fail_in_silence, false },
    { "silent_service_failure", "26/jsonrpc", services_fail_in_silence, false },
    { "in_use_per_target", "25.10/jsonrpc", any_session_is_in_the_way, false },
    { "sparse_counts_for_80_percent", "25.10/jsonrpc", thin_volumes_count_in_full, false },
    { "filter_ignored", "25.10/jsonrpc", filters_are_ignored, true },
    { "filter_ignored", "24.10/ddp", filters_are_ignored, true },
    { "reply_extra_fields", "25.10/jsonrpc", fields_that_nobody_knows, true },
    { "core_bulk_job_id", "25.10/jsonrpc", bulk_items_have_job_ids, false },
    { "one_extent_per_zvol", "25.10/jsonrpc", one_extent_for_a_zvol, false },
    { "extent_name_flattened", "25.10/jsonrpc", names_differ_when_flattened, false },
};

static bool check_with(size_t i, int on)
{
    struct fix f;
    bool seen;

    fix_open(&f);
    /* No schema allows a field that nobody knows. */
    if (strcmp(quirks[i].quirk, "reply_extra_fields") == 0)
        world("{\"check_replies\":0}");
    fix_quirk(quirks[i].quirk, on);
    seen = quirks[i].check(&f);
    fix_close(&f);
    return seen;
}

START_TEST(a_quirk_is_met_when_it_is_played_and_only_then)
{
    const size_t i = (size_t)_i;

    ck_assert_msg(!check_with(i, 0), "%s is off, and still seen", quirks[i].quirk);
    ck_assert_msg(check_with(i, 1), "%s is on, and nothing is seen of it", quirks[i].quirk);
    /* What no release does by itself is over. */
    if (quirks[i].odd)
        fix_quirk(quirks[i].quirk, 0);
    world("{\"check_replies\":1}");
}
END_TEST

static const char *adding;

static void add(TCase *tc)
{
    for (int i = 0; i < (int)TNS_ARRAY_LEN(quirks); i++) {
        if (strcmp(quirks[i].cell, adding) == 0)
            tcase_add_loop_test(tc, a_quirk_is_met_when_it_is_played_and_only_then, i,
                                i + 1);
    }
}

int main(void)
{
    static const char *const cells[] = { "24.10/ddp", "25.04/jsonrpc", "25.10/jsonrpc",
                                         "26/jsonrpc" };
    Suite *s = suite_create("nas_quirks");

    for (size_t i = 0; i < TNS_ARRAY_LEN(cells); i++) {
        adding = cells[i];
        setenv("TNS_TEST_CELLS", cells[i], 1);
        tst_matrix(s, add);
    }
    return tst_run(s);
}
