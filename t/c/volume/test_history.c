/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes as nodes, random operations, a lock that ends early, connections
 * that break, nodes that stop: what was acknowledged is there, what was freed is gone, and
 * nothing is left over. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "vt.h"

#define NODES 8
#define GUESTS 3
#define DISKS 4
#define MORE_DISKS 24
#define A_TEST 20000 /* operations of one test, on a dataset of its own */
#define ROUND 2000   /* operations until everything is looked at */
#define EVENTS_MAX 400000

/* ---- what happened, in memory that all processes share ---- */

struct event {
    char volname[40]; /* "vm-101-*": whichever of that guest */
    bool alloc;       /* else free */
    bool acked;       /* else: nobody knows */
    uint64_t start_ns;
    uint64_t end_ns;
};

struct history {
    volatile unsigned ops;
    volatile unsigned n;
    volatile unsigned acked;
    unsigned lock_owner; /* 0: nobody's */
    uint64_t lock_until_ns;
    struct event events[EVENTS_MAX];
};

static struct history *history;

/* In a node's process, where Check hears nothing. */
#define node_check(cond, ...)                                                              \
    do {                                                                                   \
        if (!(cond)) {                                                                     \
            fprintf(stderr, "# a node found: " __VA_ARGS__);                               \
            fputc('\n', stderr);                                                           \
            _exit(1);                                                                      \
        }                                                                                  \
    } while (0)

static void wait_ms(unsigned ms)
{
    struct tns_ctx ctx;

    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, ms + 60000);
    tns__ctx_backoff(&ctx, ms, "its turn", NULL);
}

static void record(const char *volname, bool alloc, int rc, uint64_t start)
{
    unsigned i = __atomic_fetch_add(&history->n, 1, __ATOMIC_SEQ_CST);
    struct event *e = &history->events[i];

    node_check(i < EVENTS_MAX, "more than %u events", EVENTS_MAX);
    snprintf(e->volname, sizeof(e->volname), "%s", volname);
    e->alloc = alloc;
    e->start_ns = start;
    e->end_ns = tns__now_ns();
    e->acked = rc == 0;
}

/* ---- one node ---- */

struct node {
    struct vt v;
    unsigned number;
    unsigned seed;
};

static unsigned pick(struct node *n, unsigned range)
{
    return (unsigned)rand_r(&n->seed) % range;
}

/* ---- PVE's lock around alloc, free and rename: a lease without fencing ---- */

static bool lease_take(unsigned owner, uint64_t lease_ns)
{
    unsigned nobody = 0;
    unsigned holder = __atomic_load_n(&history->lock_owner, __ATOMIC_SEQ_CST);

    if (holder &&
        tns__now_ns() > __atomic_load_n(&history->lock_until_ns, __ATOMIC_SEQ_CST))
        __atomic_compare_exchange_n(&history->lock_owner, &holder, 0, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (!__atomic_compare_exchange_n(&history->lock_owner, &nobody, owner, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    __atomic_store_n(&history->lock_until_ns, tns__now_ns() + lease_ns, __ATOMIC_SEQ_CST);
    return true;
}

/* One lease in four ends while its holder is at work; a holder that is stopped outlives
 * the others, too. */
static void lock(struct node *n)
{
    uint64_t lease_ns = TNS_MS(pick(n, 4) ? 2000 : 20);

    while (!lease_take(n->number + 1, lease_ns))
        wait_ms(5);
}

static void unlock(struct node *n)
{
    unsigned mine = n->number + 1;

    __atomic_compare_exchange_n(&history->lock_owner, &mine, 0, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
}

/* ---- the operations ---- */

static void name_of(struct node *n, char *ret, size_t cap)
{
    snprintf(ret, cap, "vm-1%02u-disk-%u", pick(n, GUESTS), pick(n, DISKS));
}

/* Half of what is freed has a number that only the storage chose, lest there be ever more of them. */
static void name_to_free(struct node *n, char *ret, size_t cap)
{
    snprintf(ret, cap, "vm-1%02u-disk-%u", pick(n, GUESTS),
             pick(n, pick(n, 2) ? DISKS : MORE_DISKS));
}

static uint64_t guest_of(const char *name)
{
    return strtoull(name + strlen("vm-"), NULL, 10);
}

/* A definite refusal made nothing; everything else may have. */
static bool made_nothing(int rc)
{
    return rc == -TNS_E_EXISTS || rc == -TNS_E_BUSY || rc == -TNS_E_NOTFOUND;
}

static int do_alloc(struct node *n, const char *name, struct tns_error *err)
{
    uint64_t start = tns__now_ns();
    bool named = pick(n, 3) > 0;
    char any[40];
    char got[256] = "";
    int rc;

    snprintf(any, sizeof(any), "vm-%u-*", (unsigned)guest_of(name));
    rc = tns_volume_alloc(n->v.st, guest_of(name), named ? name : NULL, GIB, got, err);
    if (rc == 0 && named)
        node_check(strcmp(got, name) == 0, "%s was made for %s", got, name);
    if (!made_nothing(rc))
        record(rc == 0 ? got : named ? name : any, true, rc, start);
    return rc;
}

static int do_clone(struct node *n, const char *name, struct tns_error *err)
{
    uint64_t start = tns__now_ns();
    char any[40];
    char got[256] = "";
    uint64_t vmid = 100 + pick(n, GUESTS);
    int rc;

    snprintf(any, sizeof(any), "vm-%u-*", (unsigned)vmid);
    rc = tns_volume_clone(n->v.st, name, "s1", vmid, got, err);
    if (!made_nothing(rc))
        record(rc == 0 ? got : any, true, rc, start);
    return rc;
}

static int do_free(struct node *n, const char *name, struct tns_error *err)
{
    uint64_t start = tns__now_ns();
    int rc = tns_volume_free(n->v.st, name, err);

    record(name, false, rc, start);
    return rc;
}

/* To a free name above those that alloc and free go for by themselves. */
static int do_rename(struct node *n, const char *name, struct tns_error *err)
{
    uint64_t start = tns__now_ns();
    uint64_t vmid = 100 + pick(n, GUESTS);
    char new_name[40];
    char got[256] = "";
    int rc;

    snprintf(new_name, sizeof(new_name), "vm-%u-disk-%u", (unsigned)vmid, pick(n, DISKS));
    rc = tns_volume_rename(n->v.st, name, vmid, new_name, got, err);
    if (rc == -TNS_E_UNSUPPORTED || rc == -TNS_E_USAGE)
        return rc;
    record(name, false, rc, start);
    if (!made_nothing(rc))
        record(new_name, true, rc, start);
    return rc;
}

static int do_list(struct node *n, struct tns_error *err)
{
    _tns_json_ json_t *list = NULL;

    return tns_volume_list(n->v.st, 0, &list, err);
}

static int do_reconcile(struct node *n, struct tns_error *err)
{
    _tns_json_ json_t *report = NULL;

    return tns_storage_reconcile(n->v.st, 1, &report, err);
}

static int do_locked(struct node *n, unsigned what, const char *name, struct tns_error *err)
{
    char other[40];
    int rc;

    name_to_free(n, other, sizeof(other));
    lock(n);
    rc = what < 7    ? do_alloc(n, name, err)
         : what < 9  ? do_clone(n, name, err)
         : what < 15 ? do_free(n, other, err)
                     : do_rename(n, name, err);
    unlock(n);
    return rc;
}

static int do_one(struct node *n, struct tns_error *err)
{
    unsigned what = pick(n, 30);
    char name[40];

    name_of(n, name, sizeof(name));
    if (what < 17)
        return do_locked(n, what, name, err);
    if (what < 21)
        return tns_snapshot_create(n->v.st, name, "s1", err);
    if (what < 23)
        return tns_snapshot_delete(n->v.st, name, "s1", err);
    if (what < 25)
        return tns_rollback(n->v.st, name, "s1", err);
    if (what < 27)
        return tns_volume_resize(n->v.st, name, 2 * GIB, err);
    return what < 29 ? do_list(n, err) : do_reconcile(n, err);
}

static void node_name(unsigned number, char ret[16])
{
    snprintf(ret, 16, "n%u", number);
}

/* Each with logins of its own, as nodes have. */
static void node_open(struct node *n, const struct vt *base, unsigned number)
{
    char name[16];

    *n = (struct node){ .v = *base, .number = number };
    node_name(number, name);
    ck_assert(snprintf(n->v.run, sizeof(n->v.run), "%s-%u", base->run, number) <
              (int)sizeof(n->v.run));
    mkdir(n->v.run, 0700);
    n->v.st = vt_more(&n->v, name, NULL);
    tns_storage_set_timeout(n->v.st, 20000);
}

static void node_run(const struct vt *base, unsigned number, unsigned seed, unsigned ops)
{
    struct node n;

    node_open(&n, base, number);
    n.seed = seed + number * 7919;
    while (__atomic_add_fetch(&history->ops, 1, __ATOMIC_SEQ_CST) <= ops) {
        struct tns_error err = TNS_ERROR_INIT;

        if (do_one(&n, &err) == 0)
            __atomic_add_fetch(&history->acked, 1, __ATOMIC_SEQ_CST);
        /* A bug of our own, or a foreign volume among ours, is never right. */
        node_check(err.code != TNS_E_BUG && err.code != TNS_E_FOREIGN, "%s", err.text);
        if (getenv("TNS_HISTORY_VERBOSE") && err.code)
            fprintf(stderr, "# n%u: %s\n", number, err.text);
    }
    tns_storage_close(n.v.st);
}

/* ---- trouble ---- */

/* As if a minute had passed: the logins that breaking connections cost are not what this
 * is about. */
static void new_minute(const struct vt *v)
{
    unsigned number;

    for (number = 0; number < NODES; number++) {
        char path[300];
        DIR *dir;
        struct dirent *entry;

        snprintf(path, sizeof(path), "%s-%u", v->run, number);
        dir = opendir(path);
        while (dir && (entry = readdir(dir)))
            if (entry->d_type == DT_REG)
                unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir)
            closedir(dir);
    }
    tst_sim_world(v->sim, "{\"limiter\": {\"reset\": true}}");
}

static void stop_for(pid_t pid, unsigned ms)
{
    kill(pid, SIGSTOP);
    wait_ms(ms);
    kill(pid, SIGCONT);
}

static void trouble(const struct vt *v, const pid_t pids[NODES], unsigned *seed)
{
    static const char *const faults[] = {
        "{\"match\": \"*\", \"nth\": 5, \"do\": \"cut\"}",
        "{\"match\": \"*\", \"nth\": 5, \"do\": \"cut-before\"}",
        "{\"match\": \"*.create\", \"nth\": 2, \"do\": \"fail\"}",
        "{\"match\": \"*.delete\", \"nth\": 2, \"do\": \"fail\"}",
        "{\"match\": \"*.create\", \"nth\": 1, \"do\": \"cut\"}",
        "{\"match\": \"pool.dataset.*\", \"nth\": 3, \"do\": \"delay\", \"ms\": 300}",
    };
    unsigned what = (unsigned)rand_r(seed) % (2 + TNS_ARRAY_LEN(faults));
    pid_t pid = pids[(unsigned)rand_r(seed) % NODES];

    if (what < TNS_ARRAY_LEN(faults))
        tst_sim_fault(v->sim, faults[what]);
    else
        stop_for(pid, 50 + (unsigned)rand_r(seed) % 600);
}

/* Breaks a connection, lets a call fail, or stops a node for a moment; the next one when
 * some operations have gone by, until all are through. */
static void make_trouble(const struct vt *v, const pid_t pids[NODES], unsigned seed,
                         unsigned ops)
{
    unsigned next = 0;

    while (history->ops <= ops) {
        if (history->ops < next) {
            wait_ms(20);
            continue;
        }
        next = history->ops + 6;
        trouble(v, pids, &seed);
        new_minute(v);
    }
    tst_sim_fault(v->sim, "{\"clear\": true}");
}

/* ---- the verdict ---- */

static bool is_about(const struct event *other, const char *volname)
{
    size_t len = strlen(other->volname);

    if (other->volname[len - 1] == '*')
        return strncmp(other->volname, volname, len - 1) == 0;
    return strcmp(other->volname, volname) == 0;
}

/* Acknowledged, and nothing that could undo it ended after it began. */
static bool is_certain(const struct event *e)
{
    unsigned i;

    if (!e->acked)
        return false;
    for (i = 0; i < history->n; i++) {
        const struct event *other = &history->events[i];

        if (other->alloc != e->alloc && other->end_ns > e->start_ns &&
            is_about(other, e->volname))
            return false;
    }
    return true;
}

/* Is it in the list, made once before for all questions? */
static bool in_list(const json_t *list, const char *volname)
{
    json_t *row;
    size_t i;
    unsigned n = 0;

    json_array_foreach(list, i, row)
    {
        n += strcmp(json_string_value(json_object_get(row, "volname")), volname) == 0;
    }
    ck_assert_uint_le(n, 1);
    return n == 1;
}

static void judge(struct vt *v, unsigned seed, unsigned certain[2])
{
    _tns_json_ json_t *list = NULL;
    unsigned i;

    vt_ok(v, tns_volume_list(v->st, 0, &list, &v->err));
    for (i = 0; i < history->n; i++) {
        const struct event *e = &history->events[i];

        if (!is_certain(e))
            continue;
        ck_assert_msg(in_list(list, e->volname) == e->alloc,
                      "seed %u: %s was %s, and is %s", seed, e->volname,
                      e->alloc ? "allocated" : "freed",
                      e->alloc ? "not there" : "still there");
        certain[e->alloc]++;
    }
}

/* Returns how many wait for their clones to go: a free of theirs has said so. */
static size_t print_what_is_not_ready(const json_t *report, const char *node)
{
    json_t *row;
    size_t needed = 0;
    size_t i;

    json_array_foreach(json_object_get(report, "volumes"), i, row)
    {
        const char *class = json_string_value(json_object_get(row, "class"));
        _tns_free_ char *text = NULL;

        needed += strcmp(class, "needed") == 0;
        if (strcmp(class, "ready") == 0)
            continue;
        text = tns__json_dump(row, NULL);
        printf("# %s: %s\n", node, text);
    }
    return needed;
}

/* What a node left in the middle, it alone knows at once to be nobody's work any more. */
static size_t reconcile_each(const struct vt *v)
{
    unsigned number;
    size_t needed = 0;

    for (number = 0; number < NODES; number++) {
        struct node n;
        _tns_json_ json_t *report = NULL;
        char name[16];

        node_open(&n, v, number);
        node_name(number, name);
        vt_ok(&n.v, tns_storage_reconcile(n.v.st, 1, &report, &n.v.err));
        needed = print_what_is_not_ready(report, name);
        tns_storage_close(n.v.st);
    }
    return needed;
}

/* In peace: what is freed is gone, and the next round does not begin with ever more volumes. */
static unsigned free_most(struct vt *v)
{
    _tns_json_ json_t *before = NULL;
    _tns_json_ json_t *after = NULL;
    json_t *row;
    size_t i;
    unsigned freed = 0;

    vt_ok(v, tns_volume_list(v->st, 0, &before, &v->err));
    json_array_foreach(before, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "volname"));
        int rc = i % 4 ? tns_volume_free(v->st, name, &v->err) : -TNS_E_CONFLICT;

        /* others are clones of it */
        ck_assert_msg(rc == 0 || rc == -TNS_E_CONFLICT, "%s: %s", name, v->err.text);
        tns__error_clear(&v->err);
        freed += rc == 0;
        if (rc == 0)
            json_object_set_new(row, "freed", json_true());
    }
    vt_ok(v, tns_volume_list(v->st, 0, &after, &v->err));
    json_array_foreach(before, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "volname"));

        ck_assert_msg(in_list(after, name) == !json_object_get(row, "freed"), "%s", name);
    }
    return freed;
}

static void verdict(struct vt *v, unsigned seed)
{
    unsigned certain[2] = { 0, 0 };
    unsigned freed;
    size_t needed;
    size_t left;

    new_minute(v);
    needed = reconcile_each(v);
    judge(v, seed, certain);
    left = vt_invariants(v) - needed;
    freed = free_most(v);
    printf("# %s, seed %u: %u operations, %u done, %u certainly there, %u certainly gone, "
           "%u freed in peace, %zu needed by clones, orphans: %zu\n",
           tst_cell()->release, seed, history->ops - NODES, history->acked, certain[1],
           certain[0], freed, needed, left);
    fflush(stdout);
    ck_assert_msg(left == 0, "seed %u: %zu objects are left over", seed, left);
    /* Mostly refused, it would have shown nothing. */
    ck_assert_msg(history->acked > history->ops / 4, "seed %u: only %u of %u were done",
                  seed, history->acked, history->ops);
}

static void play_round(struct vt *v, unsigned seed, unsigned ops)
{
    pid_t pids[NODES];
    unsigned i;

    memset(history, 0, sizeof(*history));
    for (i = 0; i < NODES; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            node_run(v, i, seed, ops);
            _exit(0);
        }
    }
    make_trouble(v, pids, seed, ops);
    for (i = 0; i < NODES; i++) {
        int status = 0;

        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                      "seed %u: node %u ended with status %d", seed, i, status);
    }
    verdict(v, seed);
}

static void play(unsigned seed, unsigned ops)
{
    struct vt v;
    unsigned done;

    history = mmap(NULL, sizeof(*history), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(history, MAP_FAILED);
    vt_open(&v, tst_cell_sim());
    tst_sim_world(v.sim, "{\"check_replies\": 0}");
    printf("# seed %u, %u operations, %d nodes\n", seed, ops, NODES);
    /* each round goes on with what the one before has left */
    for (done = 0; done < ops; done += ROUND) {
        fflush(stdout);
        play_round(&v, seed + done, ops - done < ROUND ? ops - done : ROUND);
    }
    tst_sim_world(v.sim, "{\"check_replies\": 1}");
    vt_close(&v);
    munmap(history, sizeof(*history));
}

/* C14: leases end while their holders are at work, and holders are stopped. */
static unsigned ops_wanted(void)
{
    const char *ops = getenv("TNS_HISTORY_OPS");

    return ops ? (unsigned)strtoul(ops, NULL, 10) : getenv("TNS_TEST_FULL") ? 2000 : 300;
}

/* A test that runs for half an hour overflows Check's own count of its time. */
START_TEST(test_random_operations_of_eight_nodes_lose_and_leak_nothing)
{
    const char *seed = getenv("TNS_HISTORY_SEED");
    unsigned done = (unsigned)_i * A_TEST;
    unsigned left = ops_wanted() - done;

    play((seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)(tns__now_ns() / 1000)) +
             done,
         left < A_TEST ? left : A_TEST);
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
    tcase_set_timeout(tc, getenv("TNS_HISTORY_OPS") ? 2100 : 900);
    tcase_add_test(tc, test_twenty_five_allocs_at_once_all_succeed);
    tcase_add_loop_test(tc, test_random_operations_of_eight_nodes_lose_and_leak_nothing, 0,
                        (int)((ops_wanted() + A_TEST - 1) / A_TEST));
}

int main(void)
{
    Suite *s = suite_create("history");

    if (!getenv("TNS_TEST_FULL"))
        setenv("TNS_TEST_CELLS", "25.10/jsonrpc,26/jsonrpc", 0);
    else
        setenv("TNS_TEST_CELLS",
               "22.12/rest,23.10/ddp,24.04/ddp,24.10/ddp,25.04/jsonrpc,25.10/jsonrpc,26/"
               "jsonrpc",
               0);
    tst_matrix(s, add);
    return tst_run(s);
}
