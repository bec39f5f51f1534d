/* SPDX-License-Identifier: Apache-2.0 */
/* From session and LUN to sdX, and what kernel and udev remember of it. */
#include "device/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/broken.h"
#define SCSI_DIR "/sys/class/scsi_device/%u:0:%u:%u/device"
#define DELETE_MS 30000u
#define APPEAR_MS 30000u

const struct tns__path *tns__paths_find(const struct tns__paths *paths, const char *dev)
{
    for (size_t i = 0; i < paths->n; i++) {
        if (strcmp(paths->p[i].dev, dev) == 0)
            return &paths->p[i];
    }
    return NULL;
}

/* ".../2:0:0:5" */
static bool parse_hctl(const char *link, struct tns__path *ret)
{
    const char *at = strrchr(link, '/');
    unsigned channel;
    int end = 0;

    at = at ? at + 1 : link;
    return sscanf(at, "%u:%u:%u:%u%n", &ret->host, &channel, &ret->target_id, &ret->lun,
                  &end) == 4 &&
           channel == 0 && at[end] == '\0';
}

int tns__paths_add_dev(struct tns_node *node, struct tns__paths *paths, const char *dev,
                       struct tns_error *err)
{
    struct tns__path *path = &paths->p[paths->n];
    char link[512];
    int rc;

    if (tns__paths_find(paths, dev))
        return 0;
    if (paths->n == TNS__PATHS_MAX || !tns__is_devname(dev))
        return tns__error_set(err, TNS_E_DEVICE, "%s is one path too many", dev);
    *path = (struct tns__path){ .err = TNS_ERROR_INIT };
    snprintf(path->dev, sizeof(path->dev), "%s", dev);
    rc = tns__sysroot_readlink(node->sr, link, sizeof(link), err,
                               "/sys/class/block/%s/device", dev);
    if (rc < 0)
        return rc;
    if (!parse_hctl(link, path))
        return tns__error_set(err, TNS_E_DEVICE, "%s is no SCSI device of an iSCSI session",
                              dev);
    paths->n++;
    return 0;
}

/* 1: the SCSI device is there; its dev may still be missing. */
static int find_at(struct tns_node *node, const struct tns__session *s, unsigned lun,
                   struct tns__path *ret, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    int rc;

    *ret = (struct tns__path){ .host = s->host,
                               .target_id = s->target_id,
                               .lun = lun,
                               .portal = s->portal,
                               .has_portal = s->has_portal,
                               .err = TNS_ERROR_INIT };
    rc = tns__sysroot_list(node->sr, &names, &mine, SCSI_DIR "/block", s->host,
                           s->target_id, lun);
    if (rc == -TNS_E_NOTFOUND)
        return tns__sysroot_exists(node->sr, SCSI_DIR, s->host, s->target_id, lun);
    if (rc < 0)
        return tns__error_copy(err, &mine);
    if (names[0] && tns__is_devname(names[0]))
        snprintf(ret->dev, sizeof(ret->dev), "%s", names[0]);
    return 1;
}

/* A LUN above 255 has two spellings, and the target decides which one it knows: the flat one comes
 * first, since some targets read of the plain one the lower 8 bits alone, which are another LUN. */
static size_t spellings(unsigned lun, unsigned ret[2])
{
    ret[0] = lun > 255 ? lun | 0x4000u : lun;
    ret[1] = lun;
    return lun > 255 ? 2 : 1;
}

static int find_lun(struct tns_node *node, const struct tns__session *s, unsigned lun,
                    struct tns__path *ret, struct tns_error *err)
{
    unsigned luns[2];
    size_t n = spellings(lun, luns);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = find_at(node, s, luns[i], ret, err);
    return rc;
}

/* The write returns when the target has answered; the block device follows by itself. */
static int scan_lun(struct tns_node *node, const struct tns__session *s, unsigned lun,
                    struct tns__path *ret, struct tns_error *err)
{
    unsigned luns[2];
    size_t n = spellings(lun, luns);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        char path[64], text[48];

        snprintf(path, sizeof(path), "/sys/class/scsi_host/host%u/scan", s->host);
        snprintf(text, sizeof(text), "0 %u %u\n", s->target_id, luns[i]);
        if (tns__is_broken("one-lun"))
            snprintf(text, sizeof(text), "- - -\n");
        rc = tns__attr_write(node, path, text, err);
        if (rc == 0)
            rc = find_at(node, s, luns[i], ret, err);
    }
    if (rc > 0)
        ret->is_new = true;
    return rc;
}

struct appear {
    struct tns_node *node;
    struct tns__paths *paths;
};

/* A device of size 0 is one that the kernel is still making up its mind about. */
static int have_all_appeared(void *user, struct tns_error *err)
{
    struct appear *a = user;

    for (size_t i = 0; i < a->paths->n; i++) {
        struct tns__path *path = &a->paths->p[i];
        struct tns__session s = { .host = path->host,
                                  .target_id = path->target_id,
                                  .portal = path->portal,
                                  .has_portal = path->has_portal };
        struct tns__path now;
        uint64_t size = 0;
        int rc;

        if (!path->dev[0]) {
            rc = find_at(a->node, &s, path->lun, &now, err);
            if (rc < 0)
                return rc;
            if (!now.dev[0])
                return 0;
            memcpy(path->dev, now.dev, sizeof(path->dev));
        }
        if (path->is_new &&
            (tns__dev_size(a->node, path->dev, &size, NULL) < 0 || size == 0))
            return 0;
    }
    return 1;
}

static int collect(struct tns_node *node, const struct tns__sessions *sessions,
                   unsigned lun, bool do_scan, struct tns__paths *ret,
                   struct tns_error *err)
{
    ret->n = 0;
    for (size_t i = 0; i < sessions->n && ret->n < TNS__PATHS_MAX; i++) {
        const struct tns__session *s = &sessions->s[i];
        struct tns__path *path = &ret->p[ret->n];
        int rc = find_lun(node, s, lun, path, err);

        if (rc == 0 && do_scan && s->is_up)
            rc = scan_lun(node, s, lun, path, err);
        if (rc < 0)
            return rc;
        /* a blocked device would keep us waiting for the session to come back */
        if (rc > 0 && !s->is_up)
            tns__error_set(&path->err, TNS_E_TRANSPORT, "%s: its iSCSI session is down",
                           path->dev);
        ret->n += (size_t)rc;
    }
    return 0;
}

int tns__paths_collect(struct tns_node *node, const struct tns__sessions *sessions,
                       unsigned lun, struct tns__paths *ret, struct tns_error *err)
{
    return collect(node, sessions, lun, false, ret, err);
}

int tns__paths_scan(struct tns_node *node, const struct tns__sessions *sessions,
                    unsigned lun, struct tns__paths *ret, struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct appear a = { .node = node, .paths = ret };
    int rc;

    tns__uevent_open(&ue);
    rc = collect(node, sessions, lun, true, ret, err);
    if (rc < 0)
        return rc;
    return tns__wait_for(node, &ue, APPEAR_MS, "the block device of the LUN",
                         have_all_appeared, &a, err);
}

void tns__paths_identify(struct tns_node *node, struct tns__paths *paths, bool with_serial)
{
    struct tns_scsi_id ids[TNS__PATHS_MAX] = { 0 };
    struct tns_error errs[TNS__PATHS_MAX];
    const char *devs[TNS__PATHS_MAX];

    struct tns__path *asked[TNS__PATHS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < paths->n; i++) {
        if (paths->p[i].err.code)
            continue;
        asked[n] = &paths->p[i];
        devs[n] = paths->p[i].dev;
        errs[n++] = (struct tns_error)TNS_ERROR_INIT;
    }
    if (n > 0 && node->scsi->identify_all) {
        node->scsi->identify_all(node->scsi, node->sr, node->ctx, devs, n, with_serial, ids,
                                 errs);
    } else {
        for (size_t i = 0; i < n; i++)
            node->scsi->identify(node->scsi, node->sr, node->ctx, devs[i], &ids[i],
                                 &errs[i]);
    }
    for (size_t i = 0; i < n; i++) {
        asked[i]->id = ids[i];
        asked[i]->err = errs[i];
    }
}

int tns__dev_size(struct tns_node *node, const char *dev, uint64_t *ret,
                  struct tns_error *err)
{
    uint64_t sectors;
    int rc =
        tns__sysroot_read_u64(node->sr, &sectors, err, "/sys/class/block/%s/size", dev);

    if (rc < 0)
        return rc;
    *ret = sectors * 512; /* whatever the block size is, sysfs counts in 512 */
    return 0;
}

bool tns__path_cached_naa(struct tns_node *node, const struct tns__path *path, char ret[33])
{
    char wwid[128];

    if (tns__sysroot_read(node->sr, wwid, sizeof(wwid), NULL, SCSI_DIR "/wwid", path->host,
                          path->target_id, path->lun) < 0 ||
        !tns__starts_with(wwid, "naa.") || !tns__is_naa(wwid + 4))
        return false;
    memcpy(ret, wwid + 4, 33);
    return true;
}

/* What udev has stored, and multipathd goes by: after a rescan the kernel knows better, they do not. */
static bool udev_is_stale(struct tns_node *node, const struct tns__path *path)
{
    _tns_free_ char *text = NULL;
    char number[32], wwid[48];
    const char *at;
    size_t len;

    if (tns__sysroot_read(node->sr, number, sizeof(number), NULL, "/sys/class/block/%s/dev",
                          path->dev) < 0 ||
        tns__sysroot_slurp(node->sr, 65536, &text, NULL, NULL, "/run/udev/data/b%s",
                           number) < 0)
        return false;
    at = strstr(text, "\nE:ID_SERIAL=");
    if (!at)
        return false;
    at += strlen("\nE:ID_SERIAL=");
    len = strcspn(at, "\n");
    snprintf(wwid, sizeof(wwid), "3%s", path->id.naa);
    return len != strlen(wwid) || strncmp(at, wwid, len) != 0;
}

bool tns__path_is_stale(struct tns_node *node, const struct tns__path *path)
{
    uint64_t blocksize;
    char cached[33];

    if (tns__path_cached_naa(node, path, cached) && strcmp(cached, path->id.naa) != 0)
        return true;
    if (tns__sysroot_read_u64(node->sr, &blocksize, NULL,
                              "/sys/class/block/%s/queue/logical_block_size",
                              path->dev) == 0 &&
        blocksize != path->id.blocksize)
        return true;
    return udev_is_stale(node, path);
}

struct deletion {
    struct tns_node *node;
    const struct tns__path *path;
};

static int is_deleted(void *user, struct tns_error *err)
{
    struct deletion *d = user;

    (void)err;
    return !tns__sysroot_exists(d->node->sr, SCSI_DIR, d->path->host, d->path->target_id,
                                d->path->lun);
}

int tns__path_delete(struct tns_node *node, const struct tns__path *path,
                     struct tns_error *err)
{
    _tns_uevent_ struct tns__uevent ue = { .fd = -1 };
    struct deletion d = { .node = node, .path = path };
    struct tns_error mine = TNS_ERROR_INIT;
    char attr[96];
    int rc;

    tns__uevent_open(&ue);
    snprintf(attr, sizeof(attr), SCSI_DIR "/delete", path->host, path->target_id,
             path->lun);
    rc = tns__attr_write(node, attr, "1\n", &mine);
    if (rc == -TNS_E_NOTFOUND)
        return 0;
    /* ENODEV: somebody deletes it already */
    if (rc < 0 && mine.sys_errno != ENODEV)
        return tns__error_copy(err, &mine);
    return tns__wait_for(node, &ue, DELETE_MS, "the SCSI device to go", is_deleted, &d,
                         err);
}

int tns__path_rescan(struct tns_node *node, const struct tns__path *path,
                     struct tns_error *err)
{
    char attr[96];

    snprintf(attr, sizeof(attr), SCSI_DIR "/rescan", path->host, path->target_id,
             path->lun);
    return tns__attr_write(node, attr, "1\n", err);
}
