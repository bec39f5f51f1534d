/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel of the world: /sys and /dev, and what happens when somebody writes to them. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tst.h"
#include "device/world_priv.h"

/* ---- files ---- */

static void full_path(const struct world *w, const char *path, char ret[1024])
{
    snprintf(ret, 1024, "%s%s", w->root, path);
}

void w_fmt(char *buf, size_t cap, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, cap, fmt, ap);
    va_end(ap);
    ck_assert(n >= 0 && (size_t)n < cap);
}

void world_put(struct world *w, const char *path, const char *content)
{
    tst_file(w->root, path + 1, content);
}

void w_putf(struct world *w, const char *content, const char *fmt, ...)
{
    char path[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    world_put(w, path, content);
}

void w_dir(struct world *w, const char *path)
{
    char keep[600], full[1024];

    w_fmt(keep, sizeof(keep), "%s/.keep", path);
    world_put(w, keep, "");
    full_path(w, keep, full);
    unlink(full);
}

void w_link(struct world *w, const char *path, const char *target)
{
    char dir[512], full[1024];

    w_fmt(dir, sizeof(dir), "%s", path);
    *strrchr(dir, '/') = '\0';
    w_dir(w, dir);
    full_path(w, path, full);
    unlink(full);
    ck_assert_int_eq(symlink(target, full), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

void w_remove(struct world *w, const char *fmt, ...)
{
    char path[512], full[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    full_path(w, path, full);
    nftw(full, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The whole file: what a test looks for may stand at its end. Valid until the next call. */
char *world_get(struct world *w, const char *path)
{
    static char *text;
    char full[1024];
    struct stat st = { 0 };
    ssize_t n = 0;
    int fd;

    full_path(w, path, full);
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        ck_assert_int_eq(fstat(fd, &st), 0);
    text = realloc(text, (size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(text);
    if (fd >= 0) {
        n = read(fd, text, (size_t)st.st_size);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return text;
}

bool world_has(struct world *w, const char *path)
{
    struct stat st;
    char full[1024];

    full_path(w, path, full);
    return lstat(full, &st) == 0;
}

bool world_link_is(struct world *w, const char *linkname, const char *target)
{
    char path[300], full[1024], link[512];
    ssize_t n;

    w_fmt(path, sizeof(path), "/dev/tnstor/store1/%s", linkname);
    full_path(w, path, full);
    n = readlink(full, link, sizeof(link) - 1);
    if (n < 0)
        return target == NULL;
    link[n] = '\0';
    return target && strcmp(link, target) == 0;
}

/* ---- sessions ---- */

void world_session(struct world *w, int portal)
{
    struct w_session *s = &w->sessions[portal];
    char base[128], text[128], path[200];

    *s = (struct w_session){ .exists = true,
                             .is_up = true,
                             .sid = (unsigned)portal + 1,
                             .host = (unsigned)portal + 2 };
    w_fmt(base, sizeof(base), "/sys/devices/platform/host%u", s->host);
    w_putf(w, W_IQN "\n", "%s/session%u/iscsi_session/session%u/targetname", base, s->sid,
           s->sid);
    w_putf(w, "LOGGED_IN\n", "%s/session%u/iscsi_session/session%u/state", base, s->sid,
           s->sid);
    w_putf(w, "0\n", "%s/session%u/iscsi_session/session%u/target_id", base, s->sid,
           s->sid);
    w_fmt(path, sizeof(path), "%s/session%u/iscsi_session/session%u/device", base, s->sid,
          s->sid);
    w_fmt(text, sizeof(text), "../../../session%u", s->sid);
    w_link(w, path, text);
    w_fmt(path, sizeof(path), "/sys/class/iscsi_session/session%u", s->sid);
    w_fmt(text, sizeof(text),
          "../../devices/platform/host%u/session%u/iscsi_session/session%u", s->host,
          s->sid, s->sid);
    w_link(w, path, text);
    w_fmt(text, sizeof(text), "%s\n", w->portals[portal].host);
    w_putf(w, text, "/sys/class/iscsi_connection/connection%u:0/persistent_address",
           s->sid);
    w_fmt(text, sizeof(text), "%u\n", w->portals[portal].port);
    w_putf(w, text, "/sys/class/iscsi_connection/connection%u:0/persistent_port", s->sid);
    w_putf(w, "", "/sys/class/scsi_host/host%u/scan", s->host);
}

void world_session_down(struct world *w, int portal)
{
    struct w_session *s = &w->sessions[portal];

    s->is_up = false;
    w_putf(w, "FAILED\n", "/sys/class/iscsi_session/session%u/state", s->sid);
}

void world_session_gone(struct world *w, int portal)
{
    struct w_session *s = &w->sessions[portal];

    w_remove(w, "/sys/class/iscsi_session/session%u", s->sid);
    w_remove(w, "/sys/class/iscsi_connection/connection%u:0", s->sid);
    w_remove(w, "/sys/class/scsi_host/host%u", s->host);
    w_remove(w, "/sys/devices/platform/host%u", s->host);
    s->exists = false;
}

/* ---- disks ---- */

const struct w_lun *w_nas(const struct world *w, int portal, unsigned lun)
{
    if (w->special[portal].exists && w->special[portal].number == lun)
        return w->special[portal].is_gone ? NULL : &w->special[portal];
    for (int i = 0; i < W_LUNS; i++) {
        if (w->luns[i].exists && w->luns[i].number == lun)
            return &w->luns[i];
    }
    return NULL;
}

static void put_identity(struct world *w, const struct w_disk *d, const struct w_lun *lun)
{
    char text[96], dev[32];

    w_fmt(text, sizeof(text), "naa.%s\n", lun->naa);
    w_putf(w, text, "%s/wwid", d->path);
    w_fmt(dev, sizeof(dev), "8:%u", d->diskseq * 16);
    w_fmt(text, sizeof(text), "S:disk/by-id/x\nE:ID_SERIAL=3%s\n", lun->naa);
    w_putf(w, text, "/run/udev/data/b%s", dev);
}

static void put_size(struct world *w, const struct w_disk *d, uint64_t size)
{
    char text[32];

    w_fmt(text, sizeof(text), "%llu\n", (unsigned long long)(size / 512));
    w_putf(w, text, "%s/block/%s/size", d->path, d->dev);
}

static void put_block(struct world *w, const struct w_disk *d, const struct w_lun *lun)
{
    char path[400], text[400];

    w_fmt(text, sizeof(text), "8:%u\n", d->diskseq * 16);
    w_putf(w, text, "%s/block/%s/dev", d->path, d->dev);
    w_fmt(text, sizeof(text), "%u\n", d->diskseq);
    w_putf(w, text, "%s/block/%s/diskseq", d->path, d->dev);
    w_fmt(text, sizeof(text), "%u\n", lun->blocksize);
    w_putf(w, text, "%s/block/%s/queue/logical_block_size", d->path, d->dev);
    w_fmt(path, sizeof(path), "%s/block/%s/holders", d->path, d->dev);
    w_dir(w, path);
    w_fmt(path, sizeof(path), "%s/block/%s/device", d->path, d->dev);
    w_fmt(text, sizeof(text), "../../../%u:0:0:%u", d->host, d->lun);
    w_link(w, path, text);
    w_fmt(text, sizeof(text), "../..%s/block/%s", d->path + 4, d->dev);
    w_fmt(path, sizeof(path), "/sys/class/block/%s", d->dev);
    w_link(w, path, text);
    w_fmt(path, sizeof(path), "/sys/block/%s", d->dev);
    w_link(w, path, text + 3);
    w_putf(w, "", "/dev/%s", d->dev);
    w_fmt(path, sizeof(path), "/dev/disk/by-diskseq/%u", d->diskseq);
    w_fmt(text, sizeof(text), "../../%s", d->dev);
    w_link(w, path, text);
    put_size(w, d, w->appear_after ? 0 : lun->size);
    put_identity(w, d, lun);
}

struct w_disk *world_disk(struct world *w, int portal, unsigned lun)
{
    const struct w_lun *nas = w_nas(w, portal, lun);
    const struct w_session *s = &w->sessions[portal];
    struct w_disk *d = w->disks;
    char path[400], text[400];
    unsigned slot;

    while (d < w->disks + W_DISKS - 1 && d->exists)
        d++;
    ck_assert(nas && s->exists && !d->exists);
    slot = (unsigned)(d - w->disks);
    *d = (struct w_disk){ .exists = true,
                          .host = s->host,
                          .lun = lun,
                          .portal = portal,
                          .diskseq = 10 + ++w->diskseq };
    if (slot < 24)
        w_fmt(d->dev, sizeof(d->dev), "sd%c", (char)('c' + slot));
    else
        w_fmt(d->dev, sizeof(d->dev), "sd%c%c", (char)('a' + slot / 24),
              (char)('a' + slot % 24));
    w_fmt(d->path, sizeof(d->path),
          "/sys/devices/platform/host%u/session%u/target%u:0:0/%u:0:0:%u", s->host, s->sid,
          s->host, s->host, lun);
    w_putf(w, "running\n", "%s/state", d->path);
    w_putf(w, "", "%s/delete", d->path);
    w_putf(w, "", "%s/rescan", d->path);
    put_block(w, d, nas);
    w_fmt(path, sizeof(path), "/sys/class/scsi_device/%u:0:0:%u/device", s->host, lun);
    w_fmt(text, sizeof(text), "../../..%s", d->path + 4);
    w_link(w, path, text);
    return d;
}

struct w_disk *world_disk_of(struct world *w, int portal, unsigned lun)
{
    for (int i = 0; i < W_DISKS; i++) {
        struct w_disk *d = &w->disks[i];

        if (d->exists && d->portal == portal && d->lun == lun)
            return d;
    }
    return NULL;
}

static void disk_gone(struct world *w, struct w_disk *d)
{
    for (int i = 0; i < W_MAPS; i++)
        w_remove(w, "/sys/devices/virtual/block/%s/slaves/%s", w->maps[i].dev, d->dev);
    w_remove(w, "/sys/class/scsi_device/%u:0:0:%u", d->host, d->lun);
    w_remove(w, "/sys/class/block/%s", d->dev);
    w_remove(w, "/sys/block/%s", d->dev);
    w_remove(w, "/dev/%s", d->dev);
    w_remove(w, "/dev/disk/by-diskseq/%u", d->diskseq);
    w_remove(w, "%s", d->path);
    d->exists = false;
}

/* ---- maps ---- */

static void map_tree(struct world *w, const char *dev, const char *name, const char *uuid,
                     uint64_t size, unsigned minor)
{
    char base[128], path[200], text[128];

    w_fmt(base, sizeof(base), "/sys/devices/virtual/block/%s", dev);
    w_fmt(text, sizeof(text), "%s\n", name);
    w_putf(w, text, "%s/dm/name", base);
    w_fmt(text, sizeof(text), "%s\n", uuid);
    w_putf(w, text, "%s/dm/uuid", base);
    w_fmt(text, sizeof(text), "%llu\n", (unsigned long long)(size / 512));
    w_putf(w, text, "%s/size", base);
    w_fmt(text, sizeof(text), "253:%u\n", minor);
    w_putf(w, text, "%s/dev", base);
    w_fmt(path, sizeof(path), "%s/slaves", base);
    w_dir(w, path);
    w_fmt(path, sizeof(path), "%s/holders", base);
    w_dir(w, path);
    w_fmt(path, sizeof(path), "/sys/class/block/%s", dev);
    w_fmt(text, sizeof(text), "../../devices/virtual/block/%s", dev);
    w_link(w, path, text);
    w_fmt(path, sizeof(path), "/sys/block/%s", dev);
    w_link(w, path, text + 3);
    w_putf(w, "", "/dev/%s", dev);
    w_fmt(path, sizeof(path), "/dev/mapper/%s", name);
    w_fmt(text, sizeof(text), "../%s", dev);
    w_link(w, path, text);
}

void w_map_join(struct world *w, struct w_map *m, struct w_disk *d)
{
    char path[400], text[200];

    w_fmt(path, sizeof(path), "/sys/devices/virtual/block/%s/slaves/%s", m->dev, d->dev);
    w_fmt(text, sizeof(text), "../../../../block/%s", d->dev);
    w_link(w, path, text);
    w_fmt(path, sizeof(path), "%s/block/%s/holders/%s", d->path, d->dev, m->dev);
    w_fmt(text, sizeof(text), "../../../virtual/%s", m->dev);
    w_link(w, path, text);
}

static bool kernel_thinks(struct world *w, const struct w_disk *d, const char *naa)
{
    char path[300];

    w_fmt(path, sizeof(path), "%s/wwid", d->path);
    return strstr(world_get(w, path), naa) != NULL;
}

struct w_map *world_map_of(struct world *w, const char *naa)
{
    for (int i = 0; i < W_MAPS; i++) {
        if (w->maps[i].exists && strcmp(w->maps[i].wwid + 1, naa) == 0)
            return &w->maps[i];
    }
    return NULL;
}

struct w_map *world_map(struct world *w, const char *naa)
{
    struct w_map *m = world_map_of(w, naa);
    char uuid[64];
    unsigned slot = 0;

    if (!m) {
        while (slot < W_MAPS - 1 && w->maps[slot].exists)
            slot++;
        m = &w->maps[slot];
        ck_assert(!m->exists);
        *m = (struct w_map){ .exists = true };
        w_fmt(m->dev, sizeof(m->dev), "dm-%u", 3 + slot);
        w_fmt(m->wwid, sizeof(m->wwid), "3%s", naa);
        w_fmt(m->name, sizeof(m->name), "%s", m->wwid);
        w_fmt(uuid, sizeof(uuid), "mpath-%s", m->wwid);
        map_tree(w, m->dev, m->name, uuid, W_SIZE, 3 + slot);
    }
    for (int i = 0; i < W_DISKS; i++) {
        if (w->disks[i].exists && kernel_thinks(w, &w->disks[i], naa))
            w_map_join(w, m, &w->disks[i]);
    }
    return m;
}

void w_map_gone(struct world *w, struct w_map *m)
{
    for (int i = 0; i < W_DISKS; i++) {
        if (w->disks[i].exists)
            w_remove(w, "%s/block/%s/holders/%s", w->disks[i].path, w->disks[i].dev,
                     m->dev);
    }
    w_remove(w, "/sys/class/block/%s", m->dev);
    w_remove(w, "/sys/block/%s", m->dev);
    w_remove(w, "/sys/devices/virtual/block/%s", m->dev);
    w_remove(w, "/dev/mapper/%s", m->name);
    w_remove(w, "/dev/%s", m->dev);
    m->exists = false;
}

void w_map_resize(struct world *w, struct w_map *m, uint64_t size)
{
    char text[32];

    w_fmt(text, sizeof(text), "%llu\n", (unsigned long long)(size / 512));
    w_putf(w, text, "/sys/devices/virtual/block/%s/size", m->dev);
}

void world_holder(struct world *w, const char *dev, const char *holder, const char *name,
                  const char *uuid)
{
    char path[400], text[200], full[1024];

    map_tree(w, holder, name, uuid, W_SIZE, 60u + (unsigned)strlen(holder));
    w_fmt(path, sizeof(path), "/sys/class/block/%s/holders/%s", dev, holder);
    w_fmt(text, sizeof(text), "../../%s", holder);
    full_path(w, path, full);
    ck_assert_int_eq(symlink(text, full), 0);
}

/* ---- what is written to /sys takes effect ---- */

static bool take(struct world *w, const char *path, char ret[64])
{
    if (!world_has(w, path))
        return false;
    snprintf(ret, 64, "%s", world_get(w, path));
    if (!ret[0])
        return false;
    world_put(w, path, "");
    return true;
}

static bool is_listed(struct world *w, const char *naa)
{
    char entry[48];

    w_fmt(entry, sizeof(entry), "/3%s/", naa);
    return strstr(world_get(w, "/etc/multipath/wwids"), entry) != NULL;
}

static void do_scan(struct world *w, int portal, const char *text)
{
    const struct w_lun *nas;
    unsigned channel, id, lun;

    w->scans++;
    ck_assert_msg(sscanf(text, "%u %u %u", &channel, &id, &lun) == 3,
                  "a scan that is not of one LUN: %s", text);
    ck_assert_uint_eq(channel, 0);
    ck_assert_uint_eq(id, 0);
    nas = w_nas(w, portal, lun);
    if (!nas || world_disk_of(w, portal, lun))
        return;
    world_disk(w, portal, lun);
    w->appear_pending = w->appear_after;
    if (w->makes_maps && is_listed(w, nas->naa))
        world_map(w, nas->naa);
}

static void do_rescan(struct world *w, struct w_disk *d)
{
    const struct w_lun *nas = w_nas(w, d->portal, d->lun);

    w->rescans++;
    if (nas)
        put_size(w, d, nas->size);
}

static void sizes_appear(struct world *w)
{
    if (w->appear_pending == 0 || --w->appear_pending > 0)
        return;
    for (int i = 0; i < W_DISKS; i++) {
        const struct w_disk *d = &w->disks[i];

        if (d->exists && w_nas(w, d->portal, d->lun))
            put_size(w, d, w_nas(w, d->portal, d->lun)->size);
    }
}

void w_tick(struct world *w)
{
    char path[320], text[64];

    for (int i = 0; i < W_PORTALS; i++) {
        w_fmt(path, sizeof(path), "/sys/class/scsi_host/host%u/scan", w->sessions[i].host);
        if (w->sessions[i].exists && take(w, path, text)) {
            w->is_scanning[i] = false;
            do_scan(w, i, text);
        }
    }
    for (int i = 0; i < W_DISKS; i++) {
        struct w_disk *d = &w->disks[i];

        if (!d->exists)
            continue;
        w_fmt(path, sizeof(path), "%s/rescan", d->path);
        if (take(w, path, text))
            do_rescan(w, d);
        w_fmt(path, sizeof(path), "%s/delete", d->path);
        if (take(w, path, text)) {
            w->deletes++;
            disk_gone(w, d);
        }
    }
    sizes_appear(w);
}

/* ---- other people's devices ---- */

static void noise_one(struct world *w, const char *kind, int i)
{
    char path[200], target[200];

    w_fmt(path, sizeof(path), "/sys/devices/pci0000:00/" W_NOISE "/%s%d", kind, i);
    w_putf(w, "999\n", "%s/size", path);
    w_putf(w, "0\n", "%s/dev", path);
    w_fmt(target, sizeof(target), "../../devices/pci0000:00/" W_NOISE "/%s%d", kind, i);
    w_fmt(path, sizeof(path), "/sys/class/block/" W_NOISE "-%s%d", kind, i);
    w_link(w, path, target);
    w_fmt(path, sizeof(path), "/sys/block/" W_NOISE "-%s%d", kind, i);
    w_link(w, path, target + 3);
    w_fmt(path, sizeof(path), "/dev/" W_NOISE "-%s%d", kind, i);
    world_put(w, path, "");
    w_fmt(path, sizeof(path), "/dev/mapper/" W_NOISE "-%s%d", kind, i);
    w_link(w, path, "../sda");
    w_fmt(path, sizeof(path), "/sys/class/scsi_device/" W_NOISE "-%s%d", kind, i);
    w_link(w, path, "../../devices");
    w_putf(w, "", "/sys/class/scsi_host/" W_NOISE "-%s%d/scan", kind, i);
}

void world_noise(struct world *w)
{
    for (int i = 0; i < 100; i++)
        noise_one(w, "sas", i);
    for (int i = 0; i < 50; i++)
        noise_one(w, "nvme", i);
    for (int i = 0; i < 50; i++)
        noise_one(w, "dm", i);
}
