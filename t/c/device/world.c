/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node for one test: NAS, kernel, multipathd, commands; and what was done to it. */
#include "device/world.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/world_priv.h"

/* ---- the NAS ---- */

struct w_lun *world_lun(struct world *w, unsigned number, const char *naa)
{
    struct w_lun *free_slot = NULL;

    for (int i = W_LUNS - 1; i >= 0; i--) {
        if (!w->luns[i].exists || w->luns[i].number == number)
            free_slot = &w->luns[i];
        if (w->luns[i].exists && w->luns[i].number == number)
            break;
    }
    ck_assert_ptr_nonnull(free_slot);
    *free_slot = (struct w_lun){ .exists = true,
                                 .number = number,
                                 .size = W_SIZE,
                                 .blocksize = 512,
                                 .serial = W_SERIAL };
    w_fmt(free_slot->naa, sizeof(free_slot->naa), "%s", naa);
    return free_slot;
}

void world_lun_gone(struct world *w, unsigned number)
{
    for (int i = 0; i < W_LUNS; i++) {
        if (w->luns[i].number == number)
            w->luns[i].exists = false;
    }
}

/* ---- asking a disk ---- */

static struct w_disk *disk_named(struct world *w, const char *dev)
{
    for (int i = 0; i < W_DISKS; i++) {
        if (w->disks[i].exists && strcmp(w->disks[i].dev, dev) == 0)
            return &w->disks[i];
    }
    return NULL;
}

static int identify(struct tns_scsi *scsi, struct tns_sysroot *sr,
                    const struct tns_ctx *ctx, const char *devname, struct tns_scsi_id *ret,
                    struct tns_error *err)
{
    struct world *w = scsi->user;
    struct w_disk *d = disk_named(w, devname);
    const struct w_lun *nas = d ? w_nas(w, d->portal, d->lun) : NULL;
    char size[400];

    (void)sr;
    (void)ctx;
    w->identified++;
    ck_assert_msg(d != NULL, "a disk that is not there was asked: %s", devname);
    if (w->open_after > 0 && w->open_after--)
        return tns__error_errno(err, TNS_E_DEVICE, ENXIO, "cannot open /dev/%s", devname);
    if (w->is_silent[d->portal] || !w->sessions[d->portal].is_up)
        return tns__error_set(err, TNS_E_DEVICE, "%s does not answer", devname);
    if (!nas)
        return tns__error_set(err, TNS_E_NOTFOUND, "%s: no such LUN", devname);
    *ret = (struct tns_scsi_id){ .size_bytes = nas->size, .blocksize = nas->blocksize };
    w_fmt(ret->naa, sizeof(ret->naa), "%s", nas->naa);
    w_fmt(ret->serial, sizeof(ret->serial), "%s", nas->serial);
    w_fmt(size, sizeof(size), "%s/block/%s/size", d->path, d->dev);
    ret->kernel_bytes = strtoull(world_get(w, size), NULL, 10) * 512;
    return 0;
}

/* ---- what is touched ---- */

/* A child may have died with it in its hand. */
void w_lock(struct world *w)
{
    if (pthread_mutex_lock(&w->mutex) == EOWNERDEAD)
        pthread_mutex_consistent(&w->mutex);
}

/* The kernel serves one write after the other; our attribute is a file that would be overwritten. */
static void wait_turn(struct world *w, const char *path)
{
    for (int i = 0; i < W_PORTALS; i++) {
        char scan[64];
        bool is_mine = false;

        w_fmt(scan, sizeof(scan), "/sys/class/scsi_host/host%u/scan", w->sessions[i].host);
        if (!w->sessions[i].exists || strcmp(scan, path) != 0)
            continue;
        while (!is_mine) {
            w_lock(w);
            w_tick(w);
            is_mine = !w->is_scanning[i];
            w->is_scanning[i] = true;
            pthread_mutex_unlock(&w->mutex);
            if (!is_mine)
                poll(NULL, 0, 1);
        }
    }
}

static bool is_last_access(struct world *w, const char *verb, const char *path)
{
    char access[600];

    if (++w->accesses == w->crash_at)
        return true;
    w_fmt(access, sizeof(access), "%s %s", verb, path);
    return w->crash_on && strncmp(access, w->crash_on, strlen(w->crash_on)) == 0;
}

static void trace(void *user, const char *verb, const char *path)
{
    struct world *w = user;
    size_t len;

    if (strcmp(verb, "open") == 0)
        wait_turn(w, path);
    w_lock(w);
    if (is_last_access(w, verb, path)) {
        pthread_mutex_unlock(&w->mutex);
        _exit(137);
    }
    if (w->accesses == w->map_at && (w->disks[0].exists || w->disks[1].exists))
        world_map(w, W_NAA_A);
    w_tick(w);
    len = strlen(w->traced);
    ck_assert(len + strlen(path) + strlen(verb) + 3 < sizeof(w->traced));
    sprintf(w->traced + len, "%s %s\n", verb, path);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- multipathd ---- */

static const char *add_map(struct world *w, const char *wwid)
{
    char entry[64];

    w_fmt(entry, sizeof(entry), "/%s/", wwid);
    if (!strstr(world_get(w, "/etc/multipath/wwids"), entry))
        return "fail\n";
    world_map(w, wwid + 1);
    return "ok\n";
}

static const char *remove_map(struct world *w, const char *name)
{
    if (w->keeps_maps)
        return "timeout\n";
    for (int i = 0; i < W_MAPS; i++) {
        char path[200];

        if (!w->maps[i].exists || strcmp(w->maps[i].name, name) != 0)
            continue;
        w_fmt(path, sizeof(path), "%s/sys/devices/virtual/block/%s/holders", w->root,
              w->maps[i].dev);
        if (rmdir(path) < 0 && errno == ENOTEMPTY)
            return "fail\n";
        w_map_gone(w, &w->maps[i]);
        return "ok\n";
    }
    return "fail\n";
}

/* The kernel takes no table of a map with a path that is too small for it. */
static bool has_small_path(struct world *w, const struct w_map *m, uint64_t size)
{
    for (int i = 0; i < W_DISKS; i++) {
        char path[200];

        w_fmt(path, sizeof(path), "/sys/devices/virtual/block/%s/slaves/%s", m->dev,
              w->disks[i].dev);
        if (!w->disks[i].exists || !world_has(w, path))
            continue;
        w_fmt(path, sizeof(path), "/sys/class/block/%s/size", w->disks[i].dev);
        if (strtoull(world_get(w, path), NULL, 10) * 512 < size)
            return true;
    }
    return false;
}

static const char *resize_map(struct world *w, const char *name)
{
    struct w_map *m = world_map_of(w, name + 1);
    const struct w_lun *nas;

    for (int i = 0; m && i < W_LUNS; i++) {
        nas = &w->luns[i];
        if (nas->exists && strcmp(nas->naa, name + 1) == 0 &&
            has_small_path(w, m, nas->size))
            return "fail\n";
        if (nas->exists && strcmp(nas->naa, name + 1) == 0 && !w->ignores_grow)
            w_map_resize(w, m, nas->size);
    }
    return m ? "ok\n" : "fail\n";
}

static const char *obey(struct world *w, const char *command)
{
    static const char *const harmless[] = { "disablequeueing map ", "restorequeueing map ",
                                            "add path " };
    size_t len = strlen(w->told);

    snprintf(w->told + len, sizeof(w->told) - len, "%s\n", command);
    if (strncmp(command, "add map ", 8) == 0)
        return add_map(w, command + 8);
    if (strncmp(command, "remove map ", 11) == 0)
        return remove_map(w, command + 11);
    if (strncmp(command, "resize map ", 11) == 0)
        return resize_map(w, command + 11);
    if (strncmp(command, "show map ", 9) == 0)
        return w->queues ? "on      \n" : "5 chk   \n";
    for (size_t i = 0; i < TNS_ARRAY_LEN(harmless); i++) {
        if (strncmp(command, harmless[i], strlen(harmless[i])) == 0)
            return "ok\n";
    }
    snprintf(w->told + len, sizeof(w->told) - len, "UNEXPECTED %s\n", command);
    return "fail\n";
}

static void serve(struct world *w, int fd)
{
    char command[256] = "";
    const char *reply;
    size_t len = 0;

    if (recv(fd, &len, sizeof(len), MSG_WAITALL) != (ssize_t)sizeof(len) ||
        len > sizeof(command) || recv(fd, command, len, MSG_WAITALL) != (ssize_t)len)
        return;
    while (atomic_load(&w->is_wedged) && !atomic_load(&w->stop))
        poll(NULL, 0, 5);
    w_lock(w);
    w_tick(w);
    reply = obey(w, command);
    pthread_mutex_unlock(&w->mutex);
    len = strlen(reply) + 1;
    if (send(fd, &len, sizeof(len), MSG_NOSIGNAL) < 0 ||
        send(fd, reply, len, MSG_NOSIGNAL) < 0)
        return;
}

static void *multipathd_main(void *arg)
{
    struct world *w = arg;

    atomic_store(&w->is_up, true);
    while (!atomic_load(&w->stop)) {
        struct pollfd pfd = { .fd = w->listen_fd, .events = POLLIN };
        int fd;

        if (poll(&pfd, 1, 10) <= 0)
            continue;
        fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            serve(w, fd);
            close(fd);
        }
    }
    return NULL;
}

void w_multipathd_start(struct world *w)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t len;

    w_fmt(w->socket_name, sizeof(w->socket_name), "@tns-test-%d", (int)getpid());
    len = strlen(w->socket_name);
    memcpy(un.sun_path, w->socket_name, len);
    un.sun_path[0] = '\0';
    w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(w->listen_fd, (struct sockaddr *)&un,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    ck_assert_int_eq(listen(w->listen_fd, 16), 0);
    atomic_store(&w->is_up, false);
    ck_assert_int_eq(pthread_create(&w->thread, NULL, multipathd_main, w), 0);
    /* a thread that starts holds the sanitizer's allocator: whoever forks then has a child that hangs */
    tst_eventually(atomic_load(&w->is_up), 10000);
}

void world_multipathd_stop(struct world *w)
{
    if (w->listen_fd < 0)
        return;
    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    close(w->listen_fd);
    w->listen_fd = -1;
}

/* ---- the world ---- */

static void set_portals(struct world *w)
{
    static const char *const texts[W_PORTALS] = { "10.0.0.2", "10.0.0.20", "[fd00::2]:3261",
                                                  "10.0.1.2:3261" };

    for (int i = 0; i < W_PORTALS; i++)
        tst_ok(tns__addr_parse(texts[i], &w->portals[i], &w->err), &w->err);
}

struct world *world_new(int portals)
{
    struct world *w =
        mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attr;

    ck_assert(w != MAP_FAILED);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&w->mutex, &attr);
    w->err = (struct tns_error)TNS_ERROR_INIT;
    w_fmt(w->root, sizeof(w->root), "%s", tst_tmpdir());
    set_portals(w);
    world_lun(w, 1, W_NAA_A);
    for (int i = portals; i < W_PORTALS; i++)
        w->portals[i].port = 1; /* not of this world */
    w->makes_maps = true;
    w_dir(w, "/sys/class/iscsi_session");
    w_dir(w, "/dev/mapper");
    w_dir(w, "/proc");
    world_put(w, "/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    world_put(w, "/proc/swaps", "Filename Type Size Used Priority\n");
    world_put(w, "/etc/iscsi/initiatorname.iscsi",
              "## comment\nInitiatorName=" W_INITIATOR "\n");
    tst_ctx_init(&w->ctx, tst_ms(20000));
    tst_ok(tns__sysroot_open(w->root, &w->sr, &w->err), &w->err);
    tns__sysroot_trace(w->sr, trace, w);
    w->runner = (struct tns_runner){ .run = w_run, .user = w };
    w->scsi = (struct tns_scsi){ .identify = identify, .user = w };
    w_multipathd_start(w);
    w->node = (struct tns_node){ .ctx = &w->ctx,
                                 .sr = w->sr,
                                 .runner = &w->runner,
                                 .scsi = &w->scsi,
                                 .multipathd = w->socket_name };
    return w;
}

void world_free(struct world *w)
{
    world_multipathd_stop(w);
    ck_assert_msg(!strstr(w->told, "UNEXPECTED"), "multipathd was told: %s", w->told);
    tns__sysroot_close(w->sr);
    munmap(w, sizeof(*w));
}

struct tns_want world_want(struct world *w)
{
    struct tns_want want = { .storeid = "store1",
                             .linkname = "vm-100-disk-0",
                             .target_iqn = W_IQN,
                             .portals = w->portals,
                             .lun = 1,
                             .naa = W_NAA_A,
                             .serial = W_SERIAL,
                             .size_bytes = W_SIZE,
                             .blocksize = 512,
                             .multipath = true };

    while (want.n_portals < W_PORTALS && w->portals[want.n_portals].port != 1)
        want.n_portals++;
    return want;
}

void world_ran(struct world *w, const char *expected)
{
    ck_assert_str_eq(w->commands, expected);
    w->commands[0] = '\0';
}

void world_told(struct world *w, const char *expected)
{
    ck_assert_str_eq(w->told, expected);
    w->told[0] = '\0';
}

void world_forget(struct world *w)
{
    w->commands[0] = w->told[0] = w->traced[0] = '\0';
    memset(w->is_scanning, 0, sizeof(w->is_scanning));
    w->identified = w->scans = w->deletes = w->rescans = 0;
}

void world_process(struct world *w, int pid, const char *comm, const char *open_path)
{
    char path[128];

    w_putf(w, comm, "/proc/%d/comm", pid);
    w_fmt(path, sizeof(path), "/proc/%d/fd/7", pid);
    w_link(w, path, open_path);
}

void world_mount(struct world *w, const char *dev, const char *where)
{
    char path[128], number[32], line[300];

    w_fmt(path, sizeof(path), "/sys/class/block/%s/dev", dev);
    w_fmt(number, sizeof(number), "%s", world_get(w, path));
    number[strcspn(number, "\n")] = '\0';
    w_fmt(line, sizeof(line), "36 22 %s / %s rw - ext4 /dev/%s rw\n", number, where, dev);
    world_put(w, "/proc/self/mountinfo", line);
}

void world_namespace(struct world *w, int pid, const char *comm, const char *ns,
                     const char *mountinfo)
{
    char path[128];

    w_putf(w, comm, "/proc/%d/comm", pid);
    w_putf(w, mountinfo, "/proc/%d/mountinfo", pid);
    w_fmt(path, sizeof(path), "/proc/%d/ns/mnt", pid);
    w_link(w, path, ns);
}
