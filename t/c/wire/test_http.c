/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP exchanges against a real server on loopback. */
#include "wire/fixture.h"

/* Answers each request with its own first line and body. */
static void serve_mirror(struct srv_conn *c, void *arg)
{
    (void)arg;
    while (srv_request(c)) {
        char text[4096];

        snprintf(text, sizeof(text), "%.*s|%s", (int)strcspn(c->request, "\r"), c->request,
                 c->body ? c->body : "-");
        if (!srv_answer(c, 200, NULL, text))
            break;
    }
}

static struct tns_http *open_http(struct fix *f)
{
    struct tns_http *http = NULL;

    tst_ok(tns__http_open(&f->ctx, &f->ep, &http, &f->err), &f->err);
    return http;
}

static void exchange(struct fix *f, struct tns_http *http, const char *method, const char *path,
                     const char *body, const char *want)
{
    struct tns_http_request req = {
        .method = method, .path = path, .body = body, .body_len = body ? strlen(body) : 0
    };
    struct tns_http_response res = { 0 };

    tst_ok(tns__http_exchange(http, &req, &res, &f->err), &f->err);
    ck_assert_int_eq(res.status, 200);
    ck_assert_str_eq(res.body, want);
    ck_assert_uint_eq(res.body_len, strlen(want));
    ck_assert_str_eq(res.fingerprint, f->ep.tls ? srv_fingerprint(f->srv) : "");
    tns__http_response_clear(&res);
}

START_TEST(test_every_verb_with_and_without_a_body)
{
    struct fix f;
    struct tns_http *http;

    fix_start(&f, _i ? SRV_GOOD : SRV_PLAIN, serve_mirror, NULL);
    http = open_http(&f);
    exchange(&f, http, "GET", "/a?b=c", NULL, "GET /a?b=c HTTP/1.1|-");
    exchange(&f, http, "POST", "/p", "{\"a\":1}", "POST /p HTTP/1.1|{\"a\":1}");
    exchange(&f, http, "PUT", "/p/id/1", "[]", "PUT /p/id/1 HTTP/1.1|[]");
    exchange(&f, http, "DELETE", "/p/id/1", "true", "DELETE /p/id/1 HTTP/1.1|true");
    exchange(&f, http, "DELETE", "/p/id/2", NULL, "DELETE /p/id/2 HTTP/1.1|");
    exchange(&f, http, "POST", "/promote", NULL, "POST /promote HTTP/1.1|");
    exchange(&f, http, "GET", "/z", NULL, "GET /z HTTP/1.1|-");
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("http");

    tcase_add_loop_test(tc, test_every_verb_with_and_without_a_body, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
