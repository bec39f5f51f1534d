/* SPDX-License-Identifier: Apache-2.0 */
/* What some versions of libwebsockets forget is closed, and nothing else is. */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/fixture.h"

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(test_an_eventfd_that_was_forgotten_is_closed)
{
    struct tns_fd_watch w;
    int fd;

    tns__fd_watch_begin(&w);
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tns__fd_watch_opened(&w);
    tns__fd_watch_end(&w);
    ck_assert(!is_open(fd));
}
END_TEST

START_TEST(test_the_next_owner_of_the_number_keeps_it)
{
    struct tns_fd_watch w;
    int fd, other;

    tns__fd_watch_begin(&w);
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tns__fd_watch_opened(&w);
    close(fd);
    other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_eq(other, fd);
    tns__fd_watch_end(&w);
    ck_assert(is_open(other));
    ck_assert_int_ne(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
    close(other);
}
END_TEST

START_TEST(test_what_was_open_before_is_nobody_s_business)
{
    struct tns_fd_watch w;
    int hole = dup(0), mine = eventfd(0, EFD_CLOEXEC), netlink;

    close(hole);
    netlink = socket(AF_NETLINK, SOCK_RAW, 0);
    if (netlink >= 0)
        ck_assert_int_eq(netlink, hole);
    tns__fd_watch_begin(&w);
    tns__fd_watch_opened(&w);
    tns__fd_watch_end(&w);
    ck_assert(is_open(mine));
    ck_assert(netlink < 0 || !(fcntl(netlink, F_GETFD) & FD_CLOEXEC));
    close(mine);
    close(netlink);
}
END_TEST

START_TEST(test_of_two_new_ones_neither_is_taken)
{
    struct tns_fd_watch w;
    int a, b;

    tns__fd_watch_begin(&w);
    a = eventfd(0, EFD_CLOEXEC);
    b = eventfd(0, EFD_CLOEXEC);
    tns__fd_watch_opened(&w);
    tns__fd_watch_end(&w);
    ck_assert(is_open(a) && is_open(b));
    close(a);
    close(b);
}
END_TEST

START_TEST(test_a_netlink_socket_does_not_pass_exec)
{
    struct tns_fd_watch w;
    int fd;

    tns__fd_watch_begin(&w);
    fd = socket(AF_NETLINK, SOCK_RAW, 0);
    tns__fd_watch_opened(&w);
    tns__fd_watch_end(&w);
    ck_assert(fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    ck_assert(fd < 0 || is_open(fd));
    close(fd);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fds");
    TCase *tc = tcase_create("fds");

    tcase_add_test(tc, test_an_eventfd_that_was_forgotten_is_closed);
    tcase_add_test(tc, test_the_next_owner_of_the_number_keeps_it);
    tcase_add_test(tc, test_what_was_open_before_is_nobody_s_business);
    tcase_add_test(tc, test_of_two_new_ones_neither_is_taken);
    tcase_add_test(tc, test_a_netlink_socket_does_not_pass_exec);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
