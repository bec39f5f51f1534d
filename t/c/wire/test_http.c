/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP exchanges against a real server on loopback. */
#include <stdlib.h>
#include <unistd.h>

#include "wire/fixture.h"

/* Answers with the request's first line and body. */
static void serve_mirror(struct srv_conn *c, void *arg)
{
    char text[4096];

    (void)arg;
    if (!srv_request(c))
        return;
    snprintf(text, sizeof(text), "%.*s|%s", (int)strcspn(c->request, "\r"), c->request,
             c->body ? c->body : "-");
    srv_answer(c, 200, NULL, text);
}

static struct tns_http *open_http(struct fix *f)
{
    struct tns_http *http = NULL;

    tst_ok(tns__http_open(&f->ctx, &f->ep, &http, &f->err), &f->err);
    return http;
}

static int ask(struct fix *f, struct tns_http *http, const char *method, const char *path,
               const char *body, struct tns_http_response *res)
{
    struct tns_http_request req = {
        .method = method, .path = path, .body = body, .body_len = body ? strlen(body) : 0
    };

    return tns__http_exchange(http, &req, res, &f->err);
}

static void exchange(struct fix *f, struct tns_http *http, const char *method,
                     const char *path, const char *body, const char *want)
{
    struct tns_http_response res = { 0 };

    tst_ok(ask(f, http, method, path, body, &res), &f->err);
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
    exchange(&f, http, "GET", "/a?b=c&d=%2Fe", NULL, "GET /a?b=c&d=%2Fe HTTP/1.1|-");
    exchange(&f, http, "POST", "/p", "{\"a\":1}", "POST /p HTTP/1.1|{\"a\":1}");
    exchange(&f, http, "PUT", "/p/id/1", "[]", "PUT /p/id/1 HTTP/1.1|[]");
    exchange(&f, http, "DELETE", "/p/id/1", "true", "DELETE /p/id/1 HTTP/1.1|true");
    exchange(&f, http, "DELETE", "/p/id/2", NULL, "DELETE /p/id/2 HTTP/1.1|");
    exchange(&f, http, "POST", "/promote", NULL, "POST /promote HTTP/1.1|");
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

static void serve_headers(struct srv_conn *c, void *arg)
{
    (void)arg;
    if (srv_request(c))
        srv_answer(c, 200, NULL, c->request);
}

START_TEST(test_the_key_goes_in_its_header_and_the_host_in_another)
{
    struct tns_secret *key = tns__secret_new(TST_CANARY_KEY, strlen(TST_CANARY_KEY));
    struct tns_http_request req = { .method = "GET", .path = "/", .bearer = key };
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    char host[64];
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_headers, NULL);
    http = open_http(&f);
    tst_ok(tns__http_exchange(http, &req, &res, &f.err), &f.err);
    ck_assert_ptr_nonnull(
        strstr(res.body, "\r\nAuthorization: Bearer " TST_CANARY_KEY "\r\n"));
    snprintf(host, sizeof(host), "\r\nHost: localhost:%u\r\n", f.ep.port);
    ck_assert_ptr_nonnull(strstr(res.body, host));
    tst_no_canary(tst_log_text());
    tns__http_response_clear(&res);
    tns__http_close(http);
    tns__secret_free(key);
    fix_stop(&f);
}
END_TEST

/* Whether these bytes are anywhere in the writable memory of this process. */
static bool memory_holds(const char *bytes, size_t len)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    bool found = false;

    while (!found && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char mode[5];

        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 ||
            strncmp(mode, "rw", 2) != 0 || strstr(line, "[v") || !strstr(line, "[heap]"))
            continue;
        found = memmem((void *)from, to - from, bytes, len) != NULL;
    }
    fclose(maps);
    return found;
}

START_TEST(test_no_copy_of_the_key_stays_behind)
{
    /* Spelled backwards here, so that this test does not find itself. */
    static const char drawkcab[] = "9876543210zyxwvutsrqponmlkjihgfedcba-7";
    struct tns_http_request req = { .method = "GET", .path = "/" };
    struct tns_http_response res = { 0 };
    size_t len = sizeof(drawkcab) - 1;
    struct tns_http *http;
    struct tns_secret *key;
    char name[64];
    struct fix f;

    for (size_t i = 0; i < len; i++)
        name[i] = drawkcab[len - 1 - i];
    key = tns__secret_new(name, len);
    req.bearer = key;
    fix_start(&f, SRV_GOOD, serve_mirror, NULL);
    http = open_http(&f);
    tst_ok(tns__http_exchange(http, &req, &res, &f.err), &f.err);
    tns__http_response_clear(&res);
    req.bearer = NULL;
    tns__secret_free(key);
    srv_stop(f.srv);
    ck_assert(!memory_holds(name, len));
    tns__http_close(http);
    explicit_bzero(name, sizeof(name));
}
END_TEST

static int resolve_must_not(const char *host, const char *service,
                            const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host, (void)service, (void)hints, (void)ret;
    abort();
}

START_TEST(test_a_key_never_goes_over_plain_http_to_another_host)
{
    struct tns_secret *key = tns__secret_new(TST_CANARY_KEY, strlen(TST_CANARY_KEY));
    struct tns_http_request req = { .method = "GET", .path = "/", .bearer = key };
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    tns__resolve_getaddrinfo = resolve_must_not;
    fix_start(&f, SRV_PLAIN, serve_headers, NULL);
    f.ep.host = "nas.example";
    http = open_http(&f);
    tst_fails(tns__http_exchange(http, &req, &res, &f.err), TNS_E_CONFIG, &f.err);
    tns__http_close(http);
    tns__secret_free(key);
    fix_stop(&f);
}
END_TEST

static void serve_status(struct srv_conn *c, void *arg)
{
    const char *const *answer = arg;

    if (srv_request(c))
        srv_answer(c, atoi(answer[0]), answer[1], answer[2]);
}

START_TEST(test_every_status_is_an_answer_and_a_redirect_is_not_followed)
{
    static const char *const answers[][3] = {
        { "200", NULL, "" },
        { "401", "Content-Type: text/plain\r\n", "401: Unauthorized" },
        { "403", NULL, "" },
        { "404", NULL, "{\"message\":\"\"}" },
        { "422", NULL, "{\"message\":\"m\",\"errno\":16}" },
        { "500", NULL, "{}" },
        { "503", NULL, "<html>" },
        { "301", "Location: https://127.0.0.1:1/\r\n", "moved" },
        { "307", "Location: /elsewhere\r\n", "" },
    };
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_status, (void *)(uintptr_t)answers[_i]);
    http = open_http(&f);
    tst_ok(ask(&f, http, "POST", "/x", "1", &res), &f.err);
    ck_assert_int_eq(res.status, atoi(answers[_i][0]));
    ck_assert_str_eq(res.body, answers[_i][2]);
    ck_assert_uint_eq(srv_connections(f.srv), 1);
    tns__http_response_clear(&res);
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

/* ---- bodies in every wrapping ---- */

struct wrapping {
    const char *raw;
    const char *body; /* NULL: refused */
    int code;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static const struct wrapping wrappings[] = {
    { CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello", 0 },
    { CHUNKED "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello", 0 },
    { CHUNKED "0\r\n\r\n", "", 0 },
    { OK "Connection: close\r\n\r\nuntil the end", "until the end", 0 },
    { "HTTP/1.0 200 OK\r\n\r\nold", "old", 0 },
    { OK "Content-Length: 5\r\n\r\nhel", NULL, TNS_E_TRANSPORT },
    { OK "Content-Length: 5\r\n\r\n", NULL, TNS_E_TRANSPORT },
    { CHUNKED "5\r\nhel", NULL, TNS_E_TRANSPORT },
    { CHUNKED "zz\r\nhello\r\n0\r\n\r\n", NULL, 0 },
    { CHUNKED "ffffffff\r\nhello\r\n0\r\n\r\n", NULL, 0 },
    { CHUNKED "5\r\nhello\r\nffffffff\r\nhello\r\n0\r\n\r\n", NULL, 0 },
    { CHUNKED "80000000\r\nhello\r\n0\r\n\r\n", NULL, 0 },
    { CHUNKED "5\r\nhelloXX0\r\n\r\n", NULL, 0 },
    { OK "Content-Length: 67108865\r\n\r\nx", NULL, TNS_E_PROTOCOL },
    { OK "Content-Length: 18446744073709551615\r\n\r\nx", NULL, TNS_E_PROTOCOL },
    { OK "Content-Length: -1\r\n\r\nx", NULL, TNS_E_PROTOCOL },
    { "garbage\r\n\r\n", NULL, TNS_E_TRANSPORT },
    { "", NULL, TNS_E_TRANSPORT },
    { "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", NULL, TNS_E_PROTOCOL },
};

static void serve_raw(struct srv_conn *c, void *arg)
{
    const struct wrapping *w = arg;

    if (srv_request(c))
        srv_say(c, w->raw);
}

START_TEST(test_bodies_in_every_wrapping)
{
    struct wrapping w = wrappings[_i];
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;
    int rc;

    fix_start(&f, SRV_GOOD, serve_raw, &w);
    http = open_http(&f);
    rc = ask(&f, http, "GET", "/", NULL, &res);
    if (w.body) {
        tst_ok(rc, &f.err);
        ck_assert_str_eq(res.body, w.body);
        tns__http_response_clear(&res);
    } else {
        ck_assert_msg(rc == -TNS_E_TRANSPORT || rc == -TNS_E_PROTOCOL, "answered %d", rc);
        ck_assert(w.code == 0 || f.err.code == w.code);
        ck_assert_ptr_null(res.body);
    }
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

static void serve_bulk(struct srv_conn *c, void *arg)
{
    size_t n = *(size_t *)arg, piece = 1 << 20;
    char head[128], *block = malloc(piece);

    memset(block, 'y', piece);
    snprintf(head, sizeof(head), OK "Content-Length: %zu\r\n\r\n", n);
    if (srv_request(c) && srv_say(c, head))
        for (; n > 0; n -= n < piece ? n : piece)
            if (!srv_write(c, block, n < piece ? n : piece))
                break;
    free(block);
}

START_TEST(test_a_body_of_64_MiB_arrives_whole)
{
    size_t n = TNS_WIRE_MAX_IN;
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_bulk, &n);
    fix_deadline(&f, 30000);
    http = open_http(&f);
    tst_ok(ask(&f, http, "GET", "/", NULL, &res), &f.err);
    ck_assert_uint_eq(res.body_len, n);
    ck_assert_int_eq(res.body[n - 1], 'y');
    ck_assert_int_eq(res.body[n], '\0');
    tns__http_response_clear(&res);
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

static void serve_chunks_without_end(struct srv_conn *c, void *arg)
{
    char *block = malloc(1 << 20);
    size_t head;

    (void)arg;
    memset(block, 'y', 1 << 20);
    head = (size_t)sprintf(block, "ff000\r\n");
    block[head] = 'y';
    memcpy(block + head + 0xff000, "\r\n", 2);
    if (srv_request(c) && srv_say(c, CHUNKED))
        while (srv_write(c, block, head + 0xff000 + 2))
            ;
    free(block);
}

START_TEST(test_chunks_without_end_are_cut_at_64_MiB)
{
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_chunks_without_end, NULL);
    fix_deadline(&f, 30000);
    http = open_http(&f);
    tst_fails(ask(&f, http, "GET", "/", NULL, &res), TNS_E_PROTOCOL, &f.err);
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

/* ---- what a failure means ---- */

static void serve_nothing(struct srv_conn *c, void *arg)
{
    (void)arg;
    srv_request(c);
}

START_TEST(test_a_lost_answer_is_unknown_for_a_change_and_harmless_for_a_read)
{
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_nothing, NULL);
    http = open_http(&f);
    ck_assert_int_eq(ask(&f, http, "POST", "/", "{}", &res), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(f.err.flags, TNS_F_OUTCOME_UNKNOWN);
    tns__error_clear(&f.err);
    ck_assert_int_eq(ask(&f, http, "GET", "/", NULL, &res), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(f.err.flags, TNS_F_RETRYABLE);
    tns__error_clear(&f.err);
    tns__http_close(http);
    srv_stop(f.srv);

    f.ep.ca_file = NULL;
    f.ep.host = "127.0.0.1";
    http = open_http(&f);
    ck_assert_int_eq(ask(&f, http, "POST", "/", "{}", &res), -TNS_E_TRANSPORT);
    ck_assert_uint_eq(f.err.flags, TNS_F_RETRYABLE);
    tns__http_close(http);
}
END_TEST

START_TEST(test_what_is_too_long_or_not_encoded_is_never_sent)
{
    char long_path[2100] = "/";
    char *big = malloc(TNS_WIRE_MAX_OUT + 2);
    const char *wrong[] = { "nas", "", "/a b", "/a\r\nX: y", "/\xc3\xa4", long_path };
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    memset(long_path + 1, 'a', sizeof(long_path) - 2);
    memset(big, 'x', TNS_WIRE_MAX_OUT + 1);
    big[TNS_WIRE_MAX_OUT + 1] = '\0';
    fix_start(&f, SRV_GOOD, serve_mirror, NULL);
    http = open_http(&f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        tst_fails(ask(&f, http, "GET", wrong[i], NULL, &res), TNS_E_USAGE, &f.err);
    tst_fails(ask(&f, http, "POST", "/", big, &res), TNS_E_USAGE, &f.err);
    ck_assert_uint_eq(srv_connections(f.srv), 0);
    big[TNS_WIRE_MAX_OUT] = '\0';
    tst_ok(ask(&f, http, "POST", "/", big, &res), &f.err);
    tns__http_response_clear(&res);
    tns__http_close(http);
    fix_stop(&f);
    free(big);
}
END_TEST

START_TEST(test_W06_a_bad_certificate_is_refused_before_the_request)
{
    static const enum srv_cert certs[] = { SRV_EXPIRED, SRV_NOT_YET, SRV_OTHER_HOST,
                                           SRV_SELF_SIGNED };
    struct tns_http_response res = { 0 };
    struct tns_http *http;
    struct fix f;

    fix_start(&f, certs[_i], serve_mirror, NULL);
    http = open_http(&f);
    ck_assert_int_eq(ask(&f, http, "POST", "/", "{}", &res), -TNS_E_TLS);
    ck_assert_uint_eq(f.err.flags & TNS_F_OUTCOME_UNKNOWN, 0);
    ck_assert_uint_eq(srv_received(f.srv), 0);
    tns__http_close(http);
    fix_stop(&f);
}
END_TEST

static int sweep_exchange(void *user, struct tns_error *err)
{
    struct fix *f = user;
    struct tns_http_request req = {
        .method = "PUT", .path = "/s", .body = "{}", .body_len = 2
    };
    struct tns_http_response res = { 0 };
    struct tns_http *http = NULL;
    int rc;

    fix_deadline(f, 5000);
    rc = tns__http_open(&f->ctx, &f->ep, &http, err);
    if (rc == 0)
        rc = tns__http_exchange(http, &req, &res, err);
    if (rc == 0)
        ck_assert_str_eq(res.body, "PUT /s HTTP/1.1|{}");
    tns__http_response_clear(&res);
    tns__http_close(http);
    return rc;
}

START_TEST(test_every_allocation_may_fail)
{
    struct fix f;

    fix_start(&f, SRV_GOOD, serve_mirror, NULL);
    ck_assert_uint_gt(tst_alloc_sweep(sweep_exchange, &f, NULL), 3);
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("http");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_every_verb_with_and_without_a_body, 0, 2);
    tcase_add_test(tc, test_the_key_goes_in_its_header_and_the_host_in_another);
    tcase_add_test(tc, test_no_copy_of_the_key_stays_behind);
    tcase_add_test(tc, test_a_key_never_goes_over_plain_http_to_another_host);
    tcase_add_loop_test(tc, test_every_status_is_an_answer_and_a_redirect_is_not_followed,
                        0, 9);
    tcase_add_loop_test(tc, test_bodies_in_every_wrapping, 0,
                        sizeof(wrappings) / sizeof(wrappings[0]));
    tcase_add_test(tc, test_a_body_of_64_MiB_arrives_whole);
    tcase_add_test(tc, test_chunks_without_end_are_cut_at_64_MiB);
    tcase_add_test(tc, test_a_lost_answer_is_unknown_for_a_change_and_harmless_for_a_read);
    tcase_add_test(tc, test_what_is_too_long_or_not_encoded_is_never_sent);
    tcase_add_loop_test(tc, test_W06_a_bad_certificate_is_refused_before_the_request, 0, 4);
    tcase_add_test(tc, test_every_allocation_may_fail);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
