/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks a recorded node; fixtures/README.md describes the format. */
#include "device/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/runner.h"
#include "common/tst.h"

#define LINE_MAX_BYTES (1 << 18)

static int hex(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* \n, \t, \\ and \xHH, in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *at = text; *at; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at == 'x' && at[1] && at[2]) {
            *to++ = (char)(hex(at[1]) << 4 | hex(at[2]));
            at += 2;
        } else {
            *to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
        }
    }
    *to = '\0';
}

static void make_parents(char *full, size_t root_len)
{
    for (char *slash = strchr(full + root_len + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
}

static void unpack_entry(struct fixture *f, char kind, char *path, char *rest)
{
    char full[2048];

    unescape(path);
    unescape(rest);
    ck_assert_msg(path[0] == '/', "a fixture path that is not absolute: %s", path);
    ck_assert_int_lt(snprintf(full, sizeof(full), "%s%s", f->root, path), sizeof(full));
    make_parents(full, strlen(f->root));
    if (kind == 'd') {
        mkdir(full, 0755);
    } else if (kind == 'l') {
        ck_assert_msg(symlink(rest, full) == 0 || errno == EEXIST, "%s: %m", full);
    } else {
        FILE *file = fopen(full, "w");

        ck_assert_msg(file != NULL, "%s: %m", full);
        if (kind == 'f')
            fputs(rest, file);
        fclose(file);
    }
}

static void unpack_line(struct fixture *f, char *line)
{
    char *path, *rest;

    line[strcspn(line, "\n")] = '\0';
    if (!line[0] || line[0] == '#')
        return;
    ck_assert_msg(strchr("dlfb", line[0]) && line[1] == ' ',
                  "a fixture line of no kind: %s", line);
    path = line + 2;
    rest = strchr(path, ' ');
    if (rest)
        *rest++ = '\0';
    unpack_entry(f, line[0], path, rest ? rest : path + strlen(path));
}

static FILE *fixture_file(const char *name, const char *suffix)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/t/c/device/fixtures/%s.%s", TNS_TEST_SRCDIR, name,
             suffix);
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s: %m", path);
    return file;
}

static void unpack(struct fixture *f, const char *name)
{
    FILE *file = fixture_file(name, "tree");
    char *line = malloc(LINE_MAX_BYTES);

    while (fgets(line, LINE_MAX_BYTES, file))
        unpack_line(f, line);
    free(line);
    fclose(file);
}

/* "sdc naa=... serial=... size=... blocksize=..." or "sdc error=notfound" */
static void read_answers(struct fixture *f, const char *name)
{
    FILE *file = fixture_file(name, "inquiry");
    char line[512];

    while (fgets(line, sizeof(line), file) && f->n_disks < F_DISKS) {
        struct fixture_disk *d = &f->disks[f->n_disks];
        unsigned long long size = 0;
        char *save = NULL, *word;

        if (line[0] == '#' || !(word = strtok_r(line, " \n", &save)))
            continue;
        snprintf(d->dev, sizeof(d->dev), "%s", word);
        while ((word = strtok_r(NULL, " \n", &save))) {
            if (strcmp(word, "error=notfound") == 0)
                d->error = TNS_E_NOTFOUND;
            else if (strncmp(word, "error=", 6) == 0)
                d->error = TNS_E_DEVICE;
            sscanf(word, "naa=%32s", d->id.naa);
            sscanf(word, "serial=%63s", d->id.serial);
            sscanf(word, "blocksize=%u", &d->id.blocksize);
            if (sscanf(word, "size=%llu", &size) == 1)
                d->id.size_bytes = size;
        }
        f->n_disks++;
    }
    fclose(file);
}

static int identify(struct tns_scsi *scsi, struct tns_sysroot *sr,
                    const struct tns_ctx *ctx, const char *devname, struct tns_scsi_id *ret,
                    struct tns_error *err)
{
    struct fixture *f = scsi->user;

    (void)sr;
    (void)ctx;
    f->asked++;
    for (size_t i = 0; i < f->n_disks; i++) {
        if (strcmp(f->disks[i].dev, devname) != 0)
            continue;
        if (f->disks[i].error)
            return tns__error_set(err, f->disks[i].error, "%s: as it was recorded",
                                  devname);
        *ret = f->disks[i].id;
        return 0;
    }
    ck_abort_msg("a disk was asked that is not the volume's: %s", devname);
    return -1;
}

/* ---- what a removal does ---- */

static void forget(const struct fixture *f, const char *dir, const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s%s/%s", f->root, dir, name);
    ck_assert_msg(unlink(path) == 0, "%s: %m", path);
}

/* The map leaves /dev/mapper and the lists; its own directory may stay, nothing leads to it. */
static void map_gone(const struct fixture *f, const char *name)
{
    char path[1024], link[256];
    ssize_t len;

    snprintf(path, sizeof(path), "%s/dev/mapper/%s", f->root, name);
    len = readlink(path, link, sizeof(link) - 1);
    ck_assert_msg(len > 0, "no such map: %s", name);
    link[len] = '\0';
    forget(f, "/dev/mapper", name);
    forget(f, "/sys/block", strrchr(link, '/') + 1);
    forget(f, "/sys/class/block", strrchr(link, '/') + 1);
}

/* "1" was written to .../H:C:T:L/device/delete. */
static void disks_deleted(struct fixture *f, const char *path)
{
    static const char dir[] = "/sys/class/scsi_device/";
    char full[1024], hctl[64] = "";
    struct stat st;

    if (!f->reacts || sscanf(path, "/sys/class/scsi_device/%63[0-9:]", hctl) != 1)
        return;
    snprintf(full, sizeof(full), "%s%s%s/device/delete", f->root, dir, hctl);
    if (stat(full, &st) == 0 && st.st_size > 0)
        forget(f, "/sys/class/scsi_device", hctl);
}

static int run(struct tns_runner *r, const struct tns_ctx *ctx, const char *const argv[],
               struct tns_run_result *ret, struct tns_error *err)
{
    struct fixture *f = r->user;

    (void)ctx;
    (void)err;
    ck_assert_msg(f->reacts && strcmp(argv[0], "/usr/sbin/multipath") == 0 && argv[1] &&
                      argv[2] && !argv[3] && strcmp(argv[2], "3" F_NAA) == 0,
                  "a command was run on a recorded node: %s %s", argv[0], argv[1]);
    if (strcmp(argv[1], "-f") == 0)
        map_gone(f, argv[2]);
    else
        ck_assert_str_eq(argv[1], "-w");
    *ret = (struct tns_run_result){ .out = tns__strdup(""), .err = tns__strdup("") };
    return 0;
}

static void trace(void *user, const char *verb, const char *path)
{
    struct fixture *f = user;
    size_t len = strlen(f->traced);

    ck_assert(len + strlen(verb) + strlen(path) + 3 < sizeof(f->traced));
    sprintf(f->traced + len, "%s %s\n", verb, path);
    disks_deleted(f, path);
}

struct fixture *fixture_open(const char *name)
{
    struct fixture *f = calloc(1, sizeof(*f));

    ck_assert_ptr_nonnull(f);
    f->err = (struct tns_error)TNS_ERROR_INIT;
    snprintf(f->root, sizeof(f->root), "%s", tst_tmpdir());
    unpack(f, name);
    read_answers(f, name);
    tst_ctx_init(&f->ctx, tst_ms(20000));
    tst_ok(tns__sysroot_open(f->root, &f->sr, &f->err), &f->err);
    tns__sysroot_trace(f->sr, trace, f);
    f->runner = (struct tns_runner){ .run = run, .user = f };
    f->scsi = (struct tns_scsi){ .identify = identify, .user = f };
    f->node = (struct tns_node){ .ctx = &f->ctx,
                                 .sr = f->sr,
                                 .runner = &f->runner,
                                 .scsi = &f->scsi,
                                 .multipathd = "@tns-nobody-listens-here" };
    return f;
}

void fixture_free(struct fixture *f)
{
    tns__sysroot_close(f->sr);
    free(f);
}

const char *fixture_disk_of(const struct fixture *f, const char *naa)
{
    for (size_t i = 0; i < f->n_disks; i++) {
        if (strcmp(f->disks[i].id.naa, naa) == 0)
            return f->disks[i].dev;
    }
    return NULL;
}
