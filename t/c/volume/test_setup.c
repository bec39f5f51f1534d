/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up from nothing, set-up again, what is foreign, and the check of a section. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/storage.h"
#include "vt.h"

static const char *action_of(const json_t *plan, const char *what)
{
    size_t i;
    json_t *step;

    json_array_foreach(json_object_get(plan, "steps"), i,
                       step) if (strcmp(json_string_value(json_object_get(step, "what")),
                                        what) ==
                                 0) return json_string_value(json_object_get(step,
                                                                             "action"));
    return "missing";
}

static size_t count_actions(const json_t *plan, const char *action)
{
    size_t i;
    size_t n = 0;
    json_t *step;

    json_array_foreach(json_object_get(plan, "steps"), i, step) n +=
        strcmp(json_string_value(json_object_get(step, "action")), action) == 0;
    return n;
}

/* A storage whose dataset and target do not exist yet. */
static struct tns_storage *fresh(struct vt *v, const char *more)
{
    char text[1024];

    snprintf(
        text, sizeof(text),
        "{\"dataset\": \"%s-new\", \"target_iqn\": \"iqn.2005-10.org.freenas.ctl:%s-new\", "
        "\"storeid\": \"s%s\", \"tn_initiators\": \"iqn.1993-08.org.debian:01:a,"
        "iqn.1993-08.org.debian:01:b\"%s}",
        v->dataset, v->target, v->target, more ? more : "");
    return vt_more(v, "n1", text);
}

START_TEST(test_setup_makes_what_is_missing_and_nothing_the_second_time)
{
    struct vt v;
    struct tns_storage *st;
    _tns_json_ json_t *plan = NULL;
    _tns_json_ json_t *first = NULL;
    _tns_json_ json_t *second = NULL;
    char name[256];

    vt_open(&v, tst_cell_sim());
    st = fresh(&v, NULL);

    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 0}}");
    vt_ok(&v, tns_storage_setup(st, 1, &plan, &v.err));
    ck_assert_str_eq(action_of(plan, "dataset"), "create");
    ck_assert_str_eq(action_of(plan, "target"), "create");
    ck_assert_str_eq(action_of(plan, "initiators"), "create");
    ck_assert_str_eq(action_of(plan, "service"), "update");

    vt_ok(&v, tns_storage_setup(st, 0, &first, &v.err));
    ck_assert_str_eq(action_of(first, "dataset"), "create");
    ck_assert_str_eq(action_of(first, "target"), "create");
    ck_assert_uint_eq(json_array_size(json_object_get(first, "portals")), 1);
    vt_ok(&v, tns_storage_setup(st, 0, &second, &v.err));
    ck_assert_uint_eq(count_actions(second, "ok"), 6);

    vt_ok(&v, tns_volume_alloc(st, 100, NULL, GIB, name, &v.err));
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

START_TEST(test_setup_makes_chap_one_way_and_mutual)
{
    struct vt v;
    struct tns_storage *st;
    _tns_json_ json_t *first = NULL;
    _tns_json_ json_t *second = NULL;
    _tns_json_ json_t *world = NULL;
    char name[128];
    char more[512];

    vt_open(&v, tst_cell_sim());
    snprintf(name, sizeof(name), "%s-new", v.target);
    snprintf(more, sizeof(more),
             ", \"chap_user\": \"%s\", \"chap_password\": \"%s\", "
             "\"tn_chap_mutual_user\": \"nas\", \"tn_chap_mutual_password\": \"%s\"",
             v.target, TST_CANARY_CHAP, "CaNaRyMutual1");
    st = fresh(&v, more);
    vt_ok(&v, tns_storage_setup(st, 0, &first, &v.err));
    ck_assert_str_eq(action_of(first, "chap"), "create");
    vt_ok(&v, tns_storage_setup(st, 0, &second, &v.err));
    ck_assert_uint_eq(count_actions(second, "ok"), 6);
    world = tst_sim_get(v.sim, "/world");
    ck_assert_str_eq(
        json_string_value(json_object_get(
            json_array_get(json_object_get(vt_row(world, "target", "name", name), "groups"),
                           0),
            "authmethod")),
        "CHAP_MUTUAL");
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

START_TEST(test_setup_reports_what_is_wrong_and_changes_nothing_of_it)
{
    struct vt v;
    struct tns_storage *st;
    _tns_json_ json_t *plan = NULL;
    char text[256];

    vt_open(&v, tst_cell_sim());
    vt_world(&v,
             "{\"dataset\": {\"name\": \"%s/zvol\", \"create\": {\"volsize\": 1048576}}}");
    snprintf(text, sizeof(text), "{\"dataset\": \"%s/zvol\"}", v.dataset);
    st = vt_more(&v, "n1", text);
    vt_ok(&v, tns_storage_setup(st, 0, &plan, &v.err));
    ck_assert_str_eq(action_of(plan, "dataset"), "wrong");
    tns_storage_close(st);
    json_decref(plan);
    plan = NULL;

    /* The target is there without CHAP, and the section wants CHAP: told, not changed. */
    st = vt_more(&v, "n1",
                 "{\"chap_user\": \"pve\", \"chap_password\": \"" TST_CANARY_CHAP "\"}");
    vt_ok(&v, tns_storage_setup(st, 0, &plan, &v.err));
    ck_assert_str_eq(action_of(plan, "target"), "wrong");
    vt_fails(&v, tns_storage_check(st, &plan, &v.err), TNS_E_CONFIG);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

START_TEST(test_check_names_the_first_option_that_is_wrong)
{
    struct vt v;
    struct tns_storage *st;
    json_t *answer = NULL;

    vt_open(&v, tst_cell_sim());
    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 1}}");
    vt_ok(&v, tns_storage_check(v.st, &answer, &v.err));
    ck_assert_ptr_nonnull(json_object_get(answer, "warnings"));
    json_decref(answer);

    st = vt_more(&v, "n1", "{\"dataset\": \"tank/not-there\"}");
    ck_assert_int_eq(tns_storage_check(st, &answer, &v.err), -TNS_E_CONFIG);
    tst_says(&v.err, "dataset: 'tank/not-there'");
    tns__error_clear(&v.err);
    tns_storage_close(st);

    st = vt_more(&v, "n1", "{\"dataset\": \"nopool/x\"}");
    ck_assert_int_eq(tns_storage_check(st, &answer, &v.err), -TNS_E_CONFIG);
    tst_says(&v.err, "no pool 'nopool'");
    tns__error_clear(&v.err);
    tns_storage_close(st);

    st = vt_more(&v, "n1", "{\"target_iqn\": \"iqn.2005-10.org.freenas.ctl:nope\"}");
    ck_assert_int_eq(tns_storage_check(st, &answer, &v.err), -TNS_E_CONFIG);
    tst_says(&v.err, "target_iqn");
    tns__error_clear(&v.err);
    tns_storage_close(st);

    st = vt_more(&v, "n1",
                 "{\"tn_initiator\": \"qemu\", \"chap_user\": \"u\", "
                 "\"chap_password\": \"" TST_CANARY_CHAP "\"}");
    ck_assert_int_eq(tns_storage_check(st, &answer, &v.err), -TNS_E_CONFIG);
    tst_says(&v.err, "tn_initiator");
    tns__error_clear(&v.err);
    tns_storage_close(st);

    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 0}}");
    vt_fails(&v, tns_storage_check(v.st, &answer, &v.err), TNS_E_UNAVAILABLE);
    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 1}}");
    vt_close(&v);
}
END_TEST

static bool warns(struct vt *v, const char *words)
{
    json_t *answer = NULL;
    const json_t *one;
    bool does = false;
    size_t i;

    vt_ok(v, tns_storage_check(v->st, &answer, &v->err));
    json_array_foreach(json_object_get(answer, "warnings"), i, one)
    {
        does = does || strstr(json_string_value(one), words);
    }
    json_decref(answer);
    return does;
}

START_TEST(test_d25_another_machine_with_this_nodes_initiator_name_is_warned_about)
{
    static const char session[] =
        "{\"session\": {\"target\": \"%s\", \"initiator\": \"%s\", \"addr\": \"%s\"}}";
    static const char own[] = "iqn.1993-08.org.debian:01:twin";
    char text[512];
    struct vt v;

    vt_open(&v, tst_cell_sim());
    tst_file(v.root, "etc/iscsi/initiatorname.iscsi",
             "InitiatorName=iqn.1993-08.org.debian:01:twin\n");
    v.st->opt.n_portals = 0; /* none listens here, and this is not about them */
    snprintf(text, sizeof(text), session, v.target, own, "127.0.0.1");
    tst_sim_world(v.sim, text);
    snprintf(text, sizeof(text), session, v.target, "iqn.1993-08.org.debian:01:else",
             "192.0.2.7");
    tst_sim_world(v.sim, text);
    ck_assert(!warns(&v, own));
    snprintf(text, sizeof(text), session, v.target, own, "192.0.2.7");
    tst_sim_world(v.sim, text);
    ck_assert(warns(&v, own));
    ck_assert(warns(&v, "192.0.2.7"));
    tst_sim_world(v.sim, "{\"session\": null}");
    ck_assert(!warns(&v, own));
    vt_close(&v);
}
END_TEST

START_TEST(test_a_node_without_multipathd_is_warned_about_where_it_is_needed)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    v.st->opt.n_portals = 0;
    tst_sim_world(v.sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 1}}");
    v.st->node.multipathd = "@tnstor-nobody-listens-here";
    v.st->opt.multipath = true;
    ck_assert(warns(&v, "use_multipath: multipathd does not run"));
    v.st->opt.multipath = false;
    ck_assert(!warns(&v, "use_multipath"));
    v.st->opt.multipath = v.st->opt.qemu = true;
    ck_assert(!warns(&v, "use_multipath"));
    vt_close(&v);
}
END_TEST

START_TEST(test_the_identity_is_the_same_for_the_same_dataset_only)
{
    struct vt v;
    struct tns_storage *st;
    char one[128];
    char two[128];
    char three[128];

    vt_open(&v, tst_cell_sim());
    st = vt_more(&v, "n2", "{\"storeid\": \"other\"}");
    vt_ok(&v, tns_storage_identity(v.st, one, &v.err));
    vt_ok(&v, tns_storage_identity(st, two, &v.err));
    ck_assert_str_eq(one, two);
    tns_storage_close(st);
    st = vt_more(&v, "n2", "{\"dataset\": \"flash/x\"}");
    vt_ok(&v, tns_storage_identity(st, three, &v.err));
    ck_assert_str_ne(one, three);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, test_setup_makes_what_is_missing_and_nothing_the_second_time);
    tcase_add_test(tc, test_setup_makes_chap_one_way_and_mutual);
    tcase_add_test(tc, test_setup_reports_what_is_wrong_and_changes_nothing_of_it);
    tcase_add_test(tc, test_check_names_the_first_option_that_is_wrong);
    tcase_add_test(tc,
                   test_d25_another_machine_with_this_nodes_initiator_name_is_warned_about);
    tcase_add_test(tc, test_a_node_without_multipathd_is_warned_about_where_it_is_needed);
    tcase_add_test(tc, test_the_identity_is_the_same_for_the_same_dataset_only);
}

int main(void)
{
    return vt_main("setup", VT_FEW_CELLS, add);
}
