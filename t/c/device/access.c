/* SPDX-License-Identifier: Apache-2.0 */
/* Judging what was accessed: "verb path" lines as a sysroot's trace gives them. */
#include "device/access.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"

static size_t times_of(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

void access_lists_nothing_foreign(const char *traced)
{
    static const char *const lists[] = { "list /sys/block\n",
                                         "list /dev\n",
                                         "list /dev/mapper\n",
                                         "list /dev/disk",
                                         "list /sys/bus",
                                         "list /sys/class/scsi_device\n",
                                         "list /sys/devices",
                                         "list /sys/class/scsi_host\n",
                                         "list /sys/class/iscsi_host\n" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(lists); i++)
        ck_assert_msg(!strstr(traced, lists[i]), "%s", lists[i]);
    /* but who looks for users looks for loop devices, and for processes */
    ck_assert_uint_eq(times_of(traced, "list /sys/class/block\n"),
                      times_of(traced, "list /proc\n"));
}

bool access_has_part(const char *path, size_t len, const char *name)
{
    size_t n = strlen(name);

    for (size_t at = 0; at + n <= len; at++) {
        if ((at == 0 || path[at - 1] == '/') && strncmp(path + at, name, n) == 0 &&
            (at + n == len || path[at + n] == '/'))
            return true;
    }
    return false;
}

/* Of a session, or device mapper's: the only two kinds that a volume is made of. */
static bool is_ours(const char *link)
{
    return strstr(link, "/session") || strstr(link, "/virtual/block/dm-");
}

static void read_class(struct access_foreign *f, const char *root, const char *class)
{
    char dir[PATH_MAX];
    const struct dirent *entry;
    DIR *d;

    snprintf(dir, sizeof(dir), "%s/sys/class/%s", root, class);
    d = opendir(dir);
    ck_assert_msg(d != NULL, "%s: %m", dir);
    while ((entry = readdir(d))) {
        char link[PATH_MAX];
        ssize_t len = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);

        if (len <= 0)
            continue;
        link[len] = '\0';
        if (is_ours(link) ||
            (strcmp(class, "scsi_host") == 0 && strstr(link, "/platform/")))
            continue;
        f->names = realloc(f->names, (f->n + 1) * sizeof(*f->names));
        ck_assert_ptr_nonnull(f->names);
        snprintf(f->names[f->n++], sizeof(*f->names), "%.63s", entry->d_name);
    }
    closedir(d);
}

void access_foreign_read(struct access_foreign *ret, const char *root)
{
    *ret = (struct access_foreign){ .names = NULL };
    read_class(ret, root, "block");
    ret->blocks = ret->n;
    read_class(ret, root, "scsi_device");
    read_class(ret, root, "scsi_host");
}

void access_foreign_free(struct access_foreign *f)
{
    free(f->names);
}

void access_spares(const struct access_foreign *f, const char *traced)
{
    static const char loop[] = "/sys/class/block/loop";

    for (const char *line = traced; *line; line += strcspn(line, "\n") + 1) {
        const char *path = strchr(line, ' ') + 1;
        size_t len = strcspn(path, "\n");

        /* what a loop device stands on is for everybody to know */
        if (strncmp(path, loop, strlen(loop)) == 0 &&
            access_has_part(path, len, "loop/backing_file"))
            continue;
        for (size_t i = 0; i < f->n; i++)
            ck_assert_msg(!access_has_part(path, len, f->names[i]),
                          "somebody else's device: %.*s", (int)len, path);
    }
    access_lists_nothing_foreign(traced);
}
