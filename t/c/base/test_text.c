/* SPDX-License-Identifier: Apache-2.0 */
/* The small helpers, and memory that fails when it is told to. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "common/tst.h"

START_TEST(test_fmt_refuses_instead_of_cutting)
{
    char buf[4];

    ck_assert(tns__fmt(buf, sizeof(buf), "%d", 123));
    ck_assert_str_eq(buf, "123");
    ck_assert(!tns__fmt(buf, sizeof(buf), "%d", 1234));
}
END_TEST

START_TEST(test_numbers_are_digits_and_nothing_else)
{
    static const char *const bad[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "0x1",
        "1.0",
        "1e3",
        "18446744073709551616",
        "99999999999999999999999",
        "\xd9\xa1",
    };
    uint64_t value = 7;

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++)
        ck_assert_msg(!tns__parse_u64(bad[i], &value), "%s was taken", bad[i]);
    ck_assert(!tns__parse_u64(NULL, &value));
    ck_assert_uint_eq(value, 7);
    ck_assert(tns__parse_u64("18446744073709551615", &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert(tns__parse_u64("007", &value));
    ck_assert_uint_eq(value, 7);
}
END_TEST

START_TEST(test_starts_with)
{
    ck_assert(tns__starts_with("iqn.2005", "iqn."));
    ck_assert(tns__starts_with("x", ""));
    ck_assert(!tns__starts_with("iq", "iqn"));
}
END_TEST

START_TEST(test_uuids_are_well_formed_and_differ)
{
    char a[37], b[37];

    for (int i = 0; i < 200; i++) {
        ck_assert(tns__uuid_new(a));
        ck_assert(tns__uuid_new(b));
        ck_assert_str_ne(a, b);
        ck_assert_uint_eq(strlen(a), 36);
        ck_assert_uint_eq(strspn(a, "0123456789abcdef-"), 36);
        ck_assert(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
        ck_assert_int_eq(a[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", a[19]));
    }
}
END_TEST

START_TEST(test_sha256_is_the_standard_s_first_bytes)
{
    char hex[65];

    /* FIPS 180-2, appendix B.1 */
    ck_assert(tns__sha256_hex("abc", 3, 32, hex));
    ck_assert_str_eq(hex,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(tns__sha256_hex("abc", 3, 4, hex));
    ck_assert_str_eq(hex, "ba7816bf");
    ck_assert(!tns__sha256_hex("abc", 3, 33, hex));
}
END_TEST

START_TEST(test_memory_comes_zeroed_and_sizes_do_not_wrap)
{
    _tns_free_ char *p = tns__alloc(100);
    _tns_free_ char *nothing = tns__alloc(0);

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(p[i], 0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_null(tns__calloc(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(tns__realloc(NULL, SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(test_exactly_the_chosen_allocation_fails)
{
    void *p[3];

    tns__mem_fail_at(2);
    p[0] = tns__alloc(1);
    errno = 0;
    p[1] = tns__strdup("x");
    ck_assert_int_eq(errno, ENOMEM);
    p[2] = tns__asprintf("%d", 1);
    ck_assert_uint_eq(tns__mem_count(), 3);
    tns__mem_fail_at(0);
    ck_assert_ptr_nonnull(p[0]);
    ck_assert_ptr_null(p[1]);
    ck_assert_ptr_nonnull(p[2]);
    tns__free(p[0]);
    tns__free(p[2]);
}
END_TEST

START_TEST(test_strings_are_copied_up_to_their_length)
{
    _tns_free_ char *a = tns__strndup("abc", 2);
    _tns_free_ char *b = tns__strndup("abc", 9);
    _tns_free_ char *c = tns__asprintf("%s-%d", "x", 5);

    ck_assert_str_eq(a, "ab");
    ck_assert_str_eq(b, "abc");
    ck_assert_str_eq(c, "x-5");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("text");
    TCase *tc = tcase_create("text");

    tcase_add_test(tc, test_fmt_refuses_instead_of_cutting);
    tcase_add_test(tc, test_numbers_are_digits_and_nothing_else);
    tcase_add_test(tc, test_starts_with);
    tcase_add_test(tc, test_uuids_are_well_formed_and_differ);
    tcase_add_test(tc, test_sha256_is_the_standard_s_first_bytes);
    tcase_add_test(tc, test_memory_comes_zeroed_and_sizes_do_not_wrap);
    tcase_add_test(tc, test_exactly_the_chosen_allocation_fails);
    tcase_add_test(tc, test_strings_are_copied_up_to_their_length);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
