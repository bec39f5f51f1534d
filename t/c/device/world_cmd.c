/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the world: iscsiadm and multipath, every argument of them checked. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/runner.h"
#include "common/tst.h"
#include "device/world_priv.h"

#define ISCSIADM "/usr/sbin/iscsiadm"
#define MULTIPATH "/usr/sbin/multipath"
#define NODES "/etc/iscsi/nodes/" W_IQN

static void remember(struct world *w, const char *const argv[])
{
    size_t len = strlen(w->commands);

    for (size_t i = 0; argv[i]; i++) {
        const char *word = strrchr(argv[i], '/');

        tst_no_canary(argv[i]);
        /* tokens are random: only that one stands there */
        if (strncmp(argv[i], "tnstor-", 7) == 0)
            word = "/TOKEN";
        len += (size_t)snprintf(w->commands + len, sizeof(w->commands) - len, "%s%s",
                                i ? " " : "", i == 0 || word ? word + 1 : argv[i]);
        ck_assert(len < sizeof(w->commands));
    }
    snprintf(w->commands + len, sizeof(w->commands) - len, "\n");
}

static int portal_of(struct world *w, const char *text)
{
    for (int i = 0; i < W_PORTALS; i++) {
        struct tns_addr addr;

        tst_ok(tns__addr_parse(text, &addr, &w->err), &w->err);
        if (tns__addr_equal(&addr, &w->portals[i]))
            return i;
    }
    ck_abort_msg("a portal that nobody wants: %s", text);
    return -1;
}

static void record_path(struct world *w, int portal, char ret[200])
{
    w_fmt(ret, 200, NODES "/%s,%u", w->portals[portal].host, w->portals[portal].port);
}

/* Whatever has a comma is a record, "<address>,<port>"; one that is not there is an error for all. */
static bool is_confused(struct world *w)
{
    char path[700], *comma;
    struct dirent *entry;
    bool is_wrong = false;
    DIR *dir;

    w_fmt(path, sizeof(path), "%s" NODES, w->root);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        comma = strchr(entry->d_name, ',');
        if (!comma || strchr(comma + 1, ','))
            continue;
        w_fmt(path, sizeof(path), NODES "/%.*s,%d", (int)(comma - entry->d_name),
              entry->d_name, atoi(comma + 1));
        is_wrong = is_wrong || !world_has(w, path);
    }
    if (dir)
        closedir(dir);
    return is_wrong;
}

static int node_new(struct world *w, int portal)
{
    char path[200];

    record_path(w, portal, path);
    world_put(
        w, path,
        "# BEGIN RECORD 2.1.8\nnode.name = " W_IQN "\nnode.startup = automatic\n"
        "node.session.initial_login_retry_max = 8\nnode.session.auth.authmethod = None\n"
        "node.session.scan = auto\n# END RECORD\n");
    return 0;
}

/* "name = value" replaced, or put before the end. */
static void record_set(struct world *w, const char *path, const char *name,
                       const char *value)
{
    char out[8192], line[512];
    const char *old = world_get(w, path);
    size_t len = 0;
    bool is_done = false;

    w_fmt(line, sizeof(line), "%s = ", name);
    for (const char *at = old; *at;) {
        size_t n = strcspn(at, "\n") + 1;
        bool is_end = strncmp(at, "# END", 5) == 0;

        if (strncmp(at, line, strlen(line)) == 0 || (is_end && !is_done)) {
            len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s\n", line, value);
            is_done = true;
        }
        if (strncmp(at, line, strlen(line)) != 0)
            len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s", (int)n, at);
        at += n;
    }
    out[len] = '\0';
    world_put(w, path, out);
}

static int node_update(struct world *w, int portal, const char *const more[])
{
    char path[200];

    record_path(w, portal, path);
    if (!world_has(w, path))
        return 21;
    for (; *more; more += 4) {
        ck_assert_str_eq(more[0], "-n");
        ck_assert_str_eq(more[2], "-v");
        ck_assert_ptr_nonnull(more[3]);
        ck_assert(more[3][0] != '-');
        record_set(w, path, more[1], more[3]);
    }
    return 0;
}

static int node_delete(struct world *w, int portal)
{
    char path[200];

    record_path(w, portal, path);
    if (!world_has(w, path))
        return 21;
    w_remove(w, "%s", path);
    return 0;
}

static int node_login(struct world *w, int portal)
{
    char path[200];

    record_path(w, portal, path);
    if (!world_has(w, path))
        return 21;
    /* another process was faster */
    if (w->login_exit[portal] == 15)
        world_session(w, portal);
    if (w->login_exit[portal])
        return w->login_exit[portal];
    if (w->sessions[portal].exists)
        return 15;
    world_session(w, portal);
    return 0;
}

static int node_logout(struct world *w, int portal)
{
    if (!w->sessions[portal].exists)
        return 21;
    world_session_gone(w, portal);
    return 0;
}

/* Exactly the forms that are known; anything else fails the test. */
static int iscsiadm(struct world *w, const char *const argv[])
{
    int portal;

    ck_assert_str_eq(argv[1], "-m");
    ck_assert_str_eq(argv[2], "node");
    ck_assert_str_eq(argv[3], "-T");
    ck_assert_str_eq(argv[4], W_IQN);
    ck_assert_str_eq(argv[5], "-p");
    portal = portal_of(w, argv[6]);
    if (strcmp(argv[7], "--logout") != 0 && (!argv[8] || strcmp(argv[8], "new") != 0) &&
        is_confused(w))
        return 6;
    if (strcmp(argv[7], "--login") == 0 && !argv[8])
        return node_login(w, portal);
    if (strcmp(argv[7], "--logout") == 0 && !argv[8])
        return node_logout(w, portal);
    ck_assert_str_eq(argv[7], "-o");
    if (strcmp(argv[8], "new") == 0 && !argv[9])
        return node_new(w, portal);
    if (strcmp(argv[8], "delete") == 0 && !argv[9])
        return node_delete(w, portal);
    if (strcmp(argv[8], "update") == 0 && argv[9])
        return node_update(w, portal, argv + 9);
    ck_abort_msg("an unexpected iscsiadm command: %s", argv[8]);
    return -1;
}

static int multipath(struct world *w, const char *const argv[])
{
    const char *old = world_get(w, "/etc/multipath/wwids");
    char text[1024], entry[64];
    const char *at;

    ck_assert_msg(argv[1] && argv[2] && !argv[3], "a multipath command of another form");
    w_fmt(entry, sizeof(entry), "/%s/\n", argv[2]);
    if (strcmp(argv[1], "-a") == 0) {
        w_fmt(text, sizeof(text), "%s%s", old, entry);
    } else if (strcmp(argv[1], "-w") == 0) {
        at = strstr(old, entry);
        ck_assert_ptr_nonnull(at);
        w_fmt(text, sizeof(text), "%.*s%s", (int)(at - old), old, at + strlen(entry));
    } else {
        struct w_map *m = world_map_of(w, argv[2] + 1);

        ck_assert_str_eq(argv[1], "-f");
        if (!m)
            return 1;
        w_map_gone(w, m);
        return 0;
    }
    world_put(w, "/etc/multipath/wwids", text);
    return 0;
}

/* What hangs is a real program that sleeps, under the real runner. */
static int hang(const struct tns_ctx *ctx, struct tns_run_result *ret,
                struct tns_error *err)
{
    static const char *const argv[] = { "/bin/sleep", "60", NULL };

    return tns__runner_real()->run(tns__runner_real(), ctx, argv, ret, err);
}

static bool does_hang(struct world *w, const char *const argv[])
{
    if (strcmp(argv[0], MULTIPATH) == 0)
        return w->multipath_hangs;
    return argv[7] && strcmp(argv[7], "--login") == 0 &&
           w->login_hangs[portal_of(w, argv[6])];
}

static int run_stub(const struct tns_runner *r, const struct tns_ctx *ctx,
                    const char *const argv[], struct tns_run_result *ret,
                    struct tns_error *err)
{
    const struct world *w = r->user;
    struct tns_runner real = *tns__runner_real();
    const char *copy[64] = { w->stub };

    for (size_t i = 1; argv[i] && i < 63; i++)
        copy[i] = argv[i];
    real.lets_end = r->lets_end;
    return real.run(&real, ctx, copy, ret, err);
}

int w_run(struct tns_runner *r, const struct tns_ctx *ctx, const char *const argv[],
          struct tns_run_result *ret, struct tns_error *err)
{
    struct world *w = r->user;
    struct tns_run_result result = { 0 };
    int rc = tns__ctx_check(ctx, argv[0], err);

    if (rc < 0)
        return rc;
    w_lock(w);
    remember(w, argv);
    if (does_hang(w, argv)) {
        pthread_mutex_unlock(&w->mutex);
        return hang(ctx, ret, err);
    }
    if (w->stub && strcmp(argv[0], ISCSIADM) == 0)
        rc = run_stub(r, ctx, argv, &result, err);
    if (rc == 0 && strcmp(argv[0], ISCSIADM) == 0)
        result.exit_code = iscsiadm(w, argv);
    else if (rc == 0 && strcmp(argv[0], MULTIPATH) == 0)
        result.exit_code = multipath(w, argv);
    else if (rc == 0)
        ck_abort_msg("an unexpected command: %s", argv[0]);
    pthread_mutex_unlock(&w->mutex);
    if (rc < 0)
        return rc;
    if (!result.out)
        result.out = tns__strdup("");
    if (!result.err)
        result.err = tns__strdup("");
    *ret = result;
    return 0;
}
