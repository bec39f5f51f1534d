/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of volumes share: a storage on a dataset of its own, and the invariants of
 * the NAS. */
#ifndef TNS_T_VOLUME_VT_H
#define TNS_T_VOLUME_VT_H

#include "common/tst.h"
#include "tnstor.h"

#define GIB (1024ull * 1024 * 1024)
#define MIB (1024ull * 1024)

struct vt {
    const struct tst_sim *sim;
    char dataset[64];
    char target[64]; /* name on the NAS */
    char iqn[128];
    char root[200]; /* stands in for this node's / */
    char run[200];
    struct tns_storage *st;
    json_int_t trips_before;
    struct tns_error err;
};

/* A dataset, a target with portal and group, and a storage "nas" on them; all of this
 * test's own. */
void vt_open(struct vt *v, const struct tst_sim *sim);
void vt_close(struct vt *v);
/* One more storage on the same dataset: as node `node`, with options (JSON object, may
 * be NULL) over the usual ones. */
struct tns_storage *vt_more(const struct vt *v, const char *node, const char *options_json);
/* The options vt_more would open with; owned. */
json_t *vt_options(const struct vt *v, const char *node, const char *options_json);

#define VT_OWNER "11111111-2222-4333-8444-555555555555"
#define VT_OTHER "99999999-8888-4777-8666-555555555555"

/* From here on the dataset is "<pool>/vm" on a new pool "p<target>" of that size, of this test
 * alone; v's storage is closed and opened anew there, with options like vt_more's. */
void vt_own_pool(struct vt *v, uint64_t bytes, const char *options_json);

/* Runs a public call on v's storage that must succeed. */
#define vt_ok(v, call) tst_ok((call), &(v)->err)
#define vt_fails(v, call, code) tst_fails((call), (code), &(v)->err)

/* Is this volume in the list? Fails the test when it is there twice. */
bool vt_listed(struct vt *v, const char *volname);
/* One row of GET /world by a member's value, borrowed from `world`; NULL when there is
 * none. */
json_t *vt_row(const json_t *world, const char *table, const char *key, const char *value);
/* "tank/x/vm-..." of this test. */
const char *vt_zvol(const struct vt *v, const char *leaf);
bool vt_exists(struct vt *v, const char *leaf);
/* The LUN number that this zvol is mapped at; -1: none. */
json_int_t vt_lun_of(const struct vt *v, const char *leaf);

/*
 * What must hold at all times below this test's dataset: no extent without its zvol, no
 * two extents on a zvol, no mapping without extent, (target, LUN) unique. Returns how many
 * objects are there that no volume of the list accounts for.
 */
size_t vt_invariants(const struct vt *v);
/* Everything below the dataset has been freed: no zvol, no extent, no mapping. */
void vt_nothing_left(const struct vt *v);

/* One of each dialect and generation, where all cells would take too long every day. */
#define VT_FEW_CELLS "22.12/rest,24.04/ddp,25.10/jsonrpc,26/jsonrpc"
/* A program of tests for every cell, or for those cells unless TNS_TEST_FULL is set. */
int vt_main(const char *name, const char *cells, void (*add)(TCase *tc));

/* A process of that node asks, and dies behind that step of its plan. */
void vt_dies_at(const struct vt *v, const char *node, const char *step,
                int (*ask)(struct tns_storage *st, struct tns_error *err));

/* Trips and calls since the last reset. */
void vt_count_reset(struct vt *v);
json_int_t vt_trips(struct vt *v);
json_int_t vt_calls(const struct vt *v);
/* A fault or an object of the world, with %s for the dataset (at most four times). */
void vt_world(const struct vt *v, const char *json_fmt);
/* By the clock of the NAS, so that whoever is at work counts as dead; or back again. */
void vt_an_hour_later(const struct vt *v, bool later);

#endif
