/* SPDX-License-Identifier: Apache-2.0 */
/* tgtd on loopback: started, filled and stopped by tests. */
#include "device/tgt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/tst.h"

#define TGTD "/usr/sbin/tgtd"
#define TGTADM "/usr/sbin/tgtadm"
#define ARGS_MAX 24

bool tgt_available(void)
{
    return access(TGTD, X_OK) == 0 && access(TGTADM, X_OK) == 0;
}

static int bound_socket(int *ret_port)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *ret_port = ntohs(sin.sin_port);
    return fd;
}

int tgt_free_port(void)
{
    int port;

    close(bound_socket(&port));
    return port;
}

int tgt_silent_listener(struct tns_addr *ret)
{
    int port, fd = bound_socket(&port);

    ck_assert_int_eq(listen(fd, 8), 0);
    *ret = (struct tns_addr){ .host = "127.0.0.1", .port = (uint16_t)port };
    return fd;
}

static _Noreturn void tgt_exec(const struct tgt *t, const char *const argv[])
{
    char env[300];
    int null = open("/dev/null", O_RDWR);

    snprintf(env, sizeof(env), "TGT_IPC_SOCKET=%s", t->socket);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
    }
    execve(argv[0], (char *const *)(const void *)argv, (char *[]){ env, NULL });
    _exit(127);
}

static int tgt_run(const struct tgt *t, const char *const argv[])
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        tgt_exec(t, argv);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int tgt_vadm(const struct tgt *t, const char *first, va_list ap)
{
    const char *argv[ARGS_MAX] = { TGTADM, "--lld", "iscsi", "--control-port" };
    char control[16];
    size_t n = 4;

    snprintf(control, sizeof(control), "%d", t->control);
    argv[n++] = control;
    for (const char *arg = first; arg && n + 1 < ARGS_MAX; arg = va_arg(ap, const char *))
        argv[n++] = arg;
    return tgt_run(t, argv);
}

void tgt_adm(const struct tgt *t, const char *first, ...)
{
    va_list ap;
    int rc;

    va_start(ap, first);
    rc = tgt_vadm(t, first, ap);
    va_end(ap);
    ck_assert_msg(rc == 0, "tgtadm %s ...: exit code %d", first, rc);
}

static int tgt_try(const struct tgt *t, const char *first, ...)
{
    va_list ap;
    int rc;

    va_start(ap, first);
    rc = tgt_vadm(t, first, ap);
    va_end(ap);
    return rc;
}

void tgt_start(struct tgt *t)
{
    int port = tgt_free_port();
    char portals[128], control[16];
    const char *const argv[] = { TGTD,    "--foreground", "--control-port",
                                 control, "--iscsi",      portals,
                                 NULL };

    *t = (struct tgt){ .control = (int)(getpid() % 30000) + 1 };
    snprintf(t->dir, sizeof(t->dir), "%.190s", tst_tmpdir());
    snprintf(t->socket, sizeof(t->socket), "%s/tgt.ipc", t->dir);
    for (int i = 0; i < 2; i++) {
        snprintf(t->portals[i].host, sizeof(t->portals[i].host), "127.0.0.%d", i + 1);
        t->portals[i].port = (uint16_t)port;
    }
    snprintf(portals, sizeof(portals), "portal=127.0.0.1:%d,portal=127.0.0.2:%d", port,
             port);
    snprintf(control, sizeof(control), "%d", t->control);

    t->pid = fork();
    ck_assert_int_ge(t->pid, 0);
    if (t->pid == 0)
        tgt_exec(t, argv);
    tst_eventually(tgt_try(t, "--mode", "sys", "--op", "show", NULL) == 0, 10000);
    tgt_adm(t, "--mode", "target", "--op", "new", "--tid", "1", "-T", TGT_IQN, NULL);
    tgt_adm(t, "--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL", NULL);
}

/* tgtd takes no notice of SIGTERM. */
void tgt_stop(struct tgt *t)
{
    if (t->pid <= 0)
        return;
    kill(t->pid, SIGKILL);
    while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    t->pid = 0;
}

static void file_path(const struct tgt *t, const char *file, char ret[300])
{
    snprintf(ret, 300, "%s/%s", t->dir, file);
}

void tgt_lun_add(const struct tgt *t, int lun, const char *file, uint64_t size,
                 const char *naa, const char *serial)
{
    char path[300], number[16], params[256];
    int fd;

    file_path(t, file, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    close(fd);
    snprintf(number, sizeof(number), "%d", lun);
    snprintf(params, sizeof(params),
             "vendor_id=TrueNAS,product_id=iSCSI Disk,scsi_sn=%s,scsi_id=%s", serial, naa);
    tgt_adm(t, "--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", number, "-b",
            path, NULL);
    tgt_adm(t, "--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", number,
            "--params", params, NULL);
}

void tgt_lun_remove(const struct tgt *t, int lun)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", lun);
    tgt_adm(t, "--mode", "logicalunit", "--op", "delete", "--tid", "1", "--lun", number,
            NULL);
}

static void lun_update(const struct tgt *t, const char *number, const char *params)
{
    tgt_adm(t, "--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", number,
            "--params", params, NULL);
}

void tgt_lun_grow(const struct tgt *t, int lun, const char *file, uint64_t size)
{
    char path[300], number[16], params[320];

    file_path(t, file, path);
    ck_assert_int_eq(truncate(path, (off_t)size), 0);
    snprintf(number, sizeof(number), "%d", lun);
    snprintf(params, sizeof(params), "path=%s", path);
    /* three calls: in one, tgtd refuses */
    lun_update(t, number, "online=0");
    lun_update(t, number, params);
    lun_update(t, number, "online=1");
}
