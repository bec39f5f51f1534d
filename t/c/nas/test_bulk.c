/* SPDX-License-Identifier: Apache-2.0 */
/* core.bulk: outcomes of items, the size of requests, and what is said of items not tried. */
#include "nas/fake.h"

#include <stdio.h>

#define V2410 "TrueNAS-SCALE-24.10.2.4"
#define V2510 "TrueNAS-25.10.2.1"
#define ZVOL "tank/vm/vm-101-disk-0"
#define JS TNS_DIALECT_JSONRPC
#define REST TNS_DIALECT_REST

START_TEST(bulk_items_have_errors_of_their_own)
{
    _tns_json_ json_t *rows = json_pack("[[s], [s]]", ZVOL "@a", ZVOL "@missing");
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[2];

    fake_open(V2510, JS);
    fake_reply(json_pack("[{s: n, s: b, s: n}, {s: n, s: n, s: s}]", "job_id", "result", 1,
                         "error", "job_id", "result", "error",
                         "[ENOENT] None: PoolSnapshot x does not exist"));
    ck_assert_int_eq(tns__bulk(fake_session(), "pool.snapshot.delete", rows, 0, each, &err),
                     -TNS_E_NOTFOUND);
    ck_assert_int_eq(each[0].code, 0);
    ck_assert_int_eq(each[1].code, TNS_E_NOTFOUND);
    ck_assert_str_eq(fake_method(0), "core.bulk");
}
END_TEST

static const char *operation(size_t i)
{
    return json_string_value(
        json_array_get(json_array_get(json_array_get(fake.sent, i), 1), 2));
}

START_TEST(C09_each_request_of_a_bulk_is_an_operation_that_can_be_found_again)
{
    _tns_json_ json_t *rows = json_pack("[[s]]", ZVOL "@a");
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[1];

    fake_open(V2510, JS);
    for (int i = 0; i < 2; i++) {
        fake_reply(json_pack("[{s: b, s: n}]", "result", 1, "error"));
        tst_ok(tns__bulk(fake_session(), "pool.snapshot.delete", rows, 0, each, &err),
               &err);
        ck_assert_uint_eq(strlen(operation((size_t)i)), 36);
    }
    ck_assert_str_ne(operation(0), operation(1));
}
END_TEST

static json_t *many_rows(size_t n)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < n; i++) {
        char name[128];

        snprintf(name, sizeof(name), "tank/a-rather-long-name-of-a-dataset/vm-%zu-disk-0@s",
                 i);
        json_array_append_new(rows, json_pack("[s, {s: b}]", name, "defer", 0));
    }
    return rows;
}

static json_t *good_items(size_t n)
{
    json_t *items = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(items, json_pack("{s: b, s: n}", "result", 1, "error"));
    return items;
}

START_TEST(no_request_of_a_bulk_is_larger_than_60_kb)
{
    const size_t n = 2000;
    _tns_json_ json_t *rows = many_rows(n);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error *each = tns__calloc(n, sizeof(*each));
    size_t sent = 0;

    /* A dry run, each chunk refused at once, would end at the first: learn the sizes one by one. */
    fake_open(V2510, JS);
    while (sent < n) {
        fake_open(V2510, JS);
        _tns_json_ json_t *rest = json_array();

        for (size_t i = sent; i < n; i++)
            json_array_append(rest, json_array_get(rows, i));
        tns__bulk(fake_session(), "zfs.snapshot.delete", rest, 0, each, &err);
        tns__error_clear(&err);
        ck_assert_uint_le(fake.longest, 60000);
        sent += json_array_size(
            json_array_get(json_array_get(json_array_get(fake.sent, 0), 1), 1));
    }
    ck_assert_uint_eq(sent, n);
    tns__free(each);
}
END_TEST

START_TEST(a_bulk_of_two_requests_reads_both_replies)
{
    const size_t n = 700;
    _tns_json_ json_t *rows = many_rows(n);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[700];
    size_t first;

    fake_open(V2510, JS);
    tns__bulk(fake_session(), "zfs.snapshot.delete", rows, 0, each, &err);
    tns__error_clear(&err);
    first =
        json_array_size(json_array_get(json_array_get(json_array_get(fake.sent, 0), 1), 1));
    ck_assert_uint_lt(first, n);
    fake_open(V2510, JS);
    fake_reply(good_items(first));
    fake_reply(good_items(n - first));
    tst_ok(tns__bulk(fake_session(), "zfs.snapshot.delete", rows, 0, each, &err), &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 2);
}
END_TEST

START_TEST(what_comes_behind_a_lost_bulk_was_not_tried)
{
    const size_t n = 700;
    _tns_json_ json_t *rows = many_rows(n);
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[700];

    fake_open(V2510, JS);
    fake_reply(json_string("no list"));
    ck_assert_int_eq(tns__bulk(fake_session(), "zfs.snapshot.delete", rows, 0, each, &err),
                     -TNS_E_PROTOCOL);
    ck_assert(each[0].flags & TNS_F_OUTCOME_UNKNOWN);
    ck_assert(!(each[n - 1].flags & TNS_F_OUTCOME_UNKNOWN));
    ck_assert(each[n - 1].flags & TNS_F_RETRYABLE);
    ck_assert(err.flags & TNS_F_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(an_item_that_alone_is_too_large_sends_nothing)
{
    char *big = tns__calloc(60001, 1);
    _tns_json_ json_t *rows = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[2];

    memset(big, 'x', 60000);
    rows = json_pack("[[s], [s]]", "small", big);
    fake_open(V2510, JS);
    tst_fails(tns__bulk(fake_session(), "zfs.snapshot.delete", rows, 0, each, &err),
              TNS_E_USAGE, &err);
    ck_assert_uint_eq(json_array_size(fake.sent), 0);
    tns__free(big);
}
END_TEST

START_TEST(without_core_bulk_the_calls_go_one_by_one)
{
    _tns_json_ json_t *rows = json_pack("[[s], [s]]", ZVOL "@a", ZVOL "@b");
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_error each[2];

    fake_open(V2410, REST);
    fake_reply(json_true());
    fake_fail(0, 14, "[EFAULT] dataset is busy");
    ck_assert_int_eq(tns__bulk(fake_session(), "zfs.snapshot.delete", rows, 0, each, &err),
                     -TNS_E_CONFLICT);
    ck_assert_int_eq(each[0].code, 0);
    ck_assert_int_eq(each[1].code, TNS_E_CONFLICT);
    ck_assert_str_eq(fake_method(1), "zfs.snapshot.delete");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("nas_bulk");
    TCase *tc = tcase_create("bulk");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bulk_items_have_errors_of_their_own);
    tcase_add_test(tc, C09_each_request_of_a_bulk_is_an_operation_that_can_be_found_again);
    tcase_add_test(tc, no_request_of_a_bulk_is_larger_than_60_kb);
    tcase_add_test(tc, a_bulk_of_two_requests_reads_both_replies);
    tcase_add_test(tc, what_comes_behind_a_lost_bulk_was_not_tried);
    tcase_add_test(tc, an_item_that_alone_is_too_large_sends_nothing);
    tcase_add_test(tc, without_core_bulk_the_calls_go_one_by_one);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
