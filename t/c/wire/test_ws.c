/* SPDX-License-Identifier: Apache-2.0 */
/* Websocket messages against a real server on loopback: whole, in pieces, too large, and late. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/fixture.h"

static void send_text(struct fix *f, struct tns_ws *ws, const char *text)
{
    tst_ok(tns__ws_send(ws, text, strlen(text), &f->err), &f->err);
}

static void expect_text(struct fix *f, struct tns_ws *ws, const char *want)
{
    char *text = NULL;
    size_t len = 0;

    tst_ok(tns__ws_recv(ws, &text, &len, &f->err), &f->err);
    ck_assert_str_eq(text, want);
    ck_assert_uint_eq(len, strlen(want));
    tns__free(text);
}

static void roundtrip(struct fix *f, struct tns_ws *ws, const char *text)
{
    send_text(f, ws, text);
    expect_text(f, ws, text);
}

START_TEST(test_messages_go_there_and_back)
{
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, _i ? SRV_GOOD : SRV_PLAIN, serve_echo, NULL);
    ws = fix_open(&f);
    for (int i = 0; i < 20; i++)
        roundtrip(&f, ws, "{\"hello\":\"world\"}");
    roundtrip(&f, ws, "");
    ck_assert_str_eq(tns__ws_fingerprint(ws), _i ? srv_fingerprint(f.srv) : "");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_the_largest_request_passes_and_one_byte_more_is_never_sent)
{
    struct fix f;
    struct tns_ws *ws;
    char *big = malloc(TNS_WIRE_MAX_OUT + 2);
    char *back;
    size_t len, before;

    memset(big, 'x', TNS_WIRE_MAX_OUT + 1);
    big[TNS_WIRE_MAX_OUT + 1] = '\0';
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    ws = fix_open(&f);
    tst_ok(tns__ws_send(ws, big, TNS_WIRE_MAX_OUT, &f.err), &f.err);
    tst_ok(tns__ws_recv(ws, &back, &len, &f.err), &f.err);
    ck_assert_uint_eq(len, TNS_WIRE_MAX_OUT);
    tns__free(back);

    before = srv_received(f.srv);
    tst_fails(tns__ws_send(ws, big, TNS_WIRE_MAX_OUT + 1, &f.err), TNS_E_USAGE, &f.err);
    ck_assert_uint_eq(srv_received(f.srv), before);
    roundtrip(&f, ws, "still there");
    tns__ws_close(ws);
    fix_stop(&f);
    free(big);
}
END_TEST

/* ---- W02: split and merged at every byte ---- */

#define TEXT_A "{\"id\":1,\"result\":\"abcdefghijklmnopqrstuvwxyz\"}"
#define TEXT_B "second"

/* TEXT_A in three fragments with a ping between them, then TEXT_B: one stream of bytes. */
static size_t make_stream(unsigned char *s)
{
    size_t n = 0;

    n += srv_frame_head(s + n, 0x01, 10);
    memcpy(s + n, TEXT_A, 10);
    n += 10;
    n += srv_frame_head(s + n, 0x89, 2);
    memcpy(s + n, "hi", 2);
    n += 2;
    n += srv_frame_head(s + n, 0x00, 0);
    n += srv_frame_head(s + n, 0x80, strlen(TEXT_A) - 10);
    memcpy(s + n, TEXT_A + 10, strlen(TEXT_A) - 10);
    n += strlen(TEXT_A) - 10;
    n += srv_frame_head(s + n, 0x81, strlen(TEXT_B));
    memcpy(s + n, TEXT_B, strlen(TEXT_B));
    return n + strlen(TEXT_B);
}

/* Over TLS every write is a record, and so a read, of its own. For cut = 0: each byte alone. */
static void serve_split(struct srv_conn *c, void *arg)
{
    unsigned char s[256];
    size_t n = make_stream(s);
    char in[64];

    (void)arg;
    if (!srv_upgrade(c))
        return;
    for (size_t i = 0; i < n; i++)
        srv_write(c, s + i, 1);
    for (size_t cut = 1; cut < n; cut++) {
        srv_write(c, s, cut);
        srv_write(c, s + cut, n - cut);
    }
    srv_write(c, s, n);
    while (srv_frame_in(c, in, sizeof(in), NULL) >= 0)
        ;
}

START_TEST(test_W02_frames_split_and_merged_at_every_byte_give_the_same_messages)
{
    struct fix f;
    struct tns_ws *ws;
    unsigned char s[256];
    size_t n = make_stream(s);

    fix_start(&f, SRV_GOOD, serve_split, NULL);
    ws = fix_open(&f);
    for (size_t i = 0; i < n + 1; i++) {
        expect_text(&f, ws, TEXT_A);
        expect_text(&f, ws, TEXT_B);
    }
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static void serve_first_message_with_handshake(struct srv_conn *c, void *arg)
{
    char accept[64], all[1024];
    int n;

    (void)arg;
    if (!srv_request(c))
        return;
    srv_accept_value(c, accept);
    n = snprintf(
        all, sizeof(all) - 64,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    n += (int)srv_frame_head((unsigned char *)all + n, 0x81, 5);
    memcpy(all + n, "early", 5);
    srv_write(c, all, (size_t)n + 5);
    srv_linger(c);
}

START_TEST(test_a_message_that_came_with_the_handshake_is_not_lost)
{
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, _i ? SRV_GOOD : SRV_PLAIN, serve_first_message_with_handshake, NULL);
    ws = fix_open(&f);
    expect_text(&f, ws, "early");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* ---- large replies ---- */

struct large {
    size_t bytes;    /* in all */
    size_t fragment; /* 0: one frame */
};

static void serve_large(struct srv_conn *c, void *arg)
{
    const struct large *l = arg;
    size_t piece = l->fragment ? l->fragment : l->bytes;
    char *block = malloc(piece);
    bool ok = srv_upgrade(c);

    memset(block, 'z', piece);
    for (size_t sent = 0; ok && sent < l->bytes; sent += piece) {
        size_t n = l->bytes - sent < piece ? l->bytes - sent : piece;
        int fin = sent + n == l->bytes ? 0x80 : 0;

        ok = srv_frame(c, fin | (sent == 0 ? 1 : 0), block, n);
    }
    srv_linger(c);
    free(block);
}

START_TEST(test_a_reply_of_64_MiB_arrives_whole)
{
    struct large l = { .bytes = TNS_WIRE_MAX_IN, .fragment = _i ? 100000 : 0 };
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_large, &l);
    fix_deadline(&f, 30000);
    ws = fix_open(&f);
    tst_ok(tns__ws_recv(ws, &text, &len, &f.err), &f.err);
    ck_assert_uint_eq(len, TNS_WIRE_MAX_IN);
    ck_assert_int_eq(text[len], '\0');
    ck_assert_int_eq(text[len - 1], 'z');
    tns__free(text);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_reply_of_64_MiB_and_one_byte_is_refused)
{
    struct large l = { .bytes = TNS_WIRE_MAX_IN + 1, .fragment = _i ? 1 << 20 : 0 };
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_large, &l);
    fix_deadline(&f, 30000);
    ws = fix_open(&f);
    tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_PROTOCOL, &f.err);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* 300 fragments and more, each of its own callback: trap 8. */
START_TEST(test_trap_8_a_message_ends_with_its_last_fragment_and_not_with_a_chunk)
{
    struct large l = { .bytes = 300 * 70001, .fragment = 70001 };
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_large, &l);
    ws = fix_open(&f);
    tst_ok(tns__ws_recv(ws, &text, &len, &f.err), &f.err);
    ck_assert_uint_eq(len, l.bytes);
    ck_assert_uint_eq(strspn(text, "z"), len);
    tns__free(text);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* ---- waiting ---- */

static void serve_mute(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_upgrade(c))
        srv_linger(c);
}

START_TEST(test_trap_1_a_receive_ends_at_its_deadline)
{
    static const unsigned ms[] = { 20, 100, 249, 251, 600 };
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, SRV_GOOD, serve_mute, NULL);
    ws = fix_open(&f);
    for (size_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
        struct tst_watch start = tst_watch();
        char *text;
        size_t len;

        fix_deadline(&f, ms[i]);
        tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_TIMEOUT, &f.err);
        ck_assert_uint_ge(tst_clock_ms(start) + 1, ms[i]);
        ck_assert_uint_le(tst_own_ms(start), ms[i] + tst_ms(100));
    }
    /* Being late is no reason to hang up. */
    ck_assert_int_ge(tns__ws_fd(ws), 0);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_looking_without_waiting_does_not_wait)
{
    struct fix f;
    struct tns_ws *ws;
    struct tst_watch start;
    char *text = (char *)1;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    ws = fix_open(&f);
    start = tst_watch();
    for (int i = 0; i < 100; i++) {
        tst_ok(tns__ws_recv_within(ws, 0, &text, &len, &f.err), &f.err);
        ck_assert_ptr_null(text);
    }
    ck_assert_uint_le(tst_own_ms(start), tst_ms(50));
    ck_assert(!tns__ws_pending(ws));

    send_text(&f, ws, "one");
    send_text(&f, ws, "two");
    tst_eventually(tns__ws_recv_within(ws, 0, &text, &len, &f.err) == 0 && text, 2000);
    ck_assert_str_eq(text, "one");
    tns__free(text);
    expect_text(&f, ws, "two");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static int stop_after_two(void *user)
{
    return ++*(int *)user >= 3;
}

START_TEST(test_the_cancel_callback_ends_a_wait)
{
    struct fix f;
    struct tns_ws *ws;
    struct tst_watch start;
    char *text;
    size_t len;
    int asked = 0;

    fix_start(&f, SRV_GOOD, serve_mute, NULL);
    ws = fix_open(&f);
    f.ctx.cancel_fn = stop_after_two;
    f.ctx.cancel_user = &asked;
    start = tst_watch();
    tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_CANCELLED, &f.err);
    ck_assert_int_eq(asked, 3);
    ck_assert_uint_le(tst_own_ms(start), 3 * 250 + tst_ms(150));
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static volatile sig_atomic_t alarm_came;

static void on_alarm(int sig)
{
    (void)sig;
    alarm_came = 1;
}

static int ask_alarm(void *user)
{
    (void)user;
    return alarm_came;
}

START_TEST(test_a_signal_is_seen_at_once_and_not_a_slice_later)
{
    struct sigaction act = { .sa_handler = on_alarm };
    struct itimerval in_30_ms = { .it_value.tv_usec = 30000 };
    struct fix f;
    struct tns_ws *ws;
    struct tst_watch start;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_mute, NULL);
    ws = fix_open(&f);
    f.ctx.cancel_fn = ask_alarm;
    sigaction(SIGALRM, &act, NULL);
    start = tst_watch();
    setitimer(ITIMER_REAL, &in_30_ms, NULL);
    tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_CANCELLED, &f.err);
    ck_assert_uint_le(tst_own_ms(start), 30 + tst_ms(120));
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* ---- pings ---- */

START_TEST(test_pings_are_answered_and_consumed)
{
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    tns__ws_pong_patience_ms = 200;
    ws = fix_open(&f);
    for (int i = 0; i < 5; i++) {
        tst_ok(tns__ws_ping(ws, &f.err), &f.err);
        roundtrip(&f, ws, "between");
    }
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_a_ping_that_stays_unanswered_breaks_the_connection)
{
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_mute, NULL);
    tns__ws_pong_patience_ms = 200;
    ws = fix_open(&f);
    tst_ok(tns__ws_ping(ws, &f.err), &f.err);
    if (_i) {
        tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_TRANSPORT, &f.err);
    } else {
        tst_eventually(tns__ws_ping(ws, &f.err) < 0, 2000);
        ck_assert_int_eq(f.err.code, TNS_E_TRANSPORT);
    }
    tns__error_clear(&f.err);
    tst_fails(tns__ws_send(ws, "x", 1, &f.err), TNS_E_TRANSPORT, &f.err);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* ---- the end of a connection ---- */

struct farewell {
    unsigned char code[2];
    const char *text;
    int want;
};

static const struct farewell farewells[] = {
    { { 3, 239 }, "Anonymous connection max message length is 8 kB", TNS_E_TRANSPORT },
    { { 3, 241 }, "Max message length is 64 kB", TNS_E_TRANSPORT },
    { { 3, 240 }, "You are not allowed to access this resource", TNS_E_PERMISSION },
};

static void serve_farewell(struct srv_conn *c, void *arg)
{
    const struct farewell *w = arg;
    char payload[125];
    size_t len = strlen(w->text);

    if (!srv_upgrade(c))
        return;
    memcpy(payload, w->code, 2);
    memcpy(payload + 2, w->text, len);
    srv_frame(c, 0x88, payload, len + 2);
    srv_linger(c);
}

START_TEST(test_the_reason_of_a_hang_up_is_told)
{
    struct farewell w = farewells[_i];
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;
    int rc;

    fix_start(&f, SRV_GOOD, serve_farewell, &w);
    ws = fix_open(&f);
    rc = tns__ws_recv(ws, &text, &len, &f.err);
    tst_says(&f.err, w.text);
    tst_fails(rc, w.want, &f.err);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static void serve_two_and_cut(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_upgrade(c) && srv_text(c, "one"))
        srv_text(c, "two");
}

START_TEST(test_what_came_before_the_end_is_still_handed_out)
{
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_two_and_cut, NULL);
    ws = fix_open(&f);
    expect_text(&f, ws, "one");
    expect_text(&f, ws, "two");
    tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_TRANSPORT, &f.err);
    tst_fails(tns__ws_send(ws, "x", 1, &f.err), TNS_E_TRANSPORT, &f.err);
    ck_assert(tns__ws_pending(ws));
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static void serve_then_cut(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_upgrade(c))
        srv_cut(c);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
    (void)sig;
    pipes++;
}

START_TEST(test_trap_2_SIGPIPE_stays_the_host_program_s)
{
    struct sigaction act = { .sa_handler = on_pipe, .sa_flags = SA_NODEFER }, now;
    struct fix f;
    struct tns_ws *ws;
    char *text;
    size_t len;
    int ends[2];

    sigaction(SIGPIPE, &act, NULL);
    fix_start(&f, SRV_GOOD, serve_then_cut, NULL);
    ws = fix_open(&f);
    sigaction(SIGPIPE, NULL, &now);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_handler, (void *)(uintptr_t)on_pipe);
    ck_assert_int_eq(now.sa_flags & SA_NODEFER, SA_NODEFER);

    /* Writing into the dead connection must not reach the handler ... */
    tst_eventually(tns__ws_send(ws, "x", 1, &f.err) < 0 ||
                       tns__ws_recv_within(ws, 10, &text, &len, &f.err) < 0,
                   2000);
    tns__ws_close(ws);
    ck_assert_int_eq(pipes, 0);

    /* ... and a SIGPIPE of the program's own still does. */
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(pipes, 1);
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_2_a_SIGPIPE_of_ours_is_taken_away_and_one_of_others_is_kept)
{
    struct sigaction act = { .sa_handler = on_pipe };
    struct tns_quiet quiet;
    sigset_t set;
    int ends[2];

    sigaction(SIGPIPE, &act, NULL);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    tns__quiet_begin(&quiet);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    ck_assert_int_eq(pipes, 0);
    tns__quiet_end(&quiet);
    ck_assert_int_eq(pipes, 0);

    /* Blocked by the program, and pending since before: it is the program's to see. */
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    tns__quiet_begin(&quiet);
    ck_assert_int_eq(write(ends[1], "x", 1), -1);
    tns__quiet_end(&quiet);
    ck_assert_int_eq(pipes, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    ck_assert_int_eq(pipes, 1);
    close(ends[1]);
}
END_TEST

/* ---- fork ---- */

START_TEST(test_trap_7_a_forked_child_that_closes_leaves_the_connection_alone)
{
    struct fix f;
    struct tns_ws *ws;
    size_t before;
    int status;
    pid_t pid;

    fix_start(&f, _i ? SRV_GOOD : SRV_PLAIN, serve_echo, NULL);
    ws = fix_open(&f);
    roundtrip(&f, ws, "before");
    before = srv_received(f.srv);

    pid = fork();
    if (pid == 0) {
        tns__ws_close(ws);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(srv_received(f.srv), before);
    for (int i = 0; i < 5; i++)
        roundtrip(&f, ws, "after");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_trap_7_a_forked_child_cannot_use_the_connection)
{
    struct fix f;
    struct tns_ws *ws;
    int status;
    pid_t pid;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    ws = fix_open(&f);
    pid = fork();
    if (pid == 0) {
        struct tns_error err[3] = { TNS_ERROR_INIT, TNS_ERROR_INIT, TNS_ERROR_INIT };
        char *text;
        size_t len;
        bool ok = tns__ws_send(ws, "x", 1, &err[0]) == -TNS_E_FORKED &&
                  tns__ws_recv(ws, &text, &len, &err[1]) == -TNS_E_FORKED &&
                  tns__ws_ping(ws, &err[2]) == -TNS_E_FORKED;

        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    roundtrip(&f, ws, "after");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

struct sweep {
    struct fix f;
};

static int sweep_open_and_ask(void *user, struct tns_error *err)
{
    struct sweep *s = user;
    struct tns_ws *ws = NULL;
    char *text = NULL;
    size_t len;
    int rc;

    fix_deadline(&s->f, 5000);
    rc = tns__ws_open(&s->f.ctx, &s->f.ep, "/api/current", &ws, err);
    if (rc == 0)
        rc = tns__ws_send(ws, "sweep", 5, err);
    if (rc == 0)
        rc = tns__ws_recv(ws, &text, &len, err);
    if (rc == 0)
        ck_assert_str_eq(text, "sweep");
    tns__free(text);
    tns__ws_close(ws);
    return rc;
}

START_TEST(test_every_allocation_may_fail)
{
    struct sweep s;

    fix_start(&s.f, SRV_GOOD, serve_echo, NULL);
    ck_assert_uint_gt(tst_alloc_sweep(sweep_open_and_ask, &s, NULL), 4);
    fix_stop(&s.f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ws");
    TCase *tc = tcase_create("ws");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_messages_go_there_and_back, 0, 2);
    tcase_add_test(tc, test_the_largest_request_passes_and_one_byte_more_is_never_sent);
    tcase_add_test(tc,
                   test_W02_frames_split_and_merged_at_every_byte_give_the_same_messages);
    tcase_add_loop_test(tc, test_a_message_that_came_with_the_handshake_is_not_lost, 0, 2);
    tcase_add_loop_test(tc, test_a_reply_of_64_MiB_arrives_whole, 0, 2);
    tcase_add_loop_test(tc, test_a_reply_of_64_MiB_and_one_byte_is_refused, 0, 2);
    tcase_add_test(tc,
                   test_trap_8_a_message_ends_with_its_last_fragment_and_not_with_a_chunk);
    tcase_add_test(tc, test_trap_1_a_receive_ends_at_its_deadline);
    tcase_add_test(tc, test_looking_without_waiting_does_not_wait);
    tcase_add_test(tc, test_the_cancel_callback_ends_a_wait);
    tcase_add_test(tc, test_a_signal_is_seen_at_once_and_not_a_slice_later);
    tcase_add_test(tc, test_pings_are_answered_and_consumed);
    tcase_add_loop_test(tc, test_a_ping_that_stays_unanswered_breaks_the_connection, 0, 2);
    tcase_add_loop_test(tc, test_the_reason_of_a_hang_up_is_told, 0, 3);
    tcase_add_test(tc, test_what_came_before_the_end_is_still_handed_out);
    tcase_add_test(tc, test_trap_2_SIGPIPE_stays_the_host_program_s);
    tcase_add_test(tc,
                   test_trap_2_a_SIGPIPE_of_ours_is_taken_away_and_one_of_others_is_kept);
    tcase_add_loop_test(tc,
                        test_trap_7_a_forked_child_that_closes_leaves_the_connection_alone,
                        0, 2);
    tcase_add_test(tc, test_trap_7_a_forked_child_cannot_use_the_connection);
    tcase_add_test(tc, test_every_allocation_may_fail);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
