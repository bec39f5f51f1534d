/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong options are refused by name, and nothing is connected. */
#include <stdio.h>
#include <string.h>

#include "session/ses.h"

#define PRINT                                                                              \
    "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:AA:BB:" \
    "CC:DD:EE:FF"

static const struct tns_session_opts good = {
    .hosts = "nas.example",
    .key = TST_CANARY_KEY,
    .key_len = sizeof TST_CANARY_KEY - 1,
    .run_dir = "/tmp/unused",
};

static void refused(const struct tns_session_opts *opts, const char *option)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_session *s = NULL;
    int rc = tns__session_open(opts, &s, &err);

    ck_assert_ptr_null(s);
    ck_assert_msg(rc == -TNS_E_CONFIG, "%s: answered %d", option, rc);
    ck_assert_msg(strncmp(err.text, option, strlen(option)) == 0, "\"%s\" does not name %s",
                  err.text, option);
    tst_no_canary(err.text);
}

static void accepted(const struct tns_session_opts *opts)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    tst_ok(tns__session_open(opts, &s, &err), &err);
}

#define REFUSED(option, ...)                                                               \
    do {                                                                                   \
        struct tns_session_opts o = good;                                                  \
        __VA_ARGS__;                                                                       \
        refused(&o, option);                                                               \
    } while (0)

#define ACCEPTED(...)                                                                      \
    do {                                                                                   \
        struct tns_session_opts o = good;                                                  \
        __VA_ARGS__;                                                                       \
        accepted(&o);                                                                      \
    } while (0)

START_TEST(test_a_missing_or_malformed_key_is_refused_by_name)
{
    REFUSED("api_key", o.key = NULL);
    REFUSED("api_key", o.key_len = 0);
    REFUSED("api_key", o.key = "1-abc\n"; o.key_len = 6);
    REFUSED("api_key", o.key = "1-abc def"; o.key_len = 9);
    REFUSED("api_key", o.key = "1-abc\0def"; o.key_len = 9);
    REFUSED("api_key", o.key = "1-\xc3\xa4"; o.key_len = 4);
}
END_TEST

START_TEST(test_a_bad_host_is_refused_by_name)
{
    static const char *const bad[] = {
        "",     " ",       "nas:443", "-nas",       "nas.",        "na s",
        "nas,", ",nas",    "a..b",    "nas/x",      "https://nas", "[nas]",
        "[::1", "1::2::3", "nas\n",   "n\xc3\xa4s", "fe80::1%",    "fe80::1%a b"
    };

    REFUSED("api_host", o.hosts = NULL);
    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++)
        REFUSED("api_host", o.hosts = bad[i]);
    REFUSED("api_host", o.hosts = "a,b,c,d,e,f,g,h,i");
}
END_TEST

START_TEST(test_names_addresses_and_lists_of_hosts_are_accepted)
{
    static const char *const fine[] = {
        "nas",          "nas-1.example.com", "10.0.0.2",        "::1",  "[::1]",
        "fe80::1%eth0", "nas1,nas2",         "nas1, [fd00::2]", "NAS_1"
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(fine); i++)
        ACCEPTED(o.hosts = fine[i]);
}
END_TEST

START_TEST(test_a_key_never_goes_in_clear_to_another_machine)
{
    REFUSED("api_scheme", o.scheme = "ws");
    REFUSED("api_scheme", o.scheme = "http");
    REFUSED("api_scheme", o.scheme = "ws"; o.hosts = "127.0.0.1,nas");
    REFUSED("api_scheme", o.scheme = "ws"; o.hosts = "127.0.0.1.evil.example");
    REFUSED("api_scheme", o.scheme = "http"; o.transport = "rest");
    ACCEPTED(o.scheme = "ws"; o.hosts = "127.0.0.1");
    ACCEPTED(o.scheme = "http"; o.hosts = "localhost,::1"; o.transport = "rest");
}
END_TEST

START_TEST(test_unknown_words_are_refused_by_name)
{
    REFUSED("api_transport", o.transport = "soap");
    REFUSED("api_transport", o.transport = "");
    REFUSED("api_scheme", o.scheme = "ftp");
    REFUSED("api_retry_max", o.retry_max = 101);
}
END_TEST

START_TEST(test_only_a_sha256_in_colon_hex_is_a_fingerprint)
{
    ACCEPTED(o.fingerprints = PRINT);
    ACCEPTED(o.fingerprints = PRINT ", " PRINT);
    REFUSED("tn_fingerprint", o.fingerprints = "00:11");
    REFUSED("tn_fingerprint", o.fingerprints = PRINT ":00");
    REFUSED("tn_fingerprint", o.fingerprints = PRINT ",");
    REFUSED("tn_fingerprint", o.fingerprints = PRINT "\n");
    REFUSED("tn_fingerprint", o.fingerprints = "sha256//AAAA");
    REFUSED("tn_fingerprint", o.fingerprints = PRINT; o.scheme = "ws"; o.hosts = "::1");
}
END_TEST

START_TEST(test_fingerprints_are_kept_in_upper_case_and_outrank_insecure)
{
    struct tns_session_opts o = good;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_conf conf;

    o.fingerprints = PRINT;
    o.insecure = true;
    tst_ok(tns__conf_read(&o, &conf, &err), &err);
    ck_assert_ptr_nonnull(strstr(conf.fingerprints[0], ":AA:BB:CC:DD:EE:FF:00"));
    ck_assert(!conf.insecure);
    tns__conf_clear(&conf);
}
END_TEST

START_TEST(test_a_user_name_that_scram_cannot_carry_is_refused)
{
    static const char *const bad[] = { "", "a,b", "a=b", "a:1", "a b", "a\n", "\xc3\xa4" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++)
        REFUSED("tn_user", o.user = bad[i]);
    ACCEPTED(o.user = "svc_storage");
    ACCEPTED(o.user = "DOMAIN\\svc-storage");
}
END_TEST

START_TEST(test_paths_must_be_absolute_and_fit)
{
    char longer[200];

    memset(longer, 'a', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    REFUSED("run_dir", o.run_dir = "run");
    REFUSED("run_dir", o.run_dir = "/run/../etc");
    REFUSED("run_dir", o.run_dir = longer);
    REFUSED("holder_path", o.holder_path = "tnsessiond");
    REFUSED("ca_file", o.ca_file = "ca.pem");
    REFUSED("ca_file", o.ca_file = "/nonexistent/ca.pem");
}
END_TEST

START_TEST(test_the_digest_tells_sessions_apart_by_every_rule_and_by_the_key)
{
    struct tns_session_opts variants[8];
    char digests[8][17];

    for (size_t i = 0; i < 8; i++)
        variants[i] = good;
    variants[1].hosts = "nas.example,nas2";
    variants[2].port = 444;
    variants[3].insecure = true;
    variants[4].user = "svc";
    variants[5].fingerprints = PRINT;
    variants[6].transport = "ddp";
    variants[7].key = "2-other";
    variants[7].key_len = 7;
    for (size_t i = 0; i < 8; i++) {
        struct tns_error err = TNS_ERROR_INIT;
        _tns_session_ struct tns_session *s = NULL;

        tst_ok(tns__session_open(&variants[i], &s, &err), &err);
        ck_assert_uint_eq(strlen(s->digest), 16);
        snprintf(digests[i], sizeof digests[i], "%s", s->digest);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(digests[i], digests[j]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session options");
    TCase *tc = tcase_create("options");

    tcase_add_test(tc, test_a_missing_or_malformed_key_is_refused_by_name);
    tcase_add_test(tc, test_a_bad_host_is_refused_by_name);
    tcase_add_test(tc, test_names_addresses_and_lists_of_hosts_are_accepted);
    tcase_add_test(tc, test_a_key_never_goes_in_clear_to_another_machine);
    tcase_add_test(tc, test_unknown_words_are_refused_by_name);
    tcase_add_test(tc, test_only_a_sha256_in_colon_hex_is_a_fingerprint);
    tcase_add_test(tc, test_fingerprints_are_kept_in_upper_case_and_outrank_insecure);
    tcase_add_test(tc, test_a_user_name_that_scram_cannot_carry_is_refused);
    tcase_add_test(tc, test_paths_must_be_absolute_and_fit);
    tcase_add_test(tc, test_the_digest_tells_sessions_apart_by_every_rule_and_by_the_key);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
