/* SPDX-License-Identifier: Apache-2.0 */
/* A server that stops answering at any byte: the call returns by its deadline, and soon after. */
#include <stdlib.h>

#include "wire/fixture.h"
#include "wire/proxy.h"

#define DEADLINE_MS 25
#define LATE_MS 100

/* Replies in two fragments, so that the reassembly is interrupted too. */
static void serve_reply(struct srv_conn *c, void *arg)
{
    char in[256];

    (void)arg;
    if (srv_upgrade(c) && srv_frame_in(c, in, sizeof(in), NULL) == 1) {
        srv_frame(c, 0x01, "{\"result\":", 10);
        srv_frame(c, 0x80, "\"all of it\"}", 12);
    }
    srv_linger(c);
}

static int ask_ws(struct fix *f)
{
    struct tns_ws *ws = NULL;
    char *text = NULL;
    size_t len;
    int rc = tns__ws_open(&f->ctx, &f->ep, "/api/current", &ws, &f->err);

    if (rc == 0)
        rc = tns__ws_send(ws, "question", 8, &f->err);
    if (rc == 0)
        rc = tns__ws_recv(ws, &text, &len, &f->err);
    tns__free(text);
    tns__ws_close(ws);
    return rc;
}

static void serve_http(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_request(c))
        srv_answer(c, 200, "Content-Type: application/json\r\n",
                   "{\"result\":\"all of it\"}");
    srv_linger(c);
}

static int ask_http(struct fix *f)
{
    struct tns_http_request req = {
        .method = "POST", .path = "/x", .body = "{}", .body_len = 2
    };
    struct tns_http_response res = { 0 };
    struct tns_http *http = NULL;
    int rc = tns__http_open(&f->ctx, &f->ep, &http, &f->err);

    if (rc == 0)
        rc = tns__http_exchange(http, &req, &res, &f->err);
    if (rc == 0)
        tns__http_response_clear(&res);
    tns__http_close(http);
    return rc;
}

struct how {
    enum srv_cert cert;
    srv_fn serve;
    int (*ask)(struct fix *f);
    size_t step; /* a handshake of 1 kB is walked through in larger steps */
};

static const struct how hows[] = {
    { SRV_PLAIN, serve_reply, ask_ws, 1 },
    { SRV_GOOD, serve_reply, ask_ws, 23 },
    { SRV_PLAIN, serve_http, ask_http, 1 },
    { SRV_GOOD, serve_http, ask_http, 31 },
};

/* How much the server says in all; the client hangs up, so that the count is final. */
static size_t count_all(struct fix *f, const struct how *how)
{
    struct proxy *p = proxy_start(srv_port(f->srv), SIZE_MAX);

    f->ep.port = proxy_port(p);
    fix_deadline(f, 5000);
    tst_ok(how->ask(f), &f->err);
    return proxy_stop(p);
}

START_TEST(test_silence_from_any_byte_on_ends_at_the_deadline)
{
    const struct how *how = &hows[_i];
    struct fix f;
    size_t all;
    unsigned timeouts = 0, runs = 0;

    fix_start(&f, how->cert, how->serve, NULL);
    all = count_all(&f, how);
    fix_stop(&f);
    ck_assert_uint_gt(all, 60);

    for (size_t limit = 0; limit < all; limit += how->step, runs++) {
        struct proxy *p;
        struct tst_watch start;
        int rc;

        fix_start(&f, how->cert, how->serve, NULL);
        p = proxy_start(srv_port(f.srv), limit);
        f.ep.port = proxy_port(p);
        fix_deadline(&f, DEADLINE_MS);
        start = tst_watch();
        rc = how->ask(&f);
        ck_assert_msg(tst_own_ms(start) <= DEADLINE_MS + tst_ms(LATE_MS),
                      "after byte %zu: %d ms", limit, (int)tst_own_ms(start));
        /* Over TLS the last bytes are the server's farewell: the answer was whole before. */
        timeouts += rc == -TNS_E_TIMEOUT;
        ck_assert_msg(rc == -TNS_E_TIMEOUT || (rc == 0 && how->cert != SRV_PLAIN),
                      "after byte %zu of %zu: answered %d: %s", limit, all, rc, f.err.text);
        tns__error_clear(&f.err);
        proxy_stop(p);
        fix_stop(&f);
    }
    ck_assert_uint_ge(timeouts, runs * 9 / 10);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("silence");
    TCase *tc = tcase_create("silence");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, test_silence_from_any_byte_on_ends_at_the_deadline, 0, 4);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
