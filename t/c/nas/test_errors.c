/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on a NAS, in each release: every failure has the code that its cause deserves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nas/fix.h"

#define OK(call) tst_ok(call, &f.err)
#define FAILS(call, code) tst_fails(call, code, &f.err)

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

static int create(struct fix *f, const char *id, uint64_t bytes, bool sparse)
{
    const struct tns_zvol_spec spec = { .id = id,
                                        .volsize_bytes = bytes,
                                        .sparse = sparse };

    return tns__zvol_create(f->s, &spec, &f->err);
}

/* ---- C19: room ---- */

START_TEST(a_thick_zvol_that_does_not_fit_is_a_lack_of_capacity)
{
    _fix_ struct fix f;

    fix_open(&f);
    FAILS(create(&f, f.vol, 4096ull * 1024 * MIB, false), TNS_E_CAPACITY);
}
END_TEST

START_TEST(a_quota_is_a_lack_of_capacity)
{
    _fix_ struct fix f;

    fix_open(&f);
    world("{\"dataset\":{\"name\":\"%s\",\"quota\":%u}}", f.root, 64 * MIB);
    FAILS(create(&f, f.vol, 128 * MIB, false), TNS_E_CAPACITY);
}
END_TEST

START_TEST(thin_volumes_may_promise_more_than_there_is)
{
    _fix_ struct fix f;

    fix_open(&f);
    OK(create(&f, f.vol, 2048ull * 1024 * MIB, true));
    OK(tns__zvol_resize(f.s, f.vol, 4096ull * 1024 * MIB, true, &f.err));
}
END_TEST

/* ---- C21: locked ---- */

START_TEST(a_locked_dataset_is_shown_as_locked_and_nothing_is_made_in_it)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;
    struct tns_dataset_list *l = NULL;
    struct tns_dataset_filter filter = { .minimal = true };

    fix_open(&f);
    world("{\"dataset\":{\"name\":\"%s\",\"encrypted\":1,\"locked\":1}}", f.root);
    OK(tns__dataset_get(f.s, f.root, &d, &f.err));
    ck_assert(d->encrypted && d->locked);
    tns__dataset_free(d);
    filter.id = f.root;
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert(l->items[0].locked);
    tns__dataset_list_free(l);
    FAILS(create(&f, f.vol, 16 * MIB, true), TNS_E_LOCKED);
    world("{\"dataset\":{\"name\":\"%s\",\"locked\":0}}", f.root);
}
END_TEST

/* ---- C22: the pool is away ---- */

START_TEST(an_exported_pool_is_unavailable_and_not_empty)
{
    _fix_ struct fix f;
    char parent[64];
    struct tns_dataset *d = NULL;
    struct tns_dataset_list *l = NULL;
    struct tns_pool *p = NULL;
    struct tns_dataset_filter filter = { .parent = parent };
    const char *vol;
    int rc;

    fix_open(&f);
    snprintf(parent, sizeof(parent), "flash/e%s", f.tag);
    OK(tns__filesystem_create(f.s, parent, NULL, &f.err));
    world("{\"pool\":{\"name\":\"flash\",\"exported\":true}}");
    vol = tns__asprintf("%s/x", parent);
    FAILS(tns__dataset_list(f.s, &filter, &l, &f.err), TNS_E_UNAVAILABLE);
    FAILS(tns__dataset_get(f.s, parent, &d, &f.err), TNS_E_UNAVAILABLE);
    FAILS(create(&f, vol, 16 * MIB, true), TNS_E_UNAVAILABLE);
    FAILS(tns__dataset_delete(f.s, parent, &f.err), TNS_E_UNAVAILABLE);
    FAILS(tns__zvol_resize(f.s, vol, 16 * MIB, true, &f.err), TNS_E_UNAVAILABLE);
    FAILS(tns__snapshot_create(f.s, vol, "s", NULL, &f.err), TNS_E_UNAVAILABLE);
    FAILS(tns__snapshot_delete(f.s, vol, "s", &f.err), TNS_E_UNAVAILABLE);
    /* The NAS goes on listing a pool whose disks are away; one that was exported it forgets. */
    rc = tns__pool_get(f.s, "flash", &p, &f.err);
    ck_assert(rc == -TNS_E_NOTFOUND || (rc == 0 && !p->healthy));
    tns__error_clear(&f.err);
    tns__pool_free(p);
    world("{\"pool\":{\"name\":\"flash\",\"exported\":false}}");
    OK(tns__dataset_get(f.s, parent, &d, &f.err));
    tns__dataset_free(d);
    tns__free((char *)(uintptr_t)vol);
}
END_TEST

/* ---- in use ---- */

START_TEST(a_busy_zvol_is_a_conflict_and_stays)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;

    fix_open(&f);
    fix_volume(&f);
    world("{\"dataset\":{\"name\":\"%s\",\"busy\":1}}", f.vol);
    FAILS(tns__dataset_delete(f.s, f.vol, &f.err), TNS_E_CONFLICT);
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    tns__dataset_free(d);
    world("{\"dataset\":{\"name\":\"%s\",\"busy\":0}}", f.vol);
    OK(tns__dataset_delete(f.s, f.vol, &f.err));
}
END_TEST

START_TEST(a_session_on_the_target_protects_the_target_but_not_our_own_mapping)
{
    _fix_ struct fix f;
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_iscsi_session_list *l = NULL;
    bool seen = false;

    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    world("{\"session\":{\"target\":\"t%s\",\"initiator\":\"iqn.2000-01.test:%s\",\"addr\":"
          "\"192.0.2.9\"}}",
          f.tag, f.tag);
    b = tns__batch_new(f.s);
    tns__iscsi_session_list_put(b, &l);
    OK(tns__batch_run(b, &f.err));
    for (size_t i = 0; i < l->n; i++) {
        if (strstr(l->items[i].initiator, f.tag))
            seen = strstr(l->items[i].target, f.tag) &&
                   strstr(l->items[i].initiator_addr, "9");
    }
    ck_assert(seen);
    tns__iscsi_session_list_free(l);
    FAILS(tns__target_delete(f.s, f.target_id, &f.err), TNS_E_CONFLICT);
    OK(tns__mapping_delete(f.s, f.mapping_id, &f.err));
    OK(tns__extent_delete(f.s, f.extent_id, &f.err));
    world("{\"session\":null}");
}
END_TEST

/* ---- services ---- */

START_TEST(a_service_that_does_not_come_up_is_an_error)
{
    _fix_ struct fix f;

    fix_open(&f);
    world("{\"service\":{\"name\":\"iscsitarget\",\"running\":0}}");
    world("{\"knob\":{\"service_start_fails\":1}}");
    FAILS(tns__service_start(f.s, "iscsitarget", false, &f.err), TNS_E_SERVER);
    world("{\"knob\":{\"service_start_fails\":0}}");
    OK(tns__service_start(f.s, "iscsitarget", false, &f.err));
}
END_TEST

START_TEST(a_mapping_whose_reload_fails_may_have_been_made)
{
    _fix_ struct fix f;
    int64_t id;
    int rc;

    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    OK(tns__mapping_delete(f.s, f.mapping_id, &f.err));
    world("{\"knob\":{\"reload_fails\":1}}");
    rc = tns__mapping_create(f.s, f.target_id, f.extent_id, 3, &id, &f.err);
    world("{\"knob\":{\"reload_fails\":0}}");
    ck_assert_int_eq(rc, -TNS_E_SERVER);
    ck_assert(f.err.flags & TNS_F_OUTCOME_UNKNOWN);
}
END_TEST

/* ---- C24: a key that may not ---- */

static char *key_with(const char *name, const char *roles)
{
    char text[512];
    _tns_json_ json_t *spec = NULL;
    _tns_json_ json_t *told = NULL;
    const json_t *keys;
    const char *key;

    snprintf(text, sizeof(text),
             "{\"keys\":{\"name\":\"%s\",\"username\":\"%s\",\"roles\":[%s]}}", name, name,
             roles);
    spec = json_loads(text, 0, NULL);
    told = tst_sim_post(tst_cell_sim(), "/world", spec);
    keys = json_object_get(told, "keys");
    key = json_string_value(json_array_get(keys, 0));
    ck_assert_ptr_nonnull(key);
    return tns__strdup(key);
}

static bool has_roles(void)
{
    return strcmp(tst_cell()->release, "24.04") >= 0;
}

START_TEST(a_read_only_key_reads_and_every_change_is_refused_by_permission)
{
    _fix_ struct fix f = { 0 };
    _fix_ struct fix ro = { 0 };
    _tns_free_ char *key = NULL;
    struct tns_dataset *d = NULL;
    struct tns_roles roles = { 0 };
    char name[64];

    if (!has_roles()) /* keys have no roles yet */
        return;
    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    snprintf(name, sizeof(name), "ro%s", f.tag);
    key = key_with(name, "\"READONLY_ADMIN\"");
    fix_open_key(&ro, key);
    if (tst_cell_is(NULL, "rest")) { /* needs full rights for anything */
        tst_fails(tns__dataset_get(ro.s, f.vol, &d, &ro.err), TNS_E_PERMISSION, &ro.err);
        return;
    }
    tst_ok(tns__roles_get(ro.s, &roles, &ro.err), &ro.err);
    ck_assert(tns__roles_lack(&roles, "DATASET_WRITE") == roles.known);
    ck_assert(!tns__roles_lack(&roles, "DATASET_READ"));
    tns__roles_clear(&roles);
    tst_ok(tns__dataset_get(ro.s, f.vol, &d, &ro.err), &ro.err);
    tns__dataset_free(d);
    tst_fails(create(&ro, fix_name(&f, "x"), 16 * MIB, true), TNS_E_PERMISSION, &ro.err);
    tst_fails(tns__dataset_delete(ro.s, f.vol, &ro.err), TNS_E_PERMISSION, &ro.err);
    tst_fails(tns__snapshot_create(ro.s, f.vol, "s", NULL, &ro.err), TNS_E_PERMISSION,
              &ro.err);
    tst_fails(tns__mapping_delete(ro.s, f.mapping_id, &ro.err), TNS_E_PERMISSION, &ro.err);
    tst_fails(tns__extent_delete(ro.s, f.extent_id, &ro.err), TNS_E_PERMISSION, &ro.err);
    tst_fails(tns__service_reload(ro.s, "iscsitarget", &ro.err), TNS_E_PERMISSION, &ro.err);
    ck_assert_int_eq(tns__dataset_rename(ro.s, f.vol, fix_name(&f, "y"), &ro.err) < 0, 1);
}
END_TEST

/* ---- C36: another release than we thought ---- */

START_TEST(a_method_that_is_not_there_is_unsupported)
{
    _fix_ struct fix f = { 0 };
    struct tns_snapshot_list *l = NULL;

    if (tst_cell_is(NULL, "rest")) /* where it looks like an object that is not there */
        return;
    fix_open(&f);
    fix_volume(&f);
    tst_sim_fault(tst_cell_sim(), tst_cell_is(NULL, "ddp")
                                      ? "{\"match\":\"*snapshot.query\",\"do\":\"fail\","
                                        "\"errno\":201,\"reason\":\"Method not found\"}"
                                      : "{\"match\":\"*snapshot.query\",\"do\":\"fail\","
                                        "\"code\":-32601}");
    FAILS(tns__snapshot_list(f.s, f.vol, &l, &f.err), TNS_E_UNSUPPORTED);
    ck_assert_ptr_null(l);
}
END_TEST

/* ---- C12: too large a request ---- */

START_TEST(a_request_over_60_kb_is_refused_here_and_the_connection_stays)
{
    _fix_ struct fix f;
    _tns_free_ char *big = tns__calloc(70001, 1);
    _tns_json_ json_t *tags = NULL;
    struct tns_dataset *d = NULL;
    json_int_t calls;

    fix_open(&f);
    fix_volume(&f);
    memset(big, 'x', 70000);
    tags = json_pack("{s: s}", "org.tnstor:a", big);
    calls = tst_sim_stat(tst_cell_sim(), "connections");
    FAILS(tns__dataset_set_tags(f.s, f.vol, tags, &f.err), TNS_E_USAGE);
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    ck_assert_ptr_null(tns__dataset_tag(d, "org.tnstor:a"));
    tns__dataset_free(d);
    if (!tst_cell_is(NULL, "rest")) /* where one is as good as another */
        ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "connections"), calls);
}
END_TEST

/* ---- C26, C28: replies that are no lists ---- */

START_TEST(a_list_that_fails_is_an_error_and_no_list)
{
    _fix_ struct fix f;
    struct tns_dataset_list *l = NULL;
    struct tns_dataset_filter filter = { .parent = f.root };

    fix_open(&f);
    tst_sim_fault(tst_cell_sim(), "{\"match\":\"pool.dataset.query\",\"do\":\"fail\"}");
    ck_assert_int_ne(tns__dataset_list(f.s, &filter, &l, &f.err), 0);
    ck_assert_ptr_null(l);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, a_thick_zvol_that_does_not_fit_is_a_lack_of_capacity);
    tcase_add_test(tc, a_quota_is_a_lack_of_capacity);
    tcase_add_test(tc, thin_volumes_may_promise_more_than_there_is);
    tcase_add_test(tc, a_locked_dataset_is_shown_as_locked_and_nothing_is_made_in_it);
    tcase_add_test(tc, an_exported_pool_is_unavailable_and_not_empty);
    tcase_add_test(tc, a_busy_zvol_is_a_conflict_and_stays);
    tcase_add_test(tc, a_session_on_the_target_protects_the_target_but_not_our_own_mapping);
    tcase_add_test(tc, a_service_that_does_not_come_up_is_an_error);
    tcase_add_test(tc, a_mapping_whose_reload_fails_may_have_been_made);
    tcase_add_test(tc, a_read_only_key_reads_and_every_change_is_refused_by_permission);
    tcase_add_test(tc, a_method_that_is_not_there_is_unsupported);
    tcase_add_test(tc, a_request_over_60_kb_is_refused_here_and_the_connection_stays);
    tcase_add_test(tc, a_list_that_fails_is_an_error_and_no_list);
}

int main(void)
{
    Suite *s = suite_create("nas_errors");

    tst_matrix(s, add);
    return tst_run(s);
}
