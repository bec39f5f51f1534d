/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection leaves in the process around it: descriptors, output, time. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/fixture.h"

static void ask(struct fix *f, struct tns_ws *ws)
{
    char *text = NULL;
    size_t len;

    tst_ok(tns__ws_send(ws, "x", 1, &f->err), &f->err);
    tst_ok(tns__ws_recv(ws, &text, &len, &f->err), &f->err);
    tns__free(text);
}

static unsigned open_fds(bool need_cloexec)
{
    unsigned n = 0;

    for (int fd = 3; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0)
            continue;
        n++;
        if (need_cloexec && !(flags & FD_CLOEXEC)) {
            char path[32], what[128] = "";

            snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
            ck_assert_int_gt(readlink(path, what, sizeof(what) - 1), 0);
            ck_abort_msg("descriptor %d (%s) passes exec", fd, what);
        }
    }
    return n;
}

START_TEST(test_no_descriptor_leaks_and_none_passes_exec)
{
    struct fix f;
    struct tns_ws *ws;
    unsigned before;
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);

    for (int fd = 3; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    ws = fix_open(&f);
    ck_assert_int_eq(getsockopt(tns__ws_fd(ws), IPPROTO_TCP, TCP_NODELAY, &nodelay, &len),
                     0);
    ck_assert_int_ne(nodelay, 0);
    open_fds(true);
    tns__ws_close(ws);
    tst_eventually(tns__ws_open(&f.ctx, &f.ep, "/", &ws, &f.err) == 0, 1000);
    tns__ws_close(ws);
    before = open_fds(false);
    for (int i = 0; i < 20; i++) {
        fix_deadline(&f, 5000);
        tns__ws_close(fix_open(&f));
    }
    tst_eventually(open_fds(false) <= before, 2000);
    fix_stop(&f);
}
END_TEST

START_TEST(test_nothing_is_printed)
{
    struct fix f;
    char path[] = "/tmp/tns-out-XXXXXX";
    int out = mkstemp(path), keep1 = dup(1), keep2 = dup(2);
    struct tns_ws *ws = NULL;

    unlink(path);
    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    dup2(out, 1);
    dup2(out, 2);
    ws = fix_open(&f);
    ask(&f, ws);
    tns__ws_close(ws);
    f.ep.ca_file = NULL;
    (void)tns__ws_open(&f.ctx, &f.ep, "/", &ws, &f.err);
    dup2(keep1, 1);
    dup2(keep2, 2);
    ck_assert_int_eq(f.err.code, TNS_E_TLS);
    ck_assert_int_eq(lseek(out, 0, SEEK_END), 0);
    close(out);
    close(keep1);
    close(keep2);
    fix_stop(&f);
}
END_TEST

START_TEST(test_opening_is_cheap)
{
    struct fix f;
    struct tst_watch start;

    fix_start(&f, SRV_GOOD, serve_echo, NULL);
    tns__ws_close(fix_open(&f));
    start = tst_watch();
    for (int i = 0; i < 20; i++)
        tns__ws_close(fix_open(&f));
    /* Context, TCP, TLS and upgrade, both ends on this machine: 5 ms, and room for a busy one. */
    ck_assert_uint_le(tst_own_ms(start), 20 * tst_ms(40));
    fix_stop(&f);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("process");
    TCase *tc = tcase_create("process");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_no_descriptor_leaks_and_none_passes_exec);
    tcase_add_test(tc, test_nothing_is_printed);
    tcase_add_test(tc, test_opening_is_cheap);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
