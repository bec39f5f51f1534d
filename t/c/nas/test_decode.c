/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of the examples become structs; replies that make no sense become protocol errors. */
#include "nas/fake.h"

#include <stdlib.h>

/* ---- each kind of list, through one door ---- */

struct kind {
    const char *row;     /* in rows.json */
    const char *version; /* that answers it */
    int (*list)(struct tns_error *err);
    const char *must; /* keys that must be there, separated by blanks */
};

static struct tns_dataset_list *datasets;
static struct tns_snapshot_list *snapshots;
static struct tns_extent_list *extents;
static struct tns_mapping_list *mappings;
static struct tns_target_list *targets;
static struct tns_portal_list *portals;
static struct tns_initiator_list *initiators;
static struct tns_auth_list *auths;
static struct tns_iscsi_session_list *sessions;
static struct tns_pool_list *pools;

#define FREE(list, free_)                                                                  \
    do {                                                                                   \
        free_(list);                                                                       \
        (list) = NULL;                                                                     \
    } while (0)

static void free_lists(void)
{
    FREE(datasets, tns__dataset_list_free);
    FREE(snapshots, tns__snapshot_list_free);
    FREE(extents, tns__extent_list_free);
    FREE(mappings, tns__mapping_list_free);
    FREE(targets, tns__target_list_free);
    FREE(portals, tns__portal_list_free);
    FREE(initiators, tns__initiator_list_free);
    FREE(auths, tns__auth_list_free);
    FREE(sessions, tns__iscsi_session_list_free);
    FREE(pools, tns__pool_list_free);
}

#define PUT_AND_RUN(put)                                                                   \
    {                                                                                      \
        _tns_batch_ struct tns_batch *b = tns__batch_new(fake_session());                  \
        put;                                                                               \
        return tns__batch_run(b, err);                                                     \
    }

static int list_dataset(struct tns_error *err)
{
    const struct tns_dataset_filter f = { .id = "tank/vm/vm-101-disk-0",
                                          .with_tags = true };

    return tns__dataset_list(fake_session(), &f, &datasets, err);
}
static int list_snapshot(struct tns_error *err)
{
    return tns__snapshot_list(fake_session(), "tank/vm/vm-101-disk-0", &snapshots, err);
}
static int list_extent(struct tns_error *err) PUT_AND_RUN(
    tns__extent_list_put(b, NULL, &extents)) static int list_mapping(struct tns_error *err)
    PUT_AND_RUN(tns__mapping_list_put(b, NULL, &mappings)) static int list_target(
        struct tns_error *err)
        PUT_AND_RUN(tns__target_list_put(b, &targets)) static int list_portal(
            struct tns_error *err)
            PUT_AND_RUN(tns__portal_list_put(b, &portals)) static int list_initiator(
                struct tns_error *err)
                PUT_AND_RUN(tns__initiator_list_put(b, &initiators)) static int list_auth(
                    struct tns_error *err)
                    PUT_AND_RUN(tns__auth_list_put(b, &auths)) static int list_session(
                        struct tns_error *err)
                        PUT_AND_RUN(tns__iscsi_session_list_put(
                            b, &sessions)) static int list_pool(struct tns_error *err)
{
    return tns__pool_list(fake_session(), &pools, err);
}

static const struct kind kinds[] = {
    { "pool.dataset.query 25.10", "TrueNAS-25.10.2.1", list_dataset,
      "id type pool used volsize user_properties" },
    { "pool.dataset.query 22.12", "TrueNAS-SCALE-22.12.4.2", list_dataset,
      "id type pool used volsize user_properties" },
    { "zfs.snapshot.query", "TrueNAS-25.04.2.6", list_snapshot,
      "name dataset snapshot_name createtxg properties" },
    { "zfs.resource.snapshot.query", "TrueNAS-26.0.0-BETA.3", list_snapshot,
      "name dataset snapshot_name createtxg properties" },
    { "iscsi.extent.query", "TrueNAS-25.10.2.1", list_extent,
      "id name naa blocksize enabled ro" },
    { "iscsi.targetextent.query", "TrueNAS-25.10.2.1", list_mapping,
      "id target extent lunid" },
    { "iscsi.target.query", "TrueNAS-25.10.2.1", list_target, "id name groups" },
    { "iscsi.portal.query", "TrueNAS-25.10.2.1", list_portal, "id listen" },
    { "iscsi.initiator.query", "TrueNAS-25.10.2.1", list_initiator, "id initiators" },
    { "iscsi.auth.query", "TrueNAS-25.10.2.1", list_auth, "id tag user" },
    { "iscsi.global.sessions", "TrueNAS-25.10.2.1", list_session,
      "initiator initiator_addr target" },
    { "pool.query", "TrueNAS-25.10.2.1", list_pool, "name guid status healthy" },
};

static bool is_must(const struct kind *k, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = strstr(k->must, key); p; p = strstr(p + 1, key)) {
        if ((p == k->must || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
            return true;
    }
    return false;
}

static int list_row(const struct kind *k, json_t *row, struct tns_error *err)
{
    int rc;

    fake_open(k->version, TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", row));
    rc = k->list(err);
    free_lists();
    return rc;
}

START_TEST(each_kind_of_row_is_read)
{
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(list_row(&kinds[_i], fake_row(kinds[_i].row), &err), &err);
}
END_TEST

START_TEST(a_required_field_that_is_missing_is_a_protocol_error_and_others_are_not)
{
    const struct kind *k = &kinds[_i];
    _tns_json_ json_t *row = fake_row(k->row);
    const char *key;
    json_t *value;

    json_object_foreach(row, key, value)
    {
        struct tns_error err = TNS_ERROR_INIT;
        json_t *poor = json_deep_copy(row);
        int rc;

        (void)value;
        json_object_del(poor, key);
        rc = list_row(k, poor, &err);
        ck_assert_msg((rc == -TNS_E_PROTOCOL) == is_must(k, key),
                      "%s without %s: answered %d: %s", k->row, key, rc, err.text);
    }
}
END_TEST

START_TEST(a_required_field_of_another_type_is_a_protocol_error)
{
    const struct kind *k = &kinds[_i];
    _tns_json_ json_t *row = fake_row(k->row);
    const char *key;
    json_t *value;

    json_object_foreach(row, key, value)
    {
        json_t *wrong = json_deep_copy(row);
        struct tns_error err = TNS_ERROR_INIT;
        int rc;

        json_object_set_new(wrong, key,
                            json_is_object(value) ? json_array() : json_object());
        rc = list_row(k, wrong, &err);
        if (is_must(k, key))
            ck_assert_msg(rc == -TNS_E_PROTOCOL, "%s with a wrong %s: answered %d: %s",
                          k->row, key, rc, err.text);
    }
}
END_TEST

START_TEST(fields_that_nobody_knows_are_ignored)
{
    json_t *row = fake_row(kinds[_i].row);
    struct tns_error err = TNS_ERROR_INIT;

    json_object_set_new(row, "brand_new", json_pack("{s: [i]}", "x", 1));
    tst_ok(list_row(&kinds[_i], row, &err), &err);
}
END_TEST

START_TEST(a_reply_that_is_no_list_is_a_protocol_error)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open(kinds[_i].version, TNS_DIALECT_JSONRPC);
    fake_reply(json_null());
    tst_fails(kinds[_i].list(&err), TNS_E_PROTOCOL, &err);
    fake_open(kinds[_i].version, TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[i]", 5));
    tst_fails(kinds[_i].list(&err), TNS_E_PROTOCOL, &err);
}
END_TEST

static int sweep_kind(void *user, struct tns_error *err)
{
    const struct kind *k = user;
    int rc;

    fake.next = 0;
    json_array_clear(fake.sent);
    rc = k->list(err);
    free_lists();
    return rc;
}

START_TEST(any_allocation_may_fail_while_a_list_is_read)
{
    struct kind k = kinds[_i];

    fake_open(k.version, TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", fake_row(k.row)));
    tst_alloc_sweep(sweep_kind, &k, NULL);
}
END_TEST

/* ---- what is in the structs ---- */

START_TEST(a_dataset_has_the_sizes_the_raw_origin_and_only_tags_with_a_colon)
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_dataset *d;

    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", fake_row("pool.dataset.query 25.10")));
    tst_ok(list_dataset(&err), &err);
    ck_assert_uint_eq(datasets->n, 1);
    d = &datasets->items[0];
    ck_assert_str_eq(d->id, "tank/vm/vm-101-disk-0");
    ck_assert_int_eq(d->type, TNS_DATASET_VOLUME);
    ck_assert_uint_eq(d->volsize_bytes, 10737418240u);
    ck_assert_uint_eq(d->volblocksize_bytes, 16384);
    ck_assert_uint_eq(d->used_bytes, 57344);
    ck_assert_uint_eq(d->available_bytes, 966367641600u);
    ck_assert_int_eq(d->creation_s, 1763712000);
    ck_assert_uint_eq(d->refreservation_bytes, 0);
    /* value is upper-cased on 25.10 */
    ck_assert_str_eq(d->origin, "tank/vm/base-100-disk-0@__base__");
    ck_assert(!d->locked && !d->readonly);
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:owner"), "0b0e");
    /* 25.10 lists comments among the user properties */
    ck_assert_uint_eq(json_object_size(d->tags), 2);
    free_lists();
}
END_TEST

START_TEST(a_snapshot_tells_txg_holds_clones_and_tags_in_the_older_shape)
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_snapshot *sn;

    fake_open("TrueNAS-25.04.2.6", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", fake_row("zfs.snapshot.query")));
    tst_ok(list_snapshot(&err), &err);
    ck_assert_uint_eq(snapshots->n, 1);
    sn = &snapshots->items[0];
    ck_assert_str_eq(sn->name, "snap1");
    ck_assert_uint_eq(sn->createtxg, 18342);
    ck_assert_uint_eq(sn->volsize_bytes, 10737418240u);
    ck_assert(sn->held);
    ck_assert_uint_eq(json_array_size(sn->clones), 2);
    ck_assert_str_eq(json_string_value(json_array_get(sn->clones, 1)), "tank/vm/clone-103");
    ck_assert_str_eq(json_string_value(json_object_get(sn->tags, "org.tnstor:op")), "7c1d");
    free_lists();
}
END_TEST

START_TEST(a_snapshot_of_zfs_resource_tells_the_same_but_no_clones)
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_snapshot *sn;

    fake_open("TrueNAS-26.0.0-BETA.3", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", fake_row("zfs.resource.snapshot.query")));
    tst_ok(list_snapshot(&err), &err);
    sn = &snapshots->items[0];
    ck_assert_uint_eq(sn->createtxg, 18342);
    ck_assert_int_eq(sn->creation_s, 1763712300);
    ck_assert_uint_eq(sn->referenced_bytes, 57344);
    ck_assert(sn->held);
    ck_assert_ptr_null(sn->clones);
    ck_assert_str_eq(json_string_value(json_object_get(sn->tags, "org.tnstor:op")), "7c1d");
    free_lists();
}
END_TEST

START_TEST(snapshots_come_oldest_first)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *rows = json_array();

    fake_open("TrueNAS-25.04.2.6", TNS_DIALECT_JSONRPC);
    for (int i = 0; i < 3; i++) {
        json_t *row = fake_row("zfs.snapshot.query");

        json_object_set_new(row, "createtxg",
                            json_string(i == 0   ? "100"
                                        : i == 1 ? "9"
                                                 : "20"));
        json_array_append_new(rows, row);
    }
    fake_reply(rows);
    tst_ok(list_snapshot(&err), &err);
    ck_assert_uint_eq(snapshots->items[0].createtxg, 9);
    ck_assert_uint_eq(snapshots->items[1].createtxg, 20);
    ck_assert_uint_eq(snapshots->items[2].createtxg, 100);
    free_lists();
}
END_TEST

static const struct {
    const char *sent, *read;
} naas[] = {
    { "0x6589cfc0000000e2e604715a982208e6", "6589cfc0000000e2e604715a982208e6" },
    { "0X6589CFC0000000E2E604715A982208E6", "6589cfc0000000e2e604715a982208e6" },
    { "6589cfc0000000e2e604715a982208e6", "6589cfc0000000e2e604715a982208e6" },
    { "0x6589cfc0000000e2", "" },
    { "", "" },
    { "0x6589cfc0000000e2e604715a982208e6f", "" },
    { "0x6589cfc0000000e2e604715a982208eg", "" },
};

START_TEST(a_naa_is_32_lower_case_digits_or_nothing)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *row = fake_row("iscsi.extent.query");

    json_object_set_new(row, "naa", json_string(naas[_i].sent));
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", row));
    tst_ok(list_extent(&err), &err);
    ck_assert_str_eq(extents->items[0].naa, naas[_i].read);
    free_lists();
}
END_TEST

START_TEST(a_file_extent_has_no_disk)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *row = fake_row("iscsi.extent.query");

    json_object_set_new(row, "type", json_string("FILE"));
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", row));
    tst_ok(list_extent(&err), &err);
    ck_assert_ptr_null(extents->items[0].disk);
    ck_assert_str_eq(extents->items[0].serial, "eefeac362540718");
    free_lists();
}
END_TEST

START_TEST(the_secret_of_a_chap_user_is_not_decoded)
{
    struct tns_error err = TNS_ERROR_INIT;

    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o]", fake_row("iscsi.auth.query")));
    tst_ok(list_auth(&err), &err);
    ck_assert_str_eq(auths->items[0].user, "chapuser");
    ck_assert_str_eq(auths->items[0].peer_user, "");
    ck_assert(json_integer_value(json_array_get(json_array_get(fake.sent, 0), 2)) &
              TNS_CALL_SECRET);
    free_lists();
}
END_TEST

START_TEST(a_draid_pool_is_recognised)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *row = fake_row("pool.query");

    json_object_set_new(
        json_array_get(json_object_get(json_object_get(row, "topology"), "data"), 0),
        "type", json_string("DRAID"));
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(json_pack("[o, o]", row, fake_row("pool.query")));
    tst_ok(list_pool(&err), &err);
    ck_assert(pools->items[0].draid);
    ck_assert(!pools->items[1].draid);
    free_lists();
}
END_TEST

/* ---- roles ---- */

START_TEST(roles_are_those_of_the_key_and_broad_ones_hold_narrow_ones)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_roles roles = { 0 };

    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(fake_row("auth.me"));
    tst_ok(tns__roles_get(fake_session(), &roles, &err), &err);
    ck_assert(roles.known && !roles.full_admin);
    ck_assert(!tns__roles_lack(&roles, "DATASET_WRITE"));
    ck_assert(!tns__roles_lack(&roles, "DATASET_READ"));
    ck_assert(!tns__roles_lack(&roles, "SHARING_ISCSI_EXTENT_WRITE"));
    ck_assert(tns__roles_lack(&roles, "DATASET_DELETE"));
    ck_assert(tns__roles_lack(&roles, "SERVICE_WRITE"));
    tns__roles_clear(&roles);
}
END_TEST

START_TEST(releases_that_cannot_tell_roles_are_not_asked)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_roles roles = { .known = true };

    fake_open("TrueNAS-SCALE-24.10.2.4", TNS_DIALECT_DDP);
    tst_ok(tns__roles_get(fake_session(), &roles, &err), &err);
    ck_assert(!roles.known);
    ck_assert(!tns__roles_lack(&roles, "DATASET_WRITE"));
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nas_decode");
    TCase *tc = tcase_create("decode");
    const int n = (int)TNS_ARRAY_LEN(kinds);

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_kind_of_row_is_read, 0, n);
    tcase_add_loop_test(
        tc, a_required_field_that_is_missing_is_a_protocol_error_and_others_are_not, 0, n);
    tcase_add_loop_test(tc, a_required_field_of_another_type_is_a_protocol_error, 0, n);
    tcase_add_loop_test(tc, fields_that_nobody_knows_are_ignored, 0, n);
    tcase_add_loop_test(tc, a_reply_that_is_no_list_is_a_protocol_error, 0, n);
    tcase_add_loop_test(tc, any_allocation_may_fail_while_a_list_is_read, 0, n);
    tcase_add_test(tc, a_dataset_has_the_sizes_the_raw_origin_and_only_tags_with_a_colon);
    tcase_add_test(tc, a_snapshot_tells_txg_holds_clones_and_tags_in_the_older_shape);
    tcase_add_test(tc, a_snapshot_of_zfs_resource_tells_the_same_but_no_clones);
    tcase_add_test(tc, snapshots_come_oldest_first);
    tcase_add_loop_test(tc, a_naa_is_32_lower_case_digits_or_nothing, 0,
                        (int)TNS_ARRAY_LEN(naas));
    tcase_add_test(tc, a_file_extent_has_no_disk);
    tcase_add_test(tc, the_secret_of_a_chap_user_is_not_decoded);
    tcase_add_test(tc, a_draid_pool_is_recognised);
    tcase_add_test(tc, roles_are_those_of_the_key_and_broad_ones_hold_narrow_ones);
    tcase_add_test(tc, releases_that_cannot_tell_roles_are_not_asked);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
