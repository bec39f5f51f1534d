/* SPDX-License-Identifier: Apache-2.0 */
/* What each release is asked, and how replies that cannot be right are met. */
#include "nas/fake.h"

#include <stdlib.h>

#define V2212 "TrueNAS-SCALE-22.12.4.2"
#define V2410 "TrueNAS-SCALE-24.10.2.4"
#define V2504 "TrueNAS-25.04.2.6"
#define V2510 "TrueNAS-25.10.2.1"
#define V26 "TrueNAS-26.0.0-BETA.3"
#define ZVOL "tank/vm/vm-101-disk-0"
#define JS TNS_DIALECT_JSONRPC
#define DDP TNS_DIALECT_DDP
#define REST TNS_DIALECT_REST

/* ---- the operations of the table ---- */

static int op_children(struct tns_error *err)
{
    const struct tns_dataset_filter f = { .parent = "tank/vm", .minimal = true };
    struct tns_dataset_list *l = NULL;
    int rc = tns__dataset_list(fake_session(), &f, &l, err);

    tns__dataset_list_free(l);
    return rc;
}
static int op_clones(struct tns_error *err)
{
    const struct tns_dataset_filter f = { .origin_of = ZVOL, .minimal = true };
    struct tns_dataset_list *l = NULL;
    int rc = tns__dataset_list(fake_session(), &f, &l, err);

    tns__dataset_list_free(l);
    return rc;
}
static int op_names(struct tns_error *err)
{
    const char *const ids[] = { "tank/v.m/a", "tank/v.m/b", NULL };
    const struct tns_dataset_filter f = { .ids = ids, .minimal = true };
    struct tns_dataset_list *l = NULL;
    int rc = tns__dataset_list(fake_session(), &f, &l, err);

    tns__dataset_list_free(l);
    return rc;
}
static int op_delete(struct tns_error *err)
{
    return tns__dataset_delete(fake_session(), ZVOL, err);
}
static int op_rename(struct tns_error *err)
{
    return tns__dataset_rename(fake_session(), ZVOL, "tank/vm/x", err);
}
static int op_snapshots(struct tns_error *err)
{
    struct tns_snapshot_list *l = NULL;
    int rc = tns__snapshot_list(fake_session(), ZVOL, &l, err);

    tns__snapshot_list_free(l);
    return rc;
}
static int op_snap_create(struct tns_error *err)
{
    return tns__snapshot_create(fake_session(), ZVOL, "s1", NULL, err);
}
static int op_snap_delete(struct tns_error *err)
{
    return tns__snapshot_delete(fake_session(), ZVOL, "s1", err);
}
static int op_rollback(struct tns_error *err)
{
    return tns__snapshot_rollback(fake_session(), ZVOL, "s1", err);
}
static int op_clone(struct tns_error *err)
{
    return tns__snapshot_clone(fake_session(), ZVOL, "s1", "tank/vm/c", NULL, err);
}
static int op_snap_rename(struct tns_error *err)
{
    return tns__snapshot_rename(fake_session(), ZVOL, "s1", "s2", err);
}
static int op_hold(struct tns_error *err)
{
    return tns__snapshot_hold(fake_session(), ZVOL, "s1", true, err);
}
static int op_release(struct tns_error *err)
{
    return tns__snapshot_hold(fake_session(), ZVOL, "s1", false, err);
}
static int op_target_delete(struct tns_error *err)
{
    return tns__target_delete(fake_session(), 5, err);
}
static int op_reload(struct tns_error *err)
{
    return tns__service_reload(fake_session(), "iscsitarget", err);
}
static int op_extent_list(struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(fake_session());
    const struct tns_extent_filter f = { .disk = "zvol/" ZVOL };
    struct tns_extent_list *l = NULL;
    int rc;

    tns__extent_list_put(b, &f, &l);
    rc = tns__batch_run(b, err);
    tns__extent_list_free(l);
    return rc;
}
static int op_extent_delete(struct tns_error *err)
{
    return tns__extent_delete(fake_session(), 31, err);
}
static int op_mapping_delete(struct tns_error *err)
{
    return tns__mapping_delete(fake_session(), 12, err);
}

#define FOUR "[\"used\",\"available\",\"quota\",\"encryption\"]"
#define NESTED_VM                                                                          \
    "[[[\"id\",\"=\",\"tank/vm\"]],{\"extra\":{\"retrieve_children\":true,\"flat\":false," \
    "\"retrieve_user_props\":false,\"properties\":" FOUR "}}]"
#define EXTRA(children)                                                                    \
    "{\"extra\":{\"retrieve_children\":" children ",\"flat\":true,"                        \
    "\"retrieve_user_props\":false,\"properties\":" FOUR "}}]"
#define SNAP_PROPS                                                                         \
    "[\"creation\",\"used\",\"referenced\",\"volsize\",\"clones\",\"userrefs\"]"
#define SNAP_OLD                                                                           \
    "[[[\"dataset\",\"=\",\"" ZVOL                                                         \
    "\"]],{\"extra\":{\"holds\":true,\"properties\":" SNAP_PROPS "}}]"
#define SELECT                                                                             \
    "{\"select\":[\"id\",\"name\",\"type\",\"disk\",\"serial\",\"naa\",\"comment\","       \
    "\"blocksize\",\"enabled\",\"ro\",\"locked\"]}"

static const struct {
    int (*op)(struct tns_error *err);
    const char *version;
    enum tns_dialect dialect;
    const char *method;
    const char *params;
} requests[] = {
    { op_children, V2212, DDP, "pool.dataset.query", NESTED_VM },
    { op_children, V2504, JS, "pool.dataset.query", NESTED_VM },
    { op_children, V2510, REST, "pool.dataset.query", NESTED_VM },
    { op_children, V2510, JS, "pool.dataset.query",
      "[[[\"OR\",[[\"id\",\"=\",\"tank/vm\"],[\"id\",\"^\",\"tank/vm/\"]]]]," EXTRA(
          "false") },
    { op_children, V26, JS, "pool.dataset.query",
      "[[[\"OR\",[[\"id\",\"=\",\"tank/vm\"],[\"id\",\"^\",\"tank/vm/\"]]]]," EXTRA(
          "false") },
    { op_clones, V2410, DDP, "pool.dataset.query",
      "[[[\"origin.rawvalue\",\"^\",\"" ZVOL "@\"]]," EXTRA("true") },
    { op_clones, V26, JS, "pool.dataset.query",
      "[[[\"origin.rawvalue\",\"^\",\"" ZVOL "@\"]]," EXTRA("false") },
    { op_names, V2504, JS, "pool.dataset.query",
      "[[[\"id\",\"in\",[\"tank/v.m/a\",\"tank/v.m/b\"]]]," EXTRA("false") },
    { op_names, V2410, DDP, "pool.dataset.query",
      "[[[\"id\",\"in\",[\"tank/v.m/a\",\"tank/v.m/"
      "b\"]],[\"type\",\"=\",\"VOLUME\"]]," EXTRA("true") },
    { op_names, V2510, REST, "pool.dataset.query",
      "[[[\"id\",\"in\",[\"tank/v.m/a\",\"tank/v.m/"
      "b\"]],[\"type\",\"=\",\"VOLUME\"]]," EXTRA("true") },
    { op_delete, V2212, DDP, "pool.dataset.delete",
      "[\"" ZVOL "\",{\"recursive\":false,\"force\":false}]" },
    { op_rename, V2510, JS, "pool.dataset.rename",
      "[\"" ZVOL "\",{\"new_name\":\"tank/vm/x\",\"recursive\":false,\"force\":true}]" },
    { op_rename, V2410, DDP, "zfs.dataset.rename",
      "[\"" ZVOL "\",{\"new_name\":\"tank/vm/x\",\"recursive\":false}]" },
    { op_snapshots, V2504, JS, "zfs.snapshot.query", SNAP_OLD },
    { op_snapshots, V2510, JS, "pool.snapshot.query", SNAP_OLD },
    { op_snapshots, V26, JS, "zfs.resource.snapshot.query",
      "[{\"paths\":[\"" ZVOL "\"],\"properties\":[\"creation\",\"used\",\"referenced\","
      "\"volsize\"],\"get_user_properties\":true,\"get_holds\":true}]" },
    { op_snap_create, V2212, REST, "zfs.snapshot.create",
      "[{\"dataset\":\"" ZVOL "\",\"name\":\"s1\",\"properties\":{}}]" },
    { op_snap_create, V2510, JS, "pool.snapshot.create",
      "[{\"dataset\":\"" ZVOL "\",\"name\":\"s1\",\"properties\":{}}]" },
    { op_snap_create, V26, JS, "zfs.resource.snapshot.create",
      "[{\"dataset\":\"" ZVOL "\",\"name\":\"s1\",\"user_properties\":{}}]" },
    { op_snap_delete, V2504, JS, "zfs.snapshot.delete",
      "[\"" ZVOL "@s1\",{\"defer\":false,\"recursive\":false}]" },
    { op_snap_delete, V26, JS, "zfs.resource.snapshot.destroy",
      "[{\"path\":\"" ZVOL "@s1\",\"recursive\":false,\"defer\":false}]" },
    { op_rollback, V2510, JS, "pool.snapshot.rollback",
      "[\"" ZVOL "@s1\",{\"recursive\":false}]" },
    { op_rollback, V26, JS, "zfs.resource.snapshot.rollback",
      "[{\"path\":\"" ZVOL "@s1\",\"recursive\":false}]" },
    { op_clone, V2212, DDP, "zfs.snapshot.clone",
      "[{\"snapshot\":\"" ZVOL "@s1\",\"dataset_dst\":\"tank/vm/c\","
      "\"dataset_properties\":{}}]" },
    { op_clone, V26, JS, "zfs.resource.snapshot.clone",
      "[{\"snapshot\":\"" ZVOL "@s1\",\"dataset\":\"tank/vm/c\"}]" },
    { op_snap_rename, V2510, JS, "pool.snapshot.rename",
      "[\"" ZVOL "@s1\",{\"new_name\":\"" ZVOL "@s2\",\"force\":true}]" },
    { op_snap_rename, V26, JS, "zfs.resource.snapshot.rename",
      "[{\"current_name\":\"" ZVOL "@s1\",\"new_name\":\"" ZVOL "@s2\"}]" },
    { op_hold, V2510, JS, "pool.snapshot.hold", "[\"" ZVOL "@s1\",{\"recursive\":false}]" },
    { op_release, V26, JS, "zfs.resource.snapshot.release",
      "[{\"path\":\"" ZVOL "@s1\",\"tag\":\"truenas\"}]" },
    { op_target_delete, V2410, DDP, "iscsi.target.delete", "[5,false]" },
    { op_target_delete, V2504, JS, "iscsi.target.delete", "[5,false,false]" },
    { op_reload, V2504, JS, "service.reload", "[\"iscsitarget\",{\"silent\":false}]" },
    { op_reload, V2510, JS, "service.control",
      "[\"RELOAD\",\"iscsitarget\",{\"silent\":false}]" },
    { op_extent_list, V2510, JS, "iscsi.extent.query",
      "[[[\"disk\",\"=\",\"zvol/" ZVOL "\"]]," SELECT "]" },
    { op_extent_list, V2510, REST, "iscsi.extent.query",
      "[[[\"disk\",\"=\",\"zvol/" ZVOL "\"]],{}]" },
    { op_extent_delete, V2212, DDP, "iscsi.extent.delete", "[31,false,true]" },
    { op_mapping_delete, V26, JS, "iscsi.targetextent.delete", "[12,true]" },
};

START_TEST(each_release_is_asked_in_its_own_words)
{
    struct tns_error err = TNS_ERROR_INIT;
    char *params;

    fake_open(requests[_i].version, requests[_i].dialect);
    requests[_i].op(&err);
    ck_assert_uint_ge(json_array_size(fake.sent), 1);
    ck_assert_str_eq(fake_method(0), requests[_i].method);
    params = fake_params(0);
    ck_assert_str_eq(params, requests[_i].params);
    free(params);
}
END_TEST

START_TEST(what_a_release_cannot_do_is_said_and_not_tried)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2504, REST);
    tst_fails(op_rename(&err), TNS_E_UNSUPPORTED, &err);
    fake_open(V2504, JS);
    tst_fails(op_snap_rename(&err), TNS_E_UNSUPPORTED, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
}
END_TEST

START_TEST(a_private_method_that_is_not_there_is_unsupported)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2504, JS);
    fake_fail(-32601, 0, "Method does not exist");
    tst_fails(op_rename(&err), TNS_E_UNSUPPORTED, &err);
}
END_TEST

/* ---- names ---- */

static const char *const bad_names[] = {
    "",          "tank/",    "/tank",     "tank//x",       "tank/../x",
    "tank/a\nb", "tank/a@b", "tank/a\"b", "tank/\xc3\xa4", "tank/ x",
};

START_TEST(a_bad_name_is_refused_and_nothing_is_sent)
{
    const char *bad = bad_names[_i];
    const struct tns_zvol_spec zvol = { .id = bad, .volsize_bytes = 1 << 20 };
    const struct tns_extent_spec extent = { .name = "x", .zvol = bad };
    struct tns_dataset *d = NULL;
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2510, JS);
    tst_fails(tns__zvol_create(fake_session(), &zvol, &err), TNS_E_USAGE, &err);
    tst_fails(tns__dataset_get(fake_session(), bad, &d, &err), TNS_E_USAGE, &err);
    tst_fails(tns__dataset_delete(fake_session(), bad, &err), TNS_E_USAGE, &err);
    tst_fails(tns__dataset_rename(fake_session(), ZVOL, bad, &err), TNS_E_USAGE, &err);
    tst_fails(tns__snapshot_create(fake_session(), bad, "s", NULL, &err), TNS_E_USAGE,
              &err);
    tst_fails(tns__snapshot_clone(fake_session(), ZVOL, "s", bad, NULL, &err), TNS_E_USAGE,
              &err);
    tst_fails(tns__extent_create(fake_session(), &extent, NULL, &err), TNS_E_USAGE, &err);
    tst_fails(tns__dataset_set_tags(fake_session(), bad, NULL, &err), TNS_E_USAGE, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
}
END_TEST

START_TEST(a_bad_put_in_a_batch_keeps_the_whole_batch_at_home)
{
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset *d = NULL;

    fake_open(V2510, JS);
    b = tns__batch_new(fake_session());
    tns__dataset_get_put(b, "tank/vm", &d);
    tns__snapshot_delete_put(b, ZVOL, "a/b");
    tst_fails(tns__batch_run(b, &err), TNS_E_USAGE, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
}
END_TEST

/* ---- the server's filters are not trusted (C27) ---- */

static json_t *dataset_row(const char *id)
{
    json_t *row = fake_row("pool.dataset.query 25.10");

    json_object_set_new(row, "id", json_string(id));
    return row;
}

START_TEST(rows_that_were_not_asked_for_are_left_out)
{
    const struct tns_dataset_filter f = { .parent = "tank/vm" };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset_list *l = NULL;

    fake_open(V2510, JS);
    fake_reply(json_pack("[o, o, o, o, o]", dataset_row("tank/vm"),
                         dataset_row("tank/vm/a"), dataset_row("tank/vm/a/deep"),
                         dataset_row("tank/vmx/b"), dataset_row("tank")));
    tst_ok(tns__dataset_list(fake_session(), &f, &l, &err), &err);
    ck_assert_uint_eq(l->n, 1);
    ck_assert_str_eq(l->items[0].id, "tank/vm/a");
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(children_are_taken_out_of_their_parents_row_where_the_reply_is_nested)
{
    const struct tns_dataset_filter f = { .parent = "tank/vm" };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset_list *l = NULL;
    json_t *parent = dataset_row("tank/vm");

    json_object_set_new(parent, "children",
                        json_pack("[o, o]", dataset_row("tank/vm/a"),
                                  dataset_row("tank/vm/b")));
    fake_open(V2504, JS);
    fake_reply(json_pack("[o]", parent));
    tst_ok(tns__dataset_list(fake_session(), &f, &l, &err), &err);
    ck_assert_uint_eq(l->n, 2);
    ck_assert_str_eq(l->items[1].id, "tank/vm/b");
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(children_of_a_parent_that_is_missing_are_an_error_and_no_empty_list)
{
    const struct tns_dataset_filter f = { .parent = "tank/vm" };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset_list *l = NULL;

    fake_open(_i ? V2510 : V2504, JS);
    fake_reply(json_array());
    fake_reply(json_pack("[o]", dataset_row("tank")));
    tst_fails(tns__dataset_list(fake_session(), &f, &l, &err), TNS_E_NOTFOUND, &err);
    ck_assert_ptr_null(l);
}
END_TEST

START_TEST(a_missing_dataset_of_a_missing_pool_is_unavailable)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset *d = NULL;

    fake_open(V2510, JS);
    fake_reply(json_array());
    fake_reply(json_array());
    ck_assert_int_eq(tns__dataset_get(fake_session(), ZVOL, &d, &err), -TNS_E_UNAVAILABLE);
    ck_assert(err.flags & TNS_F_RETRYABLE);
    tst_says(&err, "pool tank");
}
END_TEST

START_TEST(two_rows_for_one_name_are_refused)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset *d = NULL;

    fake_open(V2510, JS);
    fake_reply(json_pack("[o, o]", dataset_row(ZVOL), dataset_row(ZVOL)));
    tst_fails(tns__dataset_get(fake_session(), ZVOL, &d, &err), TNS_E_PROTOCOL, &err);
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(two_extents_with_one_id_are_refused)
{
    _tns_batch_ struct tns_batch *b = NULL;
    const struct tns_extent_filter f = { .id = 31 };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_extent_list *l = NULL;

    fake_open(V2510, JS);
    b = tns__batch_new(fake_session());
    fake_reply(json_pack("[o, o]", fake_row("iscsi.extent.query"),
                         fake_row("iscsi.extent.query")));
    tns__extent_list_put(b, &f, &l);
    tst_fails(tns__batch_run(b, &err), TNS_E_PROTOCOL, &err);
    ck_assert_ptr_null(l);
}
END_TEST

/* ---- changes whose reply makes no sense ---- */

START_TEST(a_reply_to_a_change_that_makes_no_sense_leaves_the_outcome_unknown)
{
    const struct tns_extent_spec spec = { .name = "x", .zvol = ZVOL };
    const struct tns_zvol_spec zvol = { .id = ZVOL, .volsize_bytes = 1 << 20 };
    struct tns_error err = TNS_ERROR_INIT;
    int64_t id = -5;

    fake_open(V2510, JS);
    fake_reply(json_true());
    ck_assert_int_eq(tns__extent_create(fake_session(), &spec, &id, &err), -TNS_E_PROTOCOL);
    ck_assert(err.flags & TNS_F_OUTCOME_UNKNOWN);
    ck_assert_str_eq(err.op, "iscsi.extent.create");
    ck_assert_int_eq(id, -5);
    tns__error_clear(&err);

    fake_open(V2510, JS);
    fake_reply(dataset_row("tank/other"));
    ck_assert_int_eq(tns__zvol_create(fake_session(), &zvol, &err), -TNS_E_PROTOCOL);
    ck_assert(err.flags & TNS_F_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(a_zvol_that_is_still_there_after_a_delete_is_a_conflict)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V26, JS);
    fake_reply(json_true());
    fake_reply(json_pack("[o]", dataset_row(ZVOL)));
    tst_fails(op_delete(&err), TNS_E_CONFLICT, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 2);
}
END_TEST

START_TEST(a_delete_that_is_asked_again_is_two_calls)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V26, JS);
    fake_reply(json_true());
    fake_reply(json_array());
    tst_ok(op_delete(&err), &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 2);
}
END_TEST

START_TEST(a_delete_whose_read_back_fails_has_an_unknown_outcome)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V26, JS);
    fake_reply(json_true());
    fake_fail(-32001, 14, "[EFAULT] no idea");
    ck_assert_int_eq(op_delete(&err), -TNS_E_SERVER);
    ck_assert(err.flags & TNS_F_OUTCOME_UNKNOWN);
}
END_TEST

/* ---- tags ---- */

static json_t *made_with(const char *owner)
{
    json_t *row = dataset_row(ZVOL);

    json_object_set_new(row, "user_properties",
                        owner ? json_pack("{s: {s: s}}", "org.tnstor:owner", "rawvalue",
                                          owner)
                              : json_object());
    return row;
}

START_TEST(tags_that_the_creation_dropped_are_written_and_compared)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:owner", "me");
    const struct tns_zvol_spec spec = { .id = ZVOL,
                                        .volsize_bytes = 1 << 20,
                                        .tags = tags };
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V26, JS);
    fake_reply(made_with(NULL));
    fake_reply(made_with("me")); /* the update shows them: nothing more to ask */
    tst_ok(tns__zvol_create(fake_session(), &spec, &err), &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 2);
    ck_assert_str_eq(fake_method(1), "pool.dataset.update");

    fake_open(V26, JS);
    fake_reply(made_with(NULL));
    fake_reply(json_null()); /* the update shows nothing: read back */
    fake_reply(json_pack("[o]", made_with("me")));
    tst_ok(tns__zvol_create(fake_session(), &spec, &err), &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 3);

    fake_open(V26, JS);
    fake_reply(made_with(NULL));
    fake_reply(json_null());
    fake_reply(json_pack("[o]", made_with("somebody")));
    tst_fails(tns__zvol_create(fake_session(), &spec, &err), TNS_E_SERVER, &err);
}
END_TEST

START_TEST(tags_that_the_creation_shows_need_no_second_call)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:owner", "me");
    const struct tns_zvol_spec spec = { .id = ZVOL,
                                        .volsize_bytes = 1 << 20,
                                        .tags = tags };
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2510, JS);
    fake_reply(made_with("me"));
    tst_ok(tns__zvol_create(fake_session(), &spec, &err), &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 1);
}
END_TEST

START_TEST(a_batched_creation_that_shows_other_tags_has_an_unknown_outcome)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:owner", "me");
    const struct tns_zvol_spec spec = { .id = ZVOL,
                                        .volsize_bytes = 1 << 20,
                                        .tags = tags };
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2510, JS);
    b = tns__batch_new(fake_session());
    tns__zvol_create_put(b, &spec);
    fake_reply(made_with("you"));
    ck_assert_int_eq(tns__batch_run(b, &err), -TNS_E_SERVER);
    ck_assert(err.flags & TNS_F_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(a_tag_is_removed_by_null)
{
    _tns_json_ json_t *tags = json_pack("{s: n}", "org.tnstor:next");
    struct tns_error err = TNS_ERROR_INIT;
    char *params;

    fake_open(V2510, JS);
    fake_reply(made_with("me"));
    tst_ok(tns__dataset_set_tags(fake_session(), ZVOL, tags, &err), &err);
    params = fake_params(0);
    ck_assert_str_eq(params, "[\"" ZVOL "\",{\"user_properties_update\":[{\"key\":"
                             "\"org.tnstor:next\",\"remove\":true}]}]");
    free(params);
}
END_TEST

/* ---- errors ---- */

static const struct {
    int remote_errno;
    const char *text;
    int code;
} refusals[] = {
    { 14, "[EFAULT] Failed to create dataset: cannot create 'x': dataset already exists",
      TNS_E_EXISTS },
    { 16, "[EBUSY] Failed to delete dataset: cannot destroy 'x': dataset is busy",
      TNS_E_CONFLICT },
    { 14, "[EFAULT] Failed to delete dataset: cannot destroy 'x': volume has children",
      TNS_E_CONFLICT },
    { 74, "[EBADMSG] Only cloned datasets can be promoted.", TNS_E_CONFLICT },
    { 22, "[EINVAL] zfs.resource.promote: 'x' is ineligible for promotion.",
      TNS_E_CONFLICT },
    { 22, "(sqlite3.IntegrityError) FOREIGN KEY constraint failed", TNS_E_NOTFOUND },
    { 22,
      "[EINVAL] pool_dataset_create.name: tank/e must be unlocked to create child "
      "datasets",
      TNS_E_LOCKED },
    { 205, "[EDATASETISLOCKED] no", TNS_E_LOCKED },
    { 13, "[EACCES] Not authorized", TNS_E_PERMISSION },
    { 22,
      "[EINVAL] pool_dataset_create.volsize: It is not recommended to use more than 80% of "
      "your available space for VOLUME",
      TNS_E_CAPACITY },
    { 14, "[EFAULT] out of space", TNS_E_CAPACITY },
    { 14, "[EFAULT] something new", TNS_E_SERVER },
};

START_TEST(refusals_are_typed_and_keep_the_words_of_the_nas_on_one_line)
{
    struct tns_error err = TNS_ERROR_INIT;
    int rc;

    fake_open(V2510, JS);
    fake_fail(-32001, refusals[_i].remote_errno, refusals[_i].text);
    fake_reply(json_pack("[{}]"));
    rc = op_delete(&err);
    ck_assert_msg(rc == -refusals[_i].code, "%s: answered %d", refusals[_i].text, rc);
    ck_assert_ptr_nonnull(strstr(err.text, strrchr(refusals[_i].text, ':')
                                               ? strrchr(refusals[_i].text, ':') + 2
                                               : "o"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert_str_eq(err.op, "pool.dataset.delete");
}
END_TEST

START_TEST(a_refused_snapshot_delete_names_the_clones_even_if_the_nas_did_not)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2212, DDP);
    fake_fail(0, 14, "[EFAULT] cannot destroy: snapshot has dependent clones");
    fake_reply(json_pack("[o]", fake_row("zfs.snapshot.query")));
    ck_assert_int_eq(tns__snapshot_delete(fake_session(), ZVOL, "snap1", &err),
                     -TNS_E_CONFLICT);
    tst_says(&err, "tank/vm/clone-102, tank/vm/clone-103");
}
END_TEST

START_TEST(snapshots_of_a_missing_zvol_are_an_empty_list_in_every_namespace)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_snapshot_list *l = NULL;

    fake_open(V26, JS);
    fake_fail(-32602, 2, "[ENOENT] zfs.resource.snapshot.query: 'x' not found");
    tst_ok(tns__snapshot_list(fake_session(), ZVOL, &l, &err), &err);
    ck_assert_uint_eq(l->n, 0);
    tns__snapshot_list_free(l);
}
END_TEST

START_TEST(other_failures_of_a_snapshot_list_stay_failures)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V26, JS);
    fake_fail(-32001, 13, "[EACCES] Not authorized");
    tst_fails(op_snapshots(&err), TNS_E_PERMISSION, &err);
}
END_TEST

/* ---- secrets ---- */

START_TEST(a_chap_password_of_the_wrong_length_is_refused_here_and_not_shown)
{
    _tns_secret_ struct tns_secret *bad = tns__secret_new("CaNaRyShort", 11);
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(V2510, JS);
    tst_fails(tns__auth_create(fake_session(), 1, "u", bad, NULL, NULL, NULL, &err),
              TNS_E_CONFIG, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
}
END_TEST

static void add_more(TCase *tc)
{
    tcase_add_test(tc, tags_that_the_creation_dropped_are_written_and_compared);
    tcase_add_test(tc, tags_that_the_creation_shows_need_no_second_call);
    tcase_add_test(tc, a_batched_creation_that_shows_other_tags_has_an_unknown_outcome);
    tcase_add_test(tc, a_tag_is_removed_by_null);
    tcase_add_loop_test(tc, refusals_are_typed_and_keep_the_words_of_the_nas_on_one_line, 0,
                        (int)TNS_ARRAY_LEN(refusals));
    tcase_add_test(tc, a_refused_snapshot_delete_names_the_clones_even_if_the_nas_did_not);
    tcase_add_test(tc, snapshots_of_a_missing_zvol_are_an_empty_list_in_every_namespace);
    tcase_add_test(tc, other_failures_of_a_snapshot_list_stay_failures);
    tcase_add_test(tc, a_chap_password_of_the_wrong_length_is_refused_here_and_not_shown);
}

static Suite *suite(void)
{
    Suite *s = suite_create("nas_requests");
    TCase *tc = tcase_create("requests");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_release_is_asked_in_its_own_words, 0,
                        (int)TNS_ARRAY_LEN(requests));
    tcase_add_test(tc, what_a_release_cannot_do_is_said_and_not_tried);
    tcase_add_test(tc, a_private_method_that_is_not_there_is_unsupported);
    tcase_add_loop_test(tc, a_bad_name_is_refused_and_nothing_is_sent, 0,
                        (int)TNS_ARRAY_LEN(bad_names));
    tcase_add_test(tc, a_bad_put_in_a_batch_keeps_the_whole_batch_at_home);
    tcase_add_test(tc, rows_that_were_not_asked_for_are_left_out);
    tcase_add_test(tc,
                   children_are_taken_out_of_their_parents_row_where_the_reply_is_nested);
    tcase_add_loop_test(tc,
                        children_of_a_parent_that_is_missing_are_an_error_and_no_empty_list,
                        0, 2);
    tcase_add_test(tc, a_missing_dataset_of_a_missing_pool_is_unavailable);
    tcase_add_test(tc, two_rows_for_one_name_are_refused);
    tcase_add_test(tc, two_extents_with_one_id_are_refused);
    tcase_add_test(tc, a_reply_to_a_change_that_makes_no_sense_leaves_the_outcome_unknown);
    tcase_add_test(tc, a_zvol_that_is_still_there_after_a_delete_is_a_conflict);
    tcase_add_test(tc, a_delete_that_is_asked_again_is_two_calls);
    tcase_add_test(tc, a_delete_whose_read_back_fails_has_an_unknown_outcome);
    add_more(tc);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
