/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are kept apart, compared without a hint, and starred out of every text. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "common/tst.h"

static struct tns_secret *secret(const char *text)
{
    struct tns_secret *s = tns__secret_new(text, strlen(text));

    ck_assert_ptr_nonnull(s);
    return s;
}

START_TEST(test_a_secret_is_a_copy_with_its_length_and_a_nul)
{
    char text[] = "a\0b secret";
    _tns_secret_ struct tns_secret *s = tns__secret_new(text, sizeof(text) - 1);

    memset(text, 'x', sizeof(text) - 1);
    ck_assert_uint_eq(tns__secret_len(s), 10);
    ck_assert_mem_eq(tns__secret_bytes(s), "a\0b secret", 11);
    tns__secret_free(NULL);
}
END_TEST

START_TEST(test_secrets_of_every_size_around_a_page_are_whole)
{
    long page = sysconf(_SC_PAGESIZE);

    for (long len = page - 1; len <= page + 1; len++) {
        _tns_free_ char *text = tns__alloc((size_t)len + 1);
        _tns_secret_ struct tns_secret *s = NULL;

        memset(text, 'k', (size_t)len);
        s = tns__secret_new(text, (size_t)len);
        ck_assert_str_eq(tns__secret_bytes(s), text);
    }
    _tns_secret_ struct tns_secret *empty = tns__secret_new(NULL, 0);
    ck_assert_str_eq(tns__secret_bytes(empty), "");
}
END_TEST

START_TEST(test_equal_is_about_all_bytes)
{
    _tns_secret_ struct tns_secret *a = secret("one key");
    _tns_secret_ struct tns_secret *b = secret("one key");
    _tns_secret_ struct tns_secret *c = secret("one kez");
    _tns_secret_ struct tns_secret *d = secret("one key ");

    ck_assert(tns__secret_equal(a, b));
    ck_assert(!tns__secret_equal(a, c));
    ck_assert(!tns__secret_equal(a, d));
    ck_assert(!tns__secret_equal(a, NULL));
    ck_assert(tns__secret_equal(NULL, NULL));
}
END_TEST

/* The smaps entry of a mapping tells by "dd" that dumps leave it out. */
static bool is_left_out_of_dumps(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, found = false;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (unsigned long)p >= from && (unsigned long)p < to;
        if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    fclose(f);
    return found;
}

START_TEST(test_a_secret_is_left_out_of_core_dumps)
{
    _tns_secret_ struct tns_secret *s = secret("not in a dump");

    ck_assert(is_left_out_of_dumps(tns__secret_bytes(s)));
}
END_TEST

static void redacts(const char *before, const char *after)
{
    char text[512];

    strcpy(text, before);
    tns__redact(text);
    ck_assert_str_eq(text, after);
}

START_TEST(test_live_secrets_are_starred_wherever_they_stand)
{
    struct tns_secret *s = secret("hunter22");

    redacts("hunter22", "********");
    redacts("x hunter22hunter22, hunter2 hunter22", "x ****************, hunter2 ********");
    redacts("", "");
    tns__redact(NULL);
    tns__secret_free(s);
    redacts("hunter22", "hunter22");
}
END_TEST

START_TEST(test_secrets_are_starred_in_their_json_spelling)
{
    _tns_secret_ struct tns_secret *s = secret("a\"b\\c/d\nE");

    redacts("k: a\"b\\c/d\nE.", "k: *********.");
    redacts("{\"k\":\"a\\\"b\\\\c\\/d\\nE\"}", "{\"k\":\"*************\"}");
    redacts("\\u0061\\u0022b\\u005Cc\\u002fd\\u000a\\u0045",
            "***************************************");
    redacts("a\\\"b\\\\c\\/d", "a\\\"b\\\\c\\/d");
}
END_TEST

START_TEST(test_a_secret_of_a_backslash_is_found_raw_too)
{
    _tns_secret_ struct tns_secret *s = secret("pa\\nss1");

    redacts("pa\\nss1", "*******");
    redacts("pa\\\\nss1", "********");
}
END_TEST

START_TEST(test_short_secrets_do_not_blank_the_log)
{
    _tns_secret_ struct tns_secret *s = secret("a");
    _tns_secret_ struct tns_secret *e = secret("");

    redacts("a banana", "a banana");
}
END_TEST

START_TEST(test_what_looks_like_an_api_key_is_starred)
{
    char key[80], want[80];

    for (int letters = 63; letters <= 65; letters++) {
        int n =
            snprintf(key, sizeof(key), "12-%.*s", letters,
                     "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234");

        memset(want, '*', (size_t)n);
        want[n] = '\0';
        redacts(key, letters < 64 ? key : want);
    }
    redacts("vm-100-disk-0 2025-11-21 1-2-3", "vm-100-disk-0 2025-11-21 1-2-3");
}
END_TEST

START_TEST(test_the_log_never_shows_a_secret_however_long_the_line)
{
    _tns_secret_ struct tns_secret *s = secret(TST_CANARY_KEY);
    struct tns_ctx ctx;

    tst_ctx_init(&ctx, 1000);
    for (int before = 1900; before < 2100; before++)
        tns__log(&ctx, LOG_INFO, "t", "%*skey=%s.", before, "", TST_CANARY_KEY);
    ck_assert_ptr_null(strstr(tst_log_text(), "CaNa"));
    ck_assert_ptr_nonnull(strstr(tst_log_text(), "key=****"));
}
END_TEST

START_TEST(test_the_log_drops_a_line_that_it_cannot_redact_whole)
{
    struct tns_ctx ctx;

    tst_ctx_init(&ctx, 1000);
    tns__mem_fail_at(1);
    tns__log(&ctx, LOG_INFO, "t", "%3000s", "x");
    tns__mem_fail_at(0);
    ck_assert_str_eq(tst_log_text(),
                     "<6> t: (a line of 3000 bytes is lost: out of memory)\n");
}
END_TEST

START_TEST(test_log_lines_below_the_level_are_not_formatted)
{
    struct tns_ctx ctx;

    tst_ctx_init(&ctx, 1000);
    ctx.log_level = LOG_WARNING;
    tns__log(&ctx, LOG_INFO, "t", "no");
    tns__log(&ctx, LOG_WARNING, "t", "two\nlines");
    ck_assert_str_eq(tst_log_text(), "<4> t: two lines\n");
    ctx.log_fn = NULL;
    tns__log(&ctx, LOG_ERR, "t", "no");
}
END_TEST

static atomic_bool threads_stop;

static void *churn(void *arg)
{
    char text[64];

    while (!atomic_load(&threads_stop)) {
        struct tns_secret *s;

        snprintf(text, sizeof(text), "secret on the stack at %p of %p", (void *)text, arg);
        s = secret(text);
        tns__redact(text);
        ck_assert_ptr_null(strstr(text, "secret"));
        tns__secret_free(s);
    }
    return NULL;
}

static int child_redacts(void)
{
    struct tns_secret *mine = tns__secret_new("child of fork", 13);
    char text[] = "the child of fork, the parent key";

    alarm(10); /* a lock that was inherited locked shall not hang the suite */
    tns__redact(text);
    tns__secret_free(mine);
    return strcmp(text, "the *************, the **********") == 0 ? 0 : 1;
}

START_TEST(test_a_child_forked_beside_busy_threads_still_redacts)
{
    _tns_secret_ struct tns_secret *s = secret("parent key");
    pthread_t threads[2];

    for (size_t i = 0; i < TNS_ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
    /* the child execs: what the threads held when it was forked is no leak of its own */
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        int status = -1;

        if (pid == 0)
            _exit(child_redacts() || execl("/bin/true", "true", (char *)NULL));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
    }
    atomic_store(&threads_stop, true);
    for (size_t i = 0; i < TNS_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static int sweep_secret(void *user, struct tns_error *err)
{
    _tns_secret_ struct tns_secret *s = tns__secret_new("swept secret", 12);

    (void)user;
    return s ? 0 : tns__error_nomem(err);
}

START_TEST(test_allocation_sweep_over_a_secret)
{
    ck_assert_uint_gt(tst_alloc_sweep(sweep_secret, NULL, NULL), 1);
    redacts("swept secret", "swept secret");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("secret");
    TCase *tc = tcase_create("secret");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_a_secret_is_a_copy_with_its_length_and_a_nul);
    tcase_add_test(tc, test_secrets_of_every_size_around_a_page_are_whole);
    tcase_add_test(tc, test_equal_is_about_all_bytes);
    tcase_add_test(tc, test_a_secret_is_left_out_of_core_dumps);
    tcase_add_test(tc, test_live_secrets_are_starred_wherever_they_stand);
    tcase_add_test(tc, test_secrets_are_starred_in_their_json_spelling);
    tcase_add_test(tc, test_a_secret_of_a_backslash_is_found_raw_too);
    tcase_add_test(tc, test_short_secrets_do_not_blank_the_log);
    tcase_add_test(tc, test_what_looks_like_an_api_key_is_starred);
    tcase_add_test(tc, test_the_log_never_shows_a_secret_however_long_the_line);
    tcase_add_test(tc, test_the_log_drops_a_line_that_it_cannot_redact_whole);
    tcase_add_test(tc, test_log_lines_below_the_level_are_not_formatted);
    tcase_add_test(tc, test_a_child_forked_beside_busy_threads_still_redacts);
    tcase_add_test(tc, test_allocation_sweep_over_a_secret);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
