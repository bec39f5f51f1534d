/* SPDX-License-Identifier: Apache-2.0 */
/* tnsessiond: one login for all processes, and none of them needs it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "session/held.h"

static struct tns_session *open_held(void)
{
    struct tns_session_opts opts;

    held_opts(&opts);
    return ses_open(&opts);
}

static bool via_holder(const struct tns_session *s)
{
    struct tns_session_info info;

    tns__session_info(s, &info);
    return info.via_holder;
}

START_TEST(test_the_first_process_starts_the_holder_and_the_next_uses_it)
{
    _tns_session_ struct tns_session *first = open_held();
    _tns_session_ struct tns_session *second = open_held();
    struct tns_session_info info;
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(first, &err), &err);
    tst_ok(ses_call(second, &err), &err);
    ck_assert(via_holder(first));
    ck_assert(via_holder(second));
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
    ck_assert_int_eq(tst_sim_stat(held_sim, "connections"), 2); /* probe, and the session */
    tns__session_info(second, &info);
    ck_assert_str_eq(info.fingerprint, held_sim->fingerprint);
    ck_assert_str_eq(info.host, held_sim->host);
    ck_assert_int_eq(info.port, held_sim->port);
    ck_assert_int_eq(info.dialect, TNS_DIALECT_JSONRPC);
}
END_TEST

START_TEST(test_a_process_that_lives_on_after_the_holder_died_goes_on)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;

    for (int i = 0; i < 3; i++) {
        tst_ok(ses_call(s, &err), &err);
        ck_assert(via_holder(s));
        ses_holder_kill(held_run_dir, SIGKILL);
    }
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_without_the_program_a_process_logs_in_by_itself)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    held_opts(&opts);
    opts.holder_path = "/nonexistent/tnsessiond";
    s = ses_open(&opts);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
}
END_TEST

START_TEST(test_with_a_program_that_hangs_a_process_logs_in_by_itself)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;
    char path[400], script[200];
    struct tst_watch began = tst_watch();

    snprintf(script, sizeof script, "#!/bin/sh\nexec sleep 7\n");
    tst_file(held_run_dir, "hanging", script);
    snprintf(path, sizeof path, "%s/hanging", held_run_dir);
    ck_assert_int_eq(chmod(path, 0700), 0);
    held_opts(&opts);
    opts.holder_path = path;
    opts.timeout_ms = tst_ms(15000);
    s = ses_open(&opts);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(12000));
}
END_TEST

START_TEST(test_with_a_program_that_ends_at_once_a_process_logs_in_by_itself)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    held_opts(&opts);
    opts.holder_path = "/bin/false";
    s = ses_open(&opts);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
}
END_TEST

/* ---- what lies in its place ---- */

static void listen_there(const char *name, int *ret_fd, bool listening)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert(tns__fmt(addr.sun_path, sizeof addr.sun_path, "%s/%s", held_run_dir, name));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    if (listening)
        ck_assert_int_eq(listen(fd, 10), 0);
    *ret_fd = fd;
}

START_TEST(test_a_stale_socket_is_replaced)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    int fd;

    listen_there("holder.sock", &fd, true);
    close(fd);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(via_holder(s));
}
END_TEST

START_TEST(test_something_that_is_no_socket_is_left_alone)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    char path[400];
    struct stat st;

    tst_file(held_run_dir, "holder.sock", "mine");
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
    snprintf(path, sizeof path, "%s/holder.sock", held_run_dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
}
END_TEST

START_TEST(test_a_symlink_in_place_of_the_socket_is_not_followed)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    char path[400], target[400];
    int fd;

    listen_there("elsewhere", &fd, true);
    snprintf(path, sizeof path, "%s/holder.sock", held_run_dir);
    snprintf(target, sizeof target, "%s/elsewhere", held_run_dir);
    ck_assert_int_eq(symlink(target, path), 0);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ck_assert_int_lt(accept(fd, NULL, NULL), 0); /* nobody knocked there */
    close(fd);
}
END_TEST

START_TEST(test_a_holder_that_says_nothing_is_given_up_on)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    struct tst_watch began = tst_watch();
    int fd;

    listen_there("holder.sock", &fd, true);
    tst_ok(ses_call(s, &err), &err);
    ck_assert(!via_holder(s));
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(4000));
    close(fd);
}
END_TEST

START_TEST(test_a_run_directory_that_others_may_enter_is_not_used_at_all)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;

    chmod(held_run_dir, 0755);
    tst_fails(ses_call(s, &err), TNS_E_CONFIG, &err);
    ck_assert_int_eq(tst_sim_stat(held_sim, "connections"), 0);
    chmod(held_run_dir, 0700);
}
END_TEST

START_TEST(test_another_user_is_not_served)
{
    char path[400];
    int fd;
    pid_t child;
    int status;

    if (geteuid() != 0)
        return; /* nobody else to become */
    ck_assert_int_eq(held_request(NULL), 0);
    snprintf(path, sizeof path, "%s/holder.sock", held_run_dir);
    /* Even through doors that somebody left open. */
    chmod(held_run_dir, 0777);
    chmod(path, 0777);
    child = fork();
    if (child == 0) {
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        char byte;

        /* from inside, as folders above may be closed to others */
        if (chdir(held_run_dir) != 0 || setuid(65534) != 0)
            _exit(3);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        tns__fmt(addr.sun_path, sizeof addr.sun_path, "holder.sock");
        if (connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
            _exit(4);
        _exit(recv(fd, &byte, 1, 0) > 0 ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    chmod(held_run_dir, 0700);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* ---- the session behind it ---- */

START_TEST(test_a_restart_of_the_nas_is_survived_by_all_clients)
{
    _tns_session_ struct tns_session *a = open_held();
    _tns_session_ struct tns_session *b = open_held();
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(a, &err), &err);
    tst_ok(ses_call(b, &err), &err);
    tst_sim_world(held_sim, "{\"restart\":{\"ms\":700}}");
    tst_ok(ses_call(a, &err), &err);
    tst_ok(ses_call(b, &err), &err);
    ck_assert(via_holder(a) && via_holder(b));
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 2);
}
END_TEST

static uint64_t connects(const struct tns_session *s)
{
    struct tns_session_counters c;

    tns__session_counters(s, &c);
    return c.connects;
}

/* Told by a connection of its own, since another NAS may be behind the new session. */
START_TEST(test_an_expired_session_is_renewed_once_and_every_client_is_told)
{
    _tns_session_ struct tns_session *a = open_held();
    _tns_session_ struct tns_session *b = open_held();
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(a, &err), &err);
    tst_ok(ses_call(b, &err), &err);
    tst_sim_world(held_sim, "{\"expire_sessions\":true}");
    for (int i = 0; i < 5; i++) {
        tst_ok(tns__session_call(a, "pool.dataset.query", NULL, TNS_CALL_READ, NULL, &err),
               &err);
        tst_ok(tns__session_call(b, "pool.dataset.query", NULL, TNS_CALL_READ, NULL, &err),
               &err);
    }
    ck_assert(via_holder(a) && via_holder(b));
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 2);
    ck_assert_uint_eq(connects(a), 2);
    ck_assert_uint_eq(connects(b), 2);
}
END_TEST

static int no_other_nas(void *user, struct tns_error *err)
{
    (*(unsigned *)user)++;
    return tns__error_set(err, TNS_E_IDENTITY, "another NAS");
}

/* Through the holder, and without it. */
START_TEST(test_c29_nothing_goes_over_a_new_connection_before_the_nas_is_proven)
{
    static const char *const breaks[] = { "{\"expire_sessions\":true}",
                                          "{\"close_sessions\":true}" };
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    unsigned asked = 0;
    _tns_session_ struct tns_session *s = NULL;

    held_opts(&opts);
    opts.no_holder = _i % 2;
    s = ses_open(&opts);
    tns__session_on_reconnect(s, no_other_nas, &asked);
    tst_ok(ses_call(s, &err), &err);
    ck_assert_uint_eq(asked, 0);
    tst_sim_world(held_sim, breaks[_i / 2]);
    for (unsigned i = 1; i <= 2; i++) {
        tst_fails(tns__session_call(s, "pool.dataset.query", NULL, TNS_CALL_READ, NULL,
                                    &err),
                  TNS_E_IDENTITY, &err);
        ck_assert_uint_eq(asked, i);
    }
    /* An expired session is told as the answer to a call, which was not executed. */
    ck_assert_int_le(tst_sim_calls(held_sim, "pool.dataset.query"), _i / 2 ? 0 : 1);
    tns__session_on_reconnect(s, NULL, NULL);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_c07_a_lost_change_stays_unknown_through_the_holder)
{
    _tns_session_ struct tns_session *s = open_held();
    _tns_json_ json_t *params =
        json_pack("[{s:s,s:s,s:i,s:b}]", "name", "tank/held", "type", "VOLUME", "volsize",
                  1 << 20, "sparse", 1);
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(s, &err), &err);
    tst_sim_fault(held_sim, "{\"match\":\"pool.dataset.create\",\"do\":\"cut\"}");
    ck_assert_int_eq(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err),
                     -TNS_E_TRANSPORT);
    ck_assert_uint_ne(err.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    ck_assert_int_eq(tst_sim_calls(held_sim, "pool.dataset.create"), 1);
    tns__error_clear(&err);
    tst_ok(ses_call(s, &err), &err);
}
END_TEST

START_TEST(test_errors_of_the_nas_keep_their_numbers_through_the_holder)
{
    struct tns_session_opts opts;
    struct tns_error held = TNS_ERROR_INIT, direct = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *a = open_held();
    _tns_session_ struct tns_session *b = NULL;
    _tns_json_ json_t *params = json_pack("[s]", "tank/nowhere");

    ses_opts(held_sim, held_run_dir, &opts);
    b = ses_open(&opts);
    ck_assert_int_eq(tns__session_call(a, "pool.dataset.get_instance", params,
                                       TNS_CALL_READ, NULL, &held),
                     -TNS_E_NOTFOUND);
    ck_assert_int_eq(tns__session_call(b, "pool.dataset.get_instance", params,
                                       TNS_CALL_READ, NULL, &direct),
                     -TNS_E_NOTFOUND);
    ck_assert_str_eq(held.text, direct.text);
    ck_assert_str_eq(held.op, direct.op);
    ck_assert_int_eq(held.remote_code, direct.remote_code);
    ck_assert_int_eq(held.remote_errno, direct.remote_errno);
    ck_assert_uint_eq(held.flags, direct.flags);
}
END_TEST

START_TEST(test_c25_a_wrong_key_is_refused_through_the_holder_and_tried_once)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;

    for (int i = 0; i < 3; i++) {
        _tns_session_ struct tns_session *s = NULL;

        held_opts(&opts);
        opts.key = TST_CANARY_KEY;
        opts.key_len = sizeof TST_CANARY_KEY - 1;
        s = ses_open(&opts);
        ck_assert_int_eq(ses_call(s, &err), -TNS_E_AUTH);
        tst_no_canary(err.text);
        tns__error_clear(&err);
    }
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
    tst_no_canary(ses_log_text());
}
END_TEST

START_TEST(test_the_key_is_in_no_command_line_and_no_file)
{
    pid_t pids[8];
    size_t n;

    ck_assert_int_eq(held_request(NULL), 0);
    n = ses_holder_pids(held_run_dir, pids, 8);
    ck_assert_uint_ge(n, 2);
    for (size_t i = 0; i < n; i++) {
        static const char *const files[] = { "cmdline", "environ" };

        for (size_t j = 0; j < 2; j++) {
            char path[64], text[8192];
            FILE *f;
            size_t len;

            snprintf(path, sizeof path, "/proc/%d/%s", (int)pids[i], files[j]);
            f = fopen(path, "re");
            ck_assert_ptr_nonnull(f);
            len = fread(text, 1, sizeof text, f);
            fclose(f);
            ck_assert_ptr_null(
                memmem(text, len, held_sim->api_key + 2, strlen(held_sim->api_key) - 2));
        }
    }
}
END_TEST

START_TEST(test_two_credentials_are_two_sessions)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *a = open_held();
    _tns_session_ struct tns_session *b = NULL;

    held_opts(&opts);
    opts.user = "root";
    b = ses_open(&opts);
    tst_ok(ses_call(a, &err), &err);
    tst_ok(ses_call(b, &err), &err);
    ck_assert(via_holder(a) && via_holder(b));
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 2);
}
END_TEST

/* ---- sharing it ---- */

static int slow_call(void *user)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    (void)user;
    held_opts(&opts);
    if (tns__session_open(&opts, &s, &err) ||
        tns__session_call(s, "system.info", NULL, TNS_CALL_READ, NULL, &err))
        return err.code;
    return 0;
}

START_TEST(test_a_slow_call_of_one_does_not_hold_up_the_others)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    struct tst_watch began;
    pid_t slow;
    int status;

    tst_ok(ses_call(s, &err), &err);
    tst_sim_fault(held_sim, "{\"match\":\"system.info\",\"do\":\"delay\",\"ms\":2500}");
    slow = fork();
    if (slow == 0)
        _exit(slow_call(NULL));
    tst_eventually(tst_sim_calls(held_sim, "system.info") == 1, 10000);
    began = tst_watch();
    for (int i = 0; i < 20; i++)
        tst_ok(ses_call(s, &err), &err);
    ck_assert_uint_lt(tst_own_ms(began), tst_ms(1500));
    ck_assert_int_eq(waitpid(slow, &status, 0), slow);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static bool others_are_served(void)
{
    _tns_session_ struct tns_session *s = open_held();

    tns__ctx_begin(tns__session_ctx(s), 1000);
    return ses_call(s, NULL) == 0 && via_holder(s);
}

/* A suspended pool answers no question about it, and its clients come again and again. */
START_TEST(test_calls_that_the_nas_never_answers_do_not_use_up_the_session_of_the_others)
{
    _tns_json_ json_t *params = json_array();

    tst_sim_fault(held_sim, "{\"match\": \"pool.query\", \"do\": \"drop\", \"count\": 0}");
    for (int i = 0; i < 12; i++) {
        _tns_session_ struct tns_session *hung = open_held();
        struct tns_error none = TNS_ERROR_INIT;

        tns__ctx_begin(tns__session_ctx(hung), 400);
        ck_assert_int_eq(tns__session_call(hung, "pool.query", params, TNS_CALL_READ, NULL,
                                           &none),
                         -TNS_E_TIMEOUT);
    }
    tst_eventually(others_are_served(), 15000);
    for (int i = 0; i < 20; i++)
        ck_assert(others_are_served());
    ck_assert_int_le(tst_sim_stat(held_sim, "logins"), 4);
    tst_sim_reset(held_sim);
}
END_TEST

START_TEST(test_a_client_that_goes_away_leaves_the_others_alone)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    pid_t child;

    tst_ok(ses_call(s, &err), &err);
    tst_sim_fault(held_sim, "{\"match\":\"system.info\",\"do\":\"delay\",\"ms\":600}");
    child = fork();
    if (child == 0)
        _exit(slow_call(NULL));
    tst_eventually(tst_sim_calls(held_sim, "system.info") == 1, 10000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int i = 0; i < 200; i++)
        tst_ok(ses_call(s, &err), &err);
    ck_assert(via_holder(s));
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
}
END_TEST

static int many_calls(void *user)
{
    struct tns_session_opts opts;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_session_ struct tns_session *s = NULL;

    (void)user;
    held_opts(&opts);
    if (tns__session_open(&opts, &s, &err))
        return err.code;
    for (int round = 0; round < 5; round++) {
        struct tns_call calls[30];

        for (int i = 0; i < 30; i++)
            calls[i] = (struct tns_call){ .method = i % 2 ? "system.version" : "pool.query",
                                          .flags = TNS_CALL_READ,
                                          .error = TNS_ERROR_INIT };
        if (tns__session_calls(s, calls, 30, &err))
            return err.code;
        for (int i = 0; i < 30; i++) {
            bool fine =
                i % 2 ? json_is_string(calls[i].result) : json_is_array(calls[i].result);

            tns__call_clear(&calls[i]);
            if (!fine)
                return 200;
        }
    }
    return 0;
}

START_TEST(test_c11_many_clients_with_many_calls_get_their_own_answers)
{
    unsigned ended[256];

    ses_crowd(10, many_calls, NULL, ended);
    ck_assert_uint_eq(ended[0], 10);
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
    ck_assert_int_eq(tst_sim_stat(held_sim, "errors"), 0);
}
END_TEST

START_TEST(test_replies_of_many_megabytes_come_through_the_holder)
{
    _tns_session_ struct tns_session *s = open_held();
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *rows = json_array();
    _tns_json_ json_t *fault = NULL;
    _tns_json_ json_t *ids = NULL;
    _tns_json_ json_t *result = NULL;
    char row[128];

    for (int i = 0; i < 60000; i++) {
        snprintf(row, sizeof row, "%d %0100d", i, i);
        json_array_append_new(rows, json_string(row));
    }
    fault =
        json_pack("{s:s,s:s,s:O}", "match", "pool.query", "do", "answer", "result", rows);
    ids = tst_sim_post(held_sim, "/fault", fault);
    tst_ok(tns__session_call(s, "pool.query", NULL, TNS_CALL_READ, &result, &err), &err);
    ck_assert(json_equal(result, rows));
    ck_assert(via_holder(s));
}
END_TEST

static int knock(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert(
        tns__fmt(addr.sun_path, sizeof addr.sun_path, "%s/holder.sock", held_run_dir));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

START_TEST(test_clients_that_say_nonsense_or_nothing_disturb_nobody)
{
    static const struct {
        const char *bytes;
        size_t len;
    } nonsense[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18 },
        { "\xff\xff\xff\xff", 4 },
        { "\0\0\0\2{}\0\0\0\1x", 11 },
        { "\0\0\0\4null\0\0\0\0", 12 },
        { "\0\0\0\1[", 5 },
        { "\0\0\0\0", 4 },
        { "\0", 1 },
    };
    int silent[40], fd;

    ck_assert_int_eq(held_request(NULL), 0);
    for (size_t i = 0; i < TNS_ARRAY_LEN(silent); i++)
        silent[i] = knock();
    for (size_t i = 0; i < TNS_ARRAY_LEN(nonsense); i++) {
        fd = knock();
        ck_assert_int_eq(send(fd, nonsense[i].bytes, nonsense[i].len, MSG_NOSIGNAL),
                         (ssize_t)nonsense[i].len);
        close(fd);
    }
    ck_assert_int_eq(held_request(NULL), 0);
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
    for (size_t i = 0; i < TNS_ARRAY_LEN(silent); i++)
        close(silent[i]);
}
END_TEST

/* ---- its life ---- */

static pid_t start_by_hand(const char *idle)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        execl(ses_holder(), ses_holder(), "--foreground", "--run-dir", held_run_dir,
              "--idle", idle, NULL);
        _exit(127);
    }
    tst_eventually(ses_holder_pids(held_run_dir, (pid_t[4]){ 0 }, 4) > 0, 5000);
    return pid;
}

static bool socket_is_there(void)
{
    char path[400];

    snprintf(path, sizeof path, "%s/holder.sock", held_run_dir);
    return access(path, F_OK) == 0;
}

START_TEST(test_it_leaves_when_nobody_needs_it_and_takes_its_socket_along)
{
    pid_t pid = start_by_hand("1");
    int status;

    tst_eventually(socket_is_there(), 5000);
    ck_assert_int_eq(held_request(NULL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(!socket_is_there());
    tst_eventually(ses_holder_pids(held_run_dir, (pid_t[4]){ 0 }, 4) == 0, 5000);
}
END_TEST

START_TEST(test_a_client_that_slept_longer_than_the_holder_notices_nothing)
{
    pid_t pid = start_by_hand("1");
    _tns_session_ struct tns_session *s = open_held();
    _tns_json_ json_t *params =
        json_pack("[{s:s,s:s,s:i,s:b}]", "name", "tank/slept", "type", "VOLUME", "volsize",
                  1 << 20, "sparse", 1);
    struct tns_error err = TNS_ERROR_INIT;

    tst_ok(ses_call(s, &err), &err);
    ck_assert(via_holder(s));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    /* a change, which would not be repeated if it could have left */
    tst_ok(tns__session_call(s, "pool.dataset.create", params, 0, NULL, &err), &err);
    ck_assert(via_holder(s));
}
END_TEST

START_TEST(test_sigterm_lets_running_calls_end)
{
    pid_t pid = start_by_hand("60"), child;
    int status;

    tst_eventually(socket_is_there(), 5000);
    tst_sim_fault(held_sim, "{\"match\":\"system.info\",\"do\":\"delay\",\"ms\":700}");
    child = fork();
    if (child == 0)
        _exit(slow_call(NULL));
    tst_eventually(tst_sim_calls(held_sim, "system.info") == 1, 10000);
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_int_eq(tst_sim_calls(held_sim, "system.info"), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(!socket_is_there());
}
END_TEST

START_TEST(test_a_second_one_by_hand_says_that_there_is_one)
{
    pid_t pid = start_by_hand("60"), second;
    int status;

    tst_eventually(socket_is_there(), 5000);
    second = fork();
    if (second == 0) {
        execl(ses_holder(), ses_holder(), "--foreground", "--run-dir", held_run_dir, NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(second, &status, 0), second);
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    ck_assert_int_eq(held_request(NULL), 0);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(test_it_takes_the_socket_that_systemd_hands_over_and_leaves_it)
{
    pid_t pid;
    int fd, status;

    listen_there("holder.sock", &fd, true);
    pid = fork();
    if (pid == 0) {
        char self[32];

        snprintf(self, sizeof self, "%d", (int)getpid());
        if (fd != 3) {
            dup2(fd, 3);
            close(fd);
        }
        setenv("LISTEN_PID", self, 1);
        setenv("LISTEN_FDS", "1", 1);
        execl(ses_holder(), ses_holder(), "--run-dir", held_run_dir, "--idle", "1", NULL);
        _exit(127);
    }
    ck_assert_int_eq(held_request(NULL), 0);
    ck_assert_int_eq(tst_sim_stat(held_sim, "logins"), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(socket_is_there());
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session holder");
    TCase *tc = tcase_create("holder");

    tcase_add_unchecked_fixture(tc, held_start, held_stop);
    tcase_add_checked_fixture(tc, held_fresh, held_tidy);
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, test_the_first_process_starts_the_holder_and_the_next_uses_it);
    tcase_add_test(tc, test_a_process_that_lives_on_after_the_holder_died_goes_on);
    tcase_add_test(tc, test_without_the_program_a_process_logs_in_by_itself);
    tcase_add_test(tc, test_with_a_program_that_hangs_a_process_logs_in_by_itself);
    tcase_add_test(tc, test_with_a_program_that_ends_at_once_a_process_logs_in_by_itself);
    tcase_add_test(tc, test_a_stale_socket_is_replaced);
    tcase_add_test(tc, test_something_that_is_no_socket_is_left_alone);
    tcase_add_test(tc, test_a_symlink_in_place_of_the_socket_is_not_followed);
    tcase_add_test(tc, test_a_holder_that_says_nothing_is_given_up_on);
    tcase_add_test(tc, test_a_run_directory_that_others_may_enter_is_not_used_at_all);
    tcase_add_test(tc, test_another_user_is_not_served);
    tcase_add_test(tc, test_a_restart_of_the_nas_is_survived_by_all_clients);
    tcase_add_test(tc, test_an_expired_session_is_renewed_once_and_every_client_is_told);
    tcase_add_loop_test(
        tc, test_c29_nothing_goes_over_a_new_connection_before_the_nas_is_proven, 0, 4);
    tcase_add_test(tc, test_c07_a_lost_change_stays_unknown_through_the_holder);
    tcase_add_test(tc, test_errors_of_the_nas_keep_their_numbers_through_the_holder);
    tcase_add_test(tc, test_c25_a_wrong_key_is_refused_through_the_holder_and_tried_once);
    tcase_add_test(tc, test_the_key_is_in_no_command_line_and_no_file);
    tcase_add_test(tc, test_two_credentials_are_two_sessions);
    tcase_add_test(tc, test_a_slow_call_of_one_does_not_hold_up_the_others);
    tcase_add_test(
        tc, test_calls_that_the_nas_never_answers_do_not_use_up_the_session_of_the_others);
    tcase_add_test(tc, test_a_client_that_goes_away_leaves_the_others_alone);
    tcase_add_test(tc, test_c11_many_clients_with_many_calls_get_their_own_answers);
    tcase_add_test(tc, test_replies_of_many_megabytes_come_through_the_holder);
    tcase_add_test(tc, test_clients_that_say_nonsense_or_nothing_disturb_nobody);
    tcase_add_test(tc, test_it_leaves_when_nobody_needs_it_and_takes_its_socket_along);
    tcase_add_test(tc, test_a_client_that_slept_longer_than_the_holder_notices_nothing);
    tcase_add_test(tc, test_sigterm_lets_running_calls_end);
    tcase_add_test(tc, test_a_second_one_by_hand_says_that_there_is_one);
    tcase_add_test(tc, test_it_takes_the_socket_that_systemd_hands_over_and_leaves_it);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
