/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: set once, prefixed, one clean line, and a stable word for every code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "common/tst.h"

START_TEST(test_first_error_wins)
{
    struct tns_error err = TNS_ERROR_INIT;

    ck_assert_int_eq(tns__error_set(&err, TNS_E_AUTH, "key %d", 7), -TNS_E_AUTH);
    ck_assert_int_eq(tns__error_set(&err, TNS_E_BUSY, "later"), -TNS_E_AUTH);
    ck_assert_int_eq(err.code, TNS_E_AUTH);
    ck_assert_str_eq(err.text, "key 7");
}
END_TEST

START_TEST(test_without_an_error_struct_the_code_is_still_answered)
{
    ck_assert_int_eq(tns__error_set(NULL, TNS_E_AUTH, "x"), -TNS_E_AUTH);
    ck_assert_int_eq(tns__error_errno(NULL, TNS_E_DEVICE, EIO, "x"), -TNS_E_DEVICE);
    ck_assert_int_eq(tns__error_nomem(NULL), -TNS_E_NOMEM);
    ck_assert_int_eq(tns__error_prefix(NULL, "x"), 0);
    tns__error_clear(NULL);
}
END_TEST

START_TEST(test_errno_is_put_into_words)
{
    struct tns_error err = TNS_ERROR_INIT;

    tns__error_errno(&err, TNS_E_DEVICE, ENOSPC, "cannot write %s", "/x");
    ck_assert_str_eq(err.text, "cannot write /x: No space left on device");
    ck_assert_int_eq(err.sys_errno, ENOSPC);
    tns__error_clear(&err);
    tns__error_errno(&err, TNS_E_DEVICE, 99999, "odd");
    ck_assert_str_eq(err.text, "odd: errno 99999");
}
END_TEST

START_TEST(test_context_goes_in_front)
{
    struct tns_error err = TNS_ERROR_INIT;

    ck_assert_int_eq(tns__error_prefix(&err, "nothing failed"), 0);
    ck_assert_str_eq(err.text, "");
    tns__error_set(&err, TNS_E_NOTFOUND, "no such zvol");
    ck_assert_int_eq(tns__error_prefix(&err, "freeing %s", "vm-1-disk-0"), -TNS_E_NOTFOUND);
    ck_assert_str_eq(err.text, "freeing vm-1-disk-0: no such zvol");
}
END_TEST

START_TEST(test_text_is_one_clean_line)
{
    struct tns_error err = TNS_ERROR_INIT;

    tns__error_set(&err, TNS_E_SERVER, "%s",
                   "a\nb\tc\x1b[31m\x7f d\xc3\xa9 \xff\xfe \xc2\x9b!");
    ck_assert_str_eq(err.text, "a b c [31m  d\xc3\xa9 ??   !");
}
END_TEST

START_TEST(test_bad_utf8_never_passes)
{
    static const char *const bad[] = { "\xc0\xaf",         "\xe0\x80\xaf",
                                       "\xed\xa0\x80",     "\xf0\x80\x80\xaf",
                                       "\xf4\x90\x80\x80", "\xf8",
                                       "\xe2\x82" };
    char text[16];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        strcpy(text, bad[i]);
        tns__text_clean(text);
        ck_assert_msg(strspn(text, "?") == strlen(bad[i]), "sequence %zu became %s", i,
                      text);
    }
    strcpy(text, "\xe2\x82\xac \xf0\x9f\x92\xbe");
    tns__text_clean(text);
    ck_assert_str_eq(text, "\xe2\x82\xac \xf0\x9f\x92\xbe");
}
END_TEST

START_TEST(test_long_text_is_cut_between_characters)
{
    struct tns_error err = TNS_ERROR_INIT;
    char text[1201] = "x";

    for (size_t i = 0; i < 599; i++)
        memcpy(text + 1 + 2 * i, "\xc3\xa9", 2);
    tns__error_set(&err, TNS_E_SERVER, "%s", text);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);

    tns__error_clear(&err);
    tns__error_set(&err, TNS_E_SERVER, "%s", text + 1);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 2);
    tns__text_clean(err.text);
    ck_assert_ptr_null(strchr(err.text, '?'));
}
END_TEST

START_TEST(test_a_secret_at_the_cut_does_not_survive_in_part)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_secret *key = tns__secret_new(TST_CANARY_KEY, strlen(TST_CANARY_KEY));
    size_t room = sizeof(err.text) - 1;

    for (size_t before = room - 70; before <= room; before++) {
        tns__error_clear(&err);
        tns__error_set(&err, TNS_E_AUTH, "%*s%s tail", (int)before, "", TST_CANARY_KEY);
        ck_assert_ptr_null(strstr(err.text, "CaNa"));
        tns__error_clear(&err);
        tns__error_set(&err, TNS_E_AUTH, "%s", TST_CANARY_KEY);
        tns__error_prefix(&err, "%*s", (int)before, "");
        ck_assert_ptr_null(strstr(err.text, "CaNa"));
    }
    tns__secret_free(key);
}
END_TEST

START_TEST(test_copy_moves_only_into_an_empty_error)
{
    struct tns_error from = TNS_ERROR_INIT, to = TNS_ERROR_INIT;

    tns__error_set(&from, TNS_E_BUSY, "wait");
    from.retry_after_ms = 500;
    from.flags = TNS_F_RETRYABLE;
    ck_assert_int_eq(tns__error_copy(&to, &from), -TNS_E_BUSY);
    ck_assert_uint_eq(to.retry_after_ms, 500);
    ck_assert_uint_eq(to.flags, TNS_F_RETRYABLE);

    tns__error_clear(&from);
    tns__error_set(&from, TNS_E_TLS, "other");
    tns__error_copy(&to, &from);
    ck_assert_int_eq(to.code, TNS_E_BUSY);
}
END_TEST

START_TEST(test_every_code_has_its_own_word)
{
    for (int a = 0; a <= TNS_E_BUG; a++) {
        ck_assert_str_ne(tns_code_name(a), "unknown");
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(tns_code_name(a), tns_code_name(b));
    }
    ck_assert_str_eq(tns_code_name(-1), "unknown");
    ck_assert_str_eq(tns_code_name(TNS_E_BUG + 1), "unknown");
}
END_TEST

START_TEST(test_the_version_is_the_header_s)
{
    char want[32];

    snprintf(want, sizeof(want), "%d.%d.%d", TNS_VERSION_MAJOR, TNS_VERSION_MINOR,
             TNS_VERSION_PATCH);
    ck_assert_str_eq(tns_version_string(), want);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("error");
    TCase *tc = tcase_create("error");

    tcase_add_test(tc, test_first_error_wins);
    tcase_add_test(tc, test_without_an_error_struct_the_code_is_still_answered);
    tcase_add_test(tc, test_errno_is_put_into_words);
    tcase_add_test(tc, test_context_goes_in_front);
    tcase_add_test(tc, test_text_is_one_clean_line);
    tcase_add_test(tc, test_bad_utf8_never_passes);
    tcase_add_test(tc, test_long_text_is_cut_between_characters);
    tcase_add_test(tc, test_a_secret_at_the_cut_does_not_survive_in_part);
    tcase_add_test(tc, test_copy_moves_only_into_an_empty_error);
    tcase_add_test(tc, test_every_code_has_its_own_word);
    tcase_add_test(tc, test_the_version_is_the_header_s);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
