/* SPDX-License-Identifier: Apache-2.0 */
/* Websocket messages against a real server on loopback. */
#include "wire/fixture.h"

static void roundtrip(struct tns_ws *ws, struct fix *f, const char *text)
{
    char *back = NULL;
    size_t len = 0;

    tst_ok(tns__ws_send(ws, text, strlen(text), &f->err), &f->err);
    tst_ok(tns__ws_recv(ws, &back, &len, &f->err), &f->err);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_str_eq(back, text);
    tns__free(back);
}

START_TEST(test_messages_go_there_and_back_over_tls)
{
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    ws = fix_open(&f);
    for (int i = 0; i < 20; i++)
        roundtrip(ws, &f, "{\"hello\":\"world\"}");
    ck_assert_str_eq(tns__ws_fingerprint(ws), srv_fingerprint(f.srv));
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

START_TEST(test_messages_go_there_and_back_in_the_plain)
{
    struct fix f;
    struct tns_ws *ws;

    fix_start(&f, SRV_PLAIN, serve_echo, NULL);
    ws = fix_open(&f);
    roundtrip(ws, &f, "x");
    roundtrip(ws, &f, "");
    ck_assert_str_eq(tns__ws_fingerprint(ws), "");
    tns__ws_close(ws);
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ws");
    TCase *tc = tcase_create("ws");

    tcase_add_test(tc, test_messages_go_there_and_back_over_tls);
    tcase_add_test(tc, test_messages_go_there_and_back_in_the_plain);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
