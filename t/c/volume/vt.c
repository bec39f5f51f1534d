/* SPDX-License-Identifier: Apache-2.0 */
/* A storage on a dataset of its own, and the invariants that GET /world must keep. */
#include "vt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "volume/plan.h"
#include "volume/storage.h"

json_t *vt_options(const struct vt *v, const char *node, const char *options_json)
{
    json_error_t jerr;
    json_t *options;
    char host[64];

    snprintf(host, sizeof(host), "%s", v->sim->host);
    options =
        json_pack("{s:s, s:s, s:s, s:i, s:s?, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                  "storeid", "nas", "api_host", host, "api_key", v->sim->api_key,
                  "api_port", v->sim->port, "tn_fingerprint", v->sim->fingerprint,
                  "dataset", v->dataset, "target_iqn", v->iqn, "discovery_portal",
                  "127.0.0.1:3260", "tn_owner", VT_OWNER, "tn_run_dir", v->run,
                  "tn_sysroot", v->root, "tn_holder", "", "tn_node", node);
    ck_assert_ptr_nonnull(options);
    if (tst_cell())
        json_object_set_new(options, "api_transport",
                            json_string(v->sim == tst_cell_sim() ? tst_cell()->dialect
                                                                 : "ws"));
    if (options_json) {
        json_t *more = json_loads(options_json, 0, &jerr);

        ck_assert_msg(more != NULL, "%s: %s", options_json, jerr.text);
        json_object_update(options, more);
        json_decref(more);
    }
    return options;
}

/* iscsiadm and multipath would work on the machine that the tests run on. */
static int no_program(struct tns_runner *r, const struct tns_ctx *ctx,
                      const char *const argv[], struct tns_run_result *ret,
                      struct tns_error *err)
{
    (void)r;
    (void)ctx;
    (void)ret;
    return tns__error_set(err, TNS_E_NOTFOUND, "%s is not run here", argv[0]);
}

struct tns_storage *vt_more(const struct vt *v, const char *node, const char *options_json)
{
    static struct tns_runner runner = { .run = no_program };
    struct tns_error err = TNS_ERROR_INIT;
    json_t *options = vt_options(v, node, options_json);
    struct tns_storage *st = NULL;

    tst_ok(tns_storage_open(options, NULL, &st, &err), &err);
    st->node.runner = &runner;
    json_decref(options);
    return st;
}

void vt_an_hour_later(const struct vt *v, bool later)
{
    tst_sim_world(v->sim, later ? "{\"clock_offset\": 3600}" : "{\"clock_offset\": 0}");
}

void vt_world(const struct vt *v, const char *json_fmt)
{
    char text[4096];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    ck_assert_int_lt(snprintf(text, sizeof(text), json_fmt, v->dataset, v->dataset,
                              v->dataset, v->dataset),
                     (int)sizeof(text));
#pragma GCC diagnostic pop
    tst_sim_world(v->sim, text);
}

static void make_target(const struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    json_t *portals = json_object_get(world, "portal");
    json_t *body;
    json_int_t portal;
    char text[512];

    if (json_array_size(portals) == 0) {
        tst_sim_world(v->sim, "{\"insert\": {\"table\": \"portal\", \"row\": {\"tag\": 1, "
                              "\"comment\": \"\", \"listen\": [\"127.0.0.1\"]}}}");
        json_decref(world);
        world = tst_sim_get(v->sim, "/world");
        portals = json_object_get(world, "portal");
    }
    portal = json_integer_value(json_object_get(json_array_get(portals, 0), "id"));
    snprintf(
        text, sizeof(text),
        "{\"insert\": {\"table\": \"target\", \"row\": {\"name\": \"%s\", \"alias\": null, "
        "\"mode\": \"ISCSI\", \"rel_tgt_id\": 1, \"auth_networks\": [], \"groups\": "
        "[{\"portal\": %lld, "
        "\"initiator\": null, \"authmethod\": \"NONE\", \"auth\": null}]}}}",
        v->target, (long long)portal);
    body = json_loads(text, 0, NULL);
    json_decref(tst_sim_post(v->sim, "/world", body));
    json_decref(body);
}

void vt_open(struct vt *v, const struct tst_sim *sim)
{
    static unsigned count;
    char name[32];

    *v = (struct vt){ .sim = sim, .err = TNS_ERROR_INIT };
    snprintf(name, sizeof(name), "t%d-%u", (int)getpid(), count++);
    snprintf(v->dataset, sizeof(v->dataset), "tank/%s", name);
    snprintf(v->target, sizeof(v->target), "%s", name);
    snprintf(v->iqn, sizeof(v->iqn), "iqn.2005-10.org.freenas.ctl:%s", name);
    snprintf(v->root, sizeof(v->root), "%s/%s-root", tst_tmpdir(), name);
    snprintf(v->run, sizeof(v->run), "%s/%s-run", tst_tmpdir(), name);
    mkdir(v->root, 0755);
    mkdir(v->run, 0700);

    tst_sim_world(sim, "{\"limiter\": {\"calls\": 1000000}}");
    vt_world(v, "{\"dataset\": {\"name\": \"%s\", \"create\": {}}}");
    make_target(v);
    v->st = vt_more(v, "n1", NULL);
}

void vt_own_pool(struct vt *v, uint64_t bytes, const char *options_json)
{
    char text[300];

    snprintf(text, sizeof(text), "{\"pool\": {\"name\": \"p%s\", \"create\": %llu}}",
             v->target, (unsigned long long)bytes);
    tst_sim_world(v->sim, text);
    ck_assert_int_lt(snprintf(v->dataset, sizeof(v->dataset), "p%s/vm", v->target),
                     (int)sizeof(v->dataset));
    vt_world(v, "{\"dataset\": {\"name\": \"%s\", \"create\": {}}}");
    tns_storage_close(v->st);
    v->st = vt_more(v, "n1", options_json);
}

void vt_close(struct vt *v)
{
    tns_storage_close(v->st);
    v->st = NULL;
}

const char *vt_zvol(const struct vt *v, const char *leaf)
{
    static char text[4][256];
    static unsigned next;
    char *ret = text[next++ % 4];

    snprintf(ret, 256, "%s/%s", v->dataset, leaf);
    return ret;
}

bool vt_listed(struct vt *v, const char *volname)
{
    _tns_json_ json_t *list = NULL;
    json_t *item;
    size_t i;
    unsigned n = 0;

    vt_ok(v, tns_volume_list(v->st, 0, &list, &v->err));
    json_array_foreach(list, i,
                       item) if (strcmp(json_string_value(json_object_get(item, "volname")),
                                        volname) == 0) n++;
    ck_assert_uint_le(n, 1);
    return n == 1;
}

json_t *vt_row(const json_t *world, const char *table, const char *key, const char *value)
{
    json_t *row;
    size_t i;

    json_array_foreach(json_object_get(world, table), i, row)
    {
        const char *text = json_string_value(json_object_get(row, key));

        if (text && strcmp(text, value) == 0)
            return row;
    }
    return NULL;
}

bool vt_exists(struct vt *v, const char *leaf)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");

    return vt_row(world, "dataset", "name", vt_zvol(v, leaf)) != NULL;
}

json_int_t vt_lun_of(const struct vt *v, const char *leaf)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char disk[340];
    json_int_t id;
    size_t i;
    json_t *row;

    snprintf(disk, sizeof(disk), "zvol/%s/%s", v->dataset, leaf);
    id = json_integer_value(json_object_get(vt_row(world, "extent", "disk", disk), "id"));
    json_array_foreach(json_object_get(world, "mapping"), i,
                       row) if (json_integer_value(json_object_get(row, "extent")) ==
                                id) return json_integer_value(json_object_get(row,
                                                                              "lunid"));
    return -1;
}

/* ---- invariants ---- */

static json_int_t int_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static bool below(const struct vt *v, const char *path)
{
    size_t len = strlen(v->dataset);

    return path && strncmp(path, v->dataset, len) == 0 && path[len] == '/';
}

static size_t check_extents(const struct vt *v, const json_t *world)
{
    const json_t *extents = json_object_get(world, "extent");
    size_t n = 0;
    size_t i;
    size_t k;
    json_t *row;

    json_array_foreach(extents, i, row)
    {
        const char *disk = json_string_value(json_object_get(row, "disk"));

        if (!disk || strncmp(disk, "zvol/", 5) != 0 || !below(v, disk + 5))
            continue;
        n++;
        ck_assert_msg(vt_row(world, "dataset", "name", disk + 5) != NULL,
                      "extent %s has no zvol", disk);
        for (k = i + 1; k < json_array_size(extents); k++) {
            const char *other =
                json_string_value(json_object_get(json_array_get(extents, k), "disk"));

            ck_assert_msg(!other || strcmp(other, disk) != 0, "two extents on %s", disk);
        }
    }
    return n;
}

static void check_mappings(const json_t *world)
{
    const json_t *mappings = json_object_get(world, "mapping");
    size_t i;
    size_t k;
    json_t *a;

    json_array_foreach(mappings, i, a)
    {
        bool found = false;
        json_t *extent;

        json_array_foreach(json_object_get(world, "extent"), k, extent) found |=
            int_of(extent, "id") == int_of(a, "extent");
        ck_assert_msg(found, "a mapping without extent");
        for (k = i + 1; k < json_array_size(mappings); k++) {
            const json_t *b = json_array_get(mappings, k);

            ck_assert_msg(int_of(a, "target") != int_of(b, "target") ||
                              int_of(a, "lunid") != int_of(b, "lunid"),
                          "LUN %lld of target %lld is given out twice",
                          (long long)int_of(a, "lunid"), (long long)int_of(a, "target"));
        }
    }
}

static size_t zvols_below(const struct vt *v, const json_t *world)
{
    size_t n = 0;
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(world, "dataset"), i, row) n +=
        below(v, json_string_value(json_object_get(row, "name")));
    return n;
}

size_t vt_invariants(const struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    _tns_json_ json_t *list = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    size_t zvols;
    size_t i;
    json_t *item;

    check_extents(v, world);
    check_mappings(world);
    zvols = zvols_below(v, world);
    tst_ok(tns_volume_list(v->st, 0, &list, &err), &err);
    json_array_foreach(list, i, item)
    {
        const char *zvol = json_string_value(json_object_get(item, "zvol"));

        ck_assert_msg(vt_row(world, "dataset", "name", zvol) != NULL,
                      "%s is listed, not there", zvol);
    }
    return zvols - json_array_size(list);
}

void vt_nothing_left(const struct vt *v)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");

    ck_assert_uint_eq(zvols_below(v, world), 0);
    ck_assert_uint_eq(check_extents(v, world), 0);
    check_mappings(world);
}

static json_int_t handle_trips(struct vt *v)
{
    _tns_json_ json_t *used = NULL;

    vt_ok(v, tns_storage_counters(v->st, &used, &v->err));
    return json_integer_value(json_object_get(used, "trips"));
}

void vt_count_reset(struct vt *v)
{
    v->trips_before = handle_trips(v);
    tst_sim_reset(v->sim);
}

/* The client knows what it sent without waiting; the NAS takes that for more trips when this
 * machine paused between two writes, but never for fewer. */
json_int_t vt_trips(struct vt *v)
{
    json_int_t trips = handle_trips(v) - v->trips_before;

    ck_assert_int_ge(tst_sim_stat(v->sim, "trips"), trips);
    return trips;
}

json_int_t vt_calls(const struct vt *v)
{
    return tst_sim_stat(v->sim, "calls");
}

/* ---- dying in the middle ---- */

static const char *last_step;

static void die_behind(const char *what, const char *step, int after)
{
    (void)what;
    if (after && strcmp(step, last_step) == 0)
        _exit(137);
}

void vt_dies_at(const struct vt *v, const char *node, const char *step,
                int (*ask)(struct tns_storage *st, struct tns_error *err))
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct tns_error err = TNS_ERROR_INIT;

        last_step = step;
        tns__plan_hook = die_behind;
        ask(vt_more(v, node, NULL), &err);
        fprintf(stderr, "# not at '%s': %s\n", step, err.text);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 137);
}

/* ---- programs ---- */

int vt_main(const char *name, const char *cells, void (*add)(TCase *tc))
{
    Suite *s = suite_create(name);

    if (cells && !getenv("TNS_TEST_FULL"))
        setenv("TNS_TEST_CELLS", cells, 0);
    tst_matrix(s, add);
    return tst_run(s);
}
