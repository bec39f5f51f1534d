/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes as nodes, random operations, a lock that leaks, connections that
 * break: what was acknowledged is there, what was freed is gone, and nothing is left
 * over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vt.h"

#define NODES 8
#define NAMES 12
#define EVENTS_MAX 120000

/* ---- what happened, in memory that all processes share ---- */

struct event {
    char volname[40];
    bool alloc; /* else free */
    bool acked; /* else: nobody knows */
    uint64_t start_ns;
    uint64_t end_ns;
};

struct history {
    volatile unsigned ops;
    volatile unsigned n;
    struct event events[EVENTS_MAX];
};

static struct history *history;

static void record(const char *volname, bool alloc, int rc, uint64_t start)
{
    unsigned i = __atomic_fetch_add(&history->n, 1, __ATOMIC_SEQ_CST);
    struct event *e = &history->events[i % EVENTS_MAX];

    snprintf(e->volname, sizeof(e->volname), "%s", volname);
    e->alloc = alloc;
    e->acked = rc == 0;
    e->start_ns = start;
    e->end_ns = tns__now_ns();
}

/* ---- one node ---- */

struct node {
    struct vt v;
    unsigned seed;
    int lock_fd;
};

static unsigned pick(struct node *n, unsigned range)
{
    return (unsigned)rand_r(&n->seed) % range;
}

/* PVE's lock around alloc and free; one time in eight it has leaked away. */
static bool lock(struct node *n)
{
    if (pick(n, 8) == 0)
        return false;
    while (flock(n->lock_fd, LOCK_EX) != 0 && errno == EINTR)
        ;
    return true;
}

static void unlock(struct node *n, bool locked)
{
    if (locked)
        flock(n->lock_fd, LOCK_UN);
}

static void name_of(struct node *n, char *ret, size_t cap)
{
    snprintf(ret, cap, "vm-1%02u-disk-%u", pick(n, 3), pick(n, NAMES / 3));
}

static void do_alloc(struct node *n, bool named)
{
    struct tns_error err = TNS_ERROR_INIT;
    char name[256];
    char got[256] = "";
    bool locked = lock(n);
    uint64_t start = tns__now_ns();
    int rc;

    name_of(n, name, sizeof(name));
    rc = tns_volume_alloc(n->v.st, strtoul(name + 3, NULL, 10), named ? name : NULL, GIB,
                          got, &err);
    unlock(n, locked);
    if (rc == 0 && named)
        ck_assert_str_eq(got, name);
    if (rc == 0 || named) {
        /* A definite refusal made nothing; everything else may have. */
        if (rc != -TNS_E_EXISTS && rc != -TNS_E_BUSY)
            record(rc == 0 ? got : name, true, rc, start);
    } else if (rc != -TNS_E_EXISTS && rc != -TNS_E_BUSY) {
        fprintf(stderr, "# alloc: %s\n", err.text);
    }
}

static void do_free(struct node *n)
{
    struct tns_error err = TNS_ERROR_INIT;
    char name[256];
    bool locked = lock(n);
    uint64_t start = tns__now_ns();
    int rc;

    name_of(n, name, sizeof(name));
    rc = tns_volume_free(n->v.st, name, &err);
    unlock(n, locked);
    record(name, false, rc, start);
}

static void do_other(struct node *n, unsigned what)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *list = NULL;
    char name[256];

    name_of(n, name, sizeof(name));
    switch (what) {
    case 0:
        tns_snapshot_create(n->v.st, name, "s1", &err);
        break;
    case 1:
        tns_snapshot_delete(n->v.st, name, "s1", &err);
        break;
    case 2:
        tns_rollback(n->v.st, name, "s1", &err);
        break;
    case 3:
        tns_volume_resize(n->v.st, name, 2 * GIB, &err);
        break;
    default:
        if (tns_volume_list(n->v.st, 0, &list, &err) == 0)
            json_decref(list);
    }
    /* A bug of our own, or a foreign volume among ours, is never right. */
    ck_assert_msg(err.code != TNS_E_BUG && err.code != TNS_E_FOREIGN, "%s", err.text);
}

static void node_run(const struct vt *base, unsigned number, unsigned seed, unsigned ops)
{
    char node[16];
    char path[300];
    struct node n = { .v = *base, .seed = seed + number * 7919 };

    snprintf(node, sizeof(node), "n%u", number);
    snprintf(path, sizeof(path), "%s/lock", base->run);
    n.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    n.v.st = vt_more(base, node, NULL);
    tns_storage_set_timeout(n.v.st, 20000);
    while (__atomic_add_fetch(&history->ops, 1, __ATOMIC_SEQ_CST) <= ops) {
        unsigned what = pick(&n, 10);

        if (what < 3)
            do_alloc(&n, what > 0);
        else if (what < 5)
            do_free(&n);
        else
            do_other(&n, what - 5);
    }
    tns_storage_close(n.v.st);
}

/* ---- trouble ---- */

/* Breaks a connection or stops a node for a moment, until the operations are through. */
static void make_trouble(const struct vt *v, const pid_t pids[NODES], unsigned seed,
                         unsigned ops)
{
    struct tns_ctx ctx;

    tns__ctx_init(&ctx);
    while (history->ops <= ops) {
        unsigned what = (unsigned)rand_r(&seed) % 4;
        pid_t pid = pids[(unsigned)rand_r(&seed) % NODES];

        ctx.deadline_ns = 0;
        tns__ctx_begin(&ctx, 60000);
        if (what == 0) {
            tst_sim_fault(v->sim, "{\"match\": \"*\", \"nth\": 5, \"do\": \"cut\"}");
        } else if (what == 1) {
            tst_sim_fault(v->sim,
                          "{\"match\": \"*.create\", \"nth\": 2, \"do\": \"fail\"}");
        } else if (what == 2) {
            kill(pid, SIGSTOP);
            tns__ctx_backoff(&ctx, 100, "a stopped node", NULL);
            kill(pid, SIGCONT);
        }
        tns__ctx_backoff(&ctx, 150, "the next trouble", NULL);
    }
    tst_sim_fault(v->sim, "{\"clear\": true}");
}

/* ---- the verdict ---- */

static bool overlaps_or_follows(const struct event *other, const struct event *e)
{
    return other->end_ns > e->start_ns;
}

/* Acknowledged, and nothing that could undo it ended after it began. */
static bool is_certain(const struct event *e)
{
    unsigned i;

    if (!e->acked)
        return false;
    for (i = 0; i < history->n; i++) {
        const struct event *other = &history->events[i];

        if (strcmp(other->volname, e->volname) == 0 && other->alloc != e->alloc &&
            overlaps_or_follows(other, e))
            return false;
    }
    return true;
}

/* As if a minute had passed: what the nodes used up of the logins is not the verdict's to pay. */
static void new_minute(struct vt *v)
{
    DIR *dir = opendir(v->run);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_REG)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    tst_sim_world(v->sim, "{\"limiter\": {\"reset\": true}}");
}

static void verdict(struct vt *v, unsigned seed)
{
    _tns_json_ json_t *report = NULL;
    unsigned present = 0;
    unsigned absent = 0;
    unsigned i;
    size_t left;

    new_minute(v);
    vt_ok(v, tns_storage_reconcile(v->st, 1, &report, &v->err));
    for (i = 0; i < history->n; i++) {
        const struct event *e = &history->events[i];

        if (!is_certain(e))
            continue;
        ck_assert_msg(vt_listed(v, e->volname) == e->alloc, "seed %u: %s was %s, and is %s",
                      seed, e->volname, e->alloc ? "allocated" : "freed",
                      e->alloc ? "not there" : "still there");
        present += e->alloc;
        absent += !e->alloc;
    }
    left = vt_invariants(v);
    printf(
        "# seed %u: %u operations, %u certainly there, %u certainly gone, orphans: %zu\n",
        seed, history->ops, present, absent, left);
    ck_assert_msg(left == 0, "seed %u: %zu objects are left over", seed, left);
}

static void play(unsigned seed, unsigned ops)
{
    struct vt v;
    pid_t pids[NODES];
    unsigned i;

    history = mmap(NULL, sizeof(*history), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(history, MAP_FAILED);
    vt_open(&v, tst_cell_sim());
    tst_sim_world(v.sim, "{\"check_replies\": 0}");
    printf("# seed %u, %u operations, %d nodes\n", seed, ops, NODES);
    fflush(stdout);
    for (i = 0; i < NODES; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            node_run(&v, i, seed, ops);
            _exit(0);
        }
    }
    make_trouble(&v, pids, seed, ops);
    for (i = 0; i < NODES; i++) {
        int status = 0;

        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                      "seed %u: node %u ended with status %d", seed, i, status);
    }
    verdict(&v, seed);
    tst_sim_world(v.sim, "{\"check_replies\": 1}");
    vt_close(&v);
    munmap(history, sizeof(*history));
}

START_TEST(test_random_operations_of_eight_nodes_lose_and_leak_nothing)
{
    const char *seed = getenv("TNS_HISTORY_SEED");
    const char *ops = getenv("TNS_HISTORY_OPS");

    play(seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)(tns__now_ns() / 1000),
         ops                       ? (unsigned)strtoul(ops, NULL, 10)
         : getenv("TNS_TEST_FULL") ? 1000
                                   : 300);
}
END_TEST

START_TEST(test_twenty_five_allocs_at_once_all_succeed)
{
    struct vt v;
    uint64_t begun;
    unsigned i;
    _tns_json_ json_t *list = NULL;

    vt_open(&v, tst_cell_sim());
    tst_sim_world(v.sim, "{\"rtt\": 10, \"check_replies\": 0}");
    begun = tns__now_ns();
    for (i = 0; i < 3; i++) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            struct tns_error err = TNS_ERROR_INIT;
            struct tns_storage *st = vt_more(&v,
                                             i == 0   ? "n1"
                                             : i == 1 ? "n2"
                                                      : "n3",
                                             NULL);
            unsigned count = i == 0 ? 9 : 8;
            int rc = 0;

            while (rc == 0 && count-- > 0) {
                char name[256];

                rc = tns_volume_alloc(st, 100, NULL, GIB, name, &err);
            }
            if (rc)
                fprintf(stderr, "# process %u: %s\n", i, err.text);
            _exit(rc ? 1 : 0);
        }
    }
    for (i = 0; i < 3; i++) {
        int status = 0;

        ck_assert_int_gt(waitpid(-1, &status, 0), 0);
        ck_assert_int_eq(status, 0);
    }
    printf("# 25 allocs by 3 processes, 10 ms away: %llu ms\n",
           (unsigned long long)((tns__now_ns() - begun) / 1000000u));
    tst_sim_world(v.sim, "{\"rtt\": 0, \"check_replies\": 1}");
    vt_ok(&v, tns_volume_list(v.st, 100, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 25);
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_set_timeout(tc, getenv("TNS_HISTORY_OPS") ? 36000 : 300);
    tcase_add_test(tc, test_twenty_five_allocs_at_once_all_succeed);
    tcase_add_test(tc, test_random_operations_of_eight_nodes_lose_and_leak_nothing);
}

int main(void)
{
    Suite *s = suite_create("history");

    if (!getenv("TNS_TEST_FULL"))
        setenv("TNS_TEST_CELLS", "25.10/jsonrpc", 0);
    else
        setenv("TNS_TEST_CELLS", "24.04/ddp,25.10/jsonrpc,26/jsonrpc", 0);
    tst_matrix(s, add);
    return tst_run(s);
}
