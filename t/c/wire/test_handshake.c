/* SPDX-License-Identifier: Apache-2.0 */
/* The websocket handshake and frames as they must not be: a clear error, bounded memory, no crash. */
#include <stdlib.h>
#include <sys/resource.h>

#include "wire/fixture.h"

/* ---- W01 ---- */

struct refusal {
    const char *answer;
    int status; /* to be found in remote_code */
    uint32_t flags;
    const char *words;
};

#define BODY "Content-Length: 0\r\n\r\n"
#define UP "HTTP/1.1 101 Switching Protocols\r\n"

static const struct refusal refusals[] = {
    { "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1:1/\r\n" BODY, 301, 0,
      "never followed" },
    { "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" BODY, 302, 0, "never followed" },
    { "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\n" BODY, 307, 0,
      "never followed" },
    { "HTTP/1.1 200 OK\r\n" BODY, 200, 0, "HTTP 200" },
    { "HTTP/1.1 401 Unauthorized\r\n" BODY, 401, 0, "HTTP 401" },
    { "HTTP/1.1 404 Not Found\r\n" BODY, 404, 0, "HTTP 404" },
    { "HTTP/1.1 500 Oops\r\n" BODY, 500, TNS_F_RETRYABLE, "HTTP 500" },
    { "HTTP/1.1 502 Bad Gateway\r\n" BODY, 502, TNS_F_RETRYABLE, "starting" },
    { "HTTP/1.1 503 Unavailable\r\n" BODY, 503, TNS_F_RETRYABLE, "starting" },
    { UP "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0, 0, "websocket" },
    { UP "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
      0, 0, "websocket" },
    { UP "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", 0, 0, "websocket" },
    { "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 0, 0, "localhost" },
    { "HTTP/1.1 abc\r\n\r\n", 0, 0, "localhost" },
    { "\r\n\r\n\r\n", 0, 0, "localhost" },
    { "", 0, 0, "localhost" },
};

static void serve_refusal(struct srv_conn *c, void *arg)
{
    const struct refusal *r = arg;

    if (srv_request(c))
        srv_say(c, r->answer);
}

START_TEST(test_W01_a_refused_handshake_is_a_clear_error)
{
    struct refusal r = refusals[_i];
    struct tns_ws *ws = NULL;
    struct fix f;
    int rc;

    fix_start(&f, SRV_GOOD, serve_refusal, &r);
    rc = tns__ws_open(&f.ctx, &f.ep, "/api/current", &ws, &f.err);
    tst_says(&f.err, r.words);
    ck_assert_int_eq(f.err.remote_code, r.status);
    ck_assert_uint_eq(f.err.flags, r.flags);
    tst_fails(rc, TNS_E_TRANSPORT, &f.err);
    ck_assert_uint_eq(srv_connections(f.srv), 1);
    fix_stop(&f);
}
END_TEST

static void serve_endless_headers(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (!srv_request(c) || !srv_say(c, UP))
        return;
    while (srv_say(
        c, "X-Padding: "
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"))
        ;
}

START_TEST(test_W01_headers_without_end_are_refused)
{
    struct tns_ws *ws = NULL;
    struct fix f;
    struct tst_watch start = tst_watch();

    fix_start(&f, SRV_GOOD, serve_endless_headers, NULL);
    fix_deadline(&f, 3000);
    ck_assert_int_lt(tns__ws_open(&f.ctx, &f.ep, "/", &ws, &f.err), 0);
    ck_assert(f.err.code == TNS_E_TRANSPORT || f.err.code == TNS_E_TIMEOUT);
    ck_assert_uint_le(tst_own_ms(start), 3000 + tst_ms(100));
    fix_stop(&f);
}
END_TEST

/* ---- W02 ---- */

#define BYTES(s) s, sizeof(s) - 1

struct garbage {
    const char *name;
    const char *bytes;
    size_t len;
};

static const struct garbage garbages[] = {
    { "RSV1 without an extension", BYTES("\xc1\x01x") },
    { "RSV2", BYTES("\xa1\x01x") },
    { "RSV3", BYTES("\x91\x01x") },
    { "opcode 3", BYTES("\x83\x01x") },
    { "opcode 15", BYTES("\x8f\x00") },
    { "a fragmented ping", BYTES("\x09\x01x") },
    { "a ping of 126 bytes", BYTES("\x89\x7e\x00\x7exxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") },
    { "a close of 65536 bytes", BYTES("\x88\x7f\x00\x00\x00\x00\x00\x01\x00\x00xxxx") },
    { "a continuation of nothing", BYTES("\x80\x01x") },
    { "a text inside a fragmented text", BYTES("\x01\x01x\x81\x01y") },
    { "a binary message", BYTES("\x82\x03xyz") },
    { "a frame of 2^63 bytes", BYTES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00xxxx") },
    { "a frame of 2^62 bytes", BYTES("\x81\x7f\x40\x00\x00\x00\x00\x00\x00\x00xxxx") },
    { "a frame of 64 MiB and one byte",
      BYTES("\x81\x7f\x00\x00\x00\x00\x04\x00\x00\x01xxxx") },
};

static void serve_garbage(struct srv_conn *c, void *arg)
{
    const struct garbage *g = arg;

    char more[65536] = "";

    if (!srv_upgrade(c) || !srv_write(c, g->bytes, g->len))
        return;
    /* libwebsockets shows a frame by pieces of 64 KiB, or by its end. */
    if (strncmp(g->name, "a frame of", 10) == 0)
        srv_write(c, more, sizeof(more));
    srv_linger(c);
}

START_TEST(test_W02_a_malformed_frame_ends_the_connection)
{
    struct garbage g = garbages[_i];
    struct tns_ws *ws;
    struct fix f;
    char *text = NULL;
    size_t len;
    int rc;

    fix_start(&f, SRV_GOOD, serve_garbage, &g);
    ws = fix_open(&f);
    rc = tns__ws_recv(ws, &text, &len, &f.err);
    ck_assert_msg(rc == -TNS_E_TRANSPORT || rc == -TNS_E_PROTOCOL, "%s: answered %d: %s",
                  g.name, rc, f.err.text);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* Against the RFC, but harmless: what is masked is unmasked. */
static const struct garbage masked = { "masked", BYTES("\x81\x82\x01\x02\x03\x04ik") };

START_TEST(test_W02_a_masked_frame_has_a_defined_end)
{
    struct garbage g = masked;
    struct tns_ws *ws;
    struct fix f;
    char *text = NULL;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_garbage, &g);
    ws = fix_open(&f);
    fix_deadline(&f, 500);
    if (tns__ws_recv(ws, &text, &len, &f.err) == 0)
        ck_assert_str_eq(text, "hi");
    else
        ck_assert(f.err.code == TNS_E_TRANSPORT || f.err.code == TNS_E_TIMEOUT);
    tns__free(text);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static void serve_flood(struct srv_conn *c, void *arg)
{
    const char *frame = arg;
    char block[4096];
    size_t n = 0, len = (size_t)frame[1] + 2;

    if (!srv_upgrade(c))
        return;
    for (; n + len <= sizeof(block); n += len)
        memcpy(block + n, frame, len);
    while (srv_write(c, block, n))
        ;
}

static long max_rss_kib(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return ru.ru_maxrss;
}

START_TEST(test_W02_a_flood_costs_no_memory_and_ends_at_the_deadline)
{
    static const char *const floods[] = { "\x89\x04ping", "\x8a\x04pong", "\x01\x00" };
    char frame[16] = "";
    struct tns_ws *ws;
    struct fix f;
    char *text = NULL;
    size_t len;
    long before;
    struct tst_watch start;

    memcpy(frame, floods[_i], 2 + (size_t)floods[_i][1]);
    fix_start(&f, SRV_GOOD, serve_flood, frame);
    ws = fix_open(&f);
    fix_deadline(&f, 400);
    before = max_rss_kib();
    start = tst_watch();
    ck_assert_int_lt(tns__ws_recv(ws, &text, &len, &f.err), 0);
    ck_assert_uint_le(tst_own_ms(start), 400 + tst_ms(100));
    ck_assert_int_le(max_rss_kib() - before, 32768);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* Nobody asks for these texts: they wait, up to a limit. */
static void serve_unasked(struct srv_conn *c, void *arg)
{
    char *big = calloc(1, 1 << 20);

    (void)arg;
    memset(big, 'x', 1 << 20);
    if (srv_upgrade(c))
        while (srv_frame(c, 0x81, big, 1 << 20))
            ;
    free(big);
}

START_TEST(test_W02_unasked_messages_wait_only_up_to_a_limit)
{
    struct tns_ws *ws;
    struct fix f;
    int rc = 0;

    fix_start(&f, SRV_GOOD, serve_unasked, NULL);
    fix_deadline(&f, 20000);
    ws = fix_open(&f);
    /* Sending takes in what arrives meanwhile. */
    while (rc == 0)
        rc = tns__ws_ping(ws, &f.err);
    ck_assert_int_eq(rc, -TNS_E_PROTOCOL);
    ck_assert_int_le(max_rss_kib(), 200 * 1024);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static void serve_data_after_close(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_upgrade(c) && srv_write(c, "\x88\x02\x03\xe8\x81\x02hi", 8))
        srv_linger(c);
}

START_TEST(test_W02_what_follows_a_close_is_no_message)
{
    struct tns_ws *ws;
    struct fix f;
    char *text = NULL;
    size_t len;

    fix_start(&f, SRV_GOOD, serve_data_after_close, NULL);
    ws = fix_open(&f);
    tst_fails(tns__ws_recv(ws, &text, &len, &f.err), TNS_E_TRANSPORT, &f.err);
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

/* ---- W03 ---- */

static void serve_drop_by_drop(struct srv_conn *c, void *arg)
{
    static const char slow[] = UP "Upgrade: websocket\r\nConnection: Upgrade\r\nX-A: ";
    struct tns_ctx nap = { 0 };
    size_t i = 0;

    (void)arg;
    if (!srv_request(c))
        return;
    while (!srv_stopping(c->srv) &&
           srv_write(c, i < sizeof(slow) - 1 ? slow + i : "a", 1)) {
        i++;
        nap.deadline_ns = tns__now_ns() + TNS_MS(1000);
        tns__ctx_backoff(&nap, 10, "the next drop", NULL);
    }
}

START_TEST(test_W03_drop_by_drop_the_deadline_still_wins)
{
    struct tns_ws *ws = NULL;
    struct fix f;
    struct tst_watch start;

    fix_start(&f, SRV_GOOD, serve_drop_by_drop, NULL);
    fix_deadline(&f, 700);
    start = tst_watch();
    tst_fails(tns__ws_open(&f.ctx, &f.ep, "/", &ws, &f.err), TNS_E_TIMEOUT, &f.err);
    ck_assert_uint_le(tst_own_ms(start), 700 + tst_ms(100));
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handshake");
    TCase *tc = tcase_create("handshake");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_W01_a_refused_handshake_is_a_clear_error, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tc, test_W01_headers_without_end_are_refused);
    tcase_add_loop_test(tc, test_W02_a_malformed_frame_ends_the_connection, 0,
                        sizeof(garbages) / sizeof(garbages[0]));
    tcase_add_test(tc, test_W02_a_masked_frame_has_a_defined_end);
    tcase_add_loop_test(tc, test_W02_a_flood_costs_no_memory_and_ends_at_the_deadline, 0,
                        3);
    tcase_add_test(tc, test_W02_unasked_messages_wait_only_up_to_a_limit);
    tcase_add_test(tc, test_W02_what_follows_a_close_is_no_message);
    tcase_add_test(tc, test_W03_drop_by_drop_the_deadline_still_wins);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
