/* SPDX-License-Identifier: Apache-2.0 */
/* The NAS needs longer for a change than the request may take: not seen yet is not undone (P4). */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"
#define MOVED "vm-200-disk-0"

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
}

static void naa_of(const struct vt *v, const char *leaf, char ret[64])
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char disk[340];
    const char *naa;

    snprintf(disk, sizeof(disk), "zvol/%s/%s", v->dataset, leaf);
    naa = json_string_value(json_object_get(vt_row(world, "extent", "disk", disk), "naa"));
    ck_assert_ptr_nonnull(naa);
    snprintf(ret, 64, "%s", naa);
}

static const char *tag_of(const struct vt *v, const char *leaf, const char *tag,
                          char ret[300])
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    const json_t *row = vt_row(world, "dataset", "name", vt_zvol(v, leaf));
    const char *value =
        json_string_value(json_object_get(json_object_get(row, "user"), tag));

    snprintf(ret, 300, "%s", value ? value : "");
    return ret;
}

static json_int_t renames(const struct vt *v)
{
    return tst_sim_calls(v->sim, "pool.dataset.rename") +
           tst_sim_calls(v->sim, "zfs.dataset.rename");
}

/* Begun only when the request's time is over. */
static void takes_longer(struct vt *v, const char *match)
{
    char fault[200];
    json_t *status = NULL;

    vt_ok(v, tns_storage_status(v->st, &status, &v->err)); /* connected */
    json_decref(status);
    tst_sim_reset(v->sim);
    snprintf(fault, sizeof(fault),
             "{\"match\": \"%s\", \"nth\": 1, \"do\": \"delay\", \"ms\": 4000, "
             "\"before\": true}",
             match);
    tst_sim_fault(v->sim, fault);
    tns_storage_set_timeout(v->st, 2000);
}

static void is_unknown(struct vt *v, int rc)
{
    ck_assert_int_eq(rc, -TNS_E_TIMEOUT);
    ck_assert(v->err.flags & TNS_F_OUTCOME_UNKNOWN);
    tns__error_clear(&v->err);
    tns_storage_set_timeout(v->st, 40000);
}

START_TEST(test_c06_a_rename_that_happens_after_its_time_is_neither_repeated_nor_undone)
{
    struct vt v;
    char name[256];
    char before[64];
    char after[64];
    char next[300];

    if (!tst_cell_is("25.10", NULL) && !tst_cell_is("26", NULL) &&
        !tst_cell_is(NULL, "ddp"))
        return; /* cannot rename */
    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    naa_of(&v, DISK, before);
    takes_longer(&v, "*dataset.rename");
    is_unknown(&v, tns_volume_rename(v.st, DISK, 200, NULL, name, &v.err));
    ck_assert_int_eq(renames(&v), 1);
    ck_assert_str_eq(tag_of(&v, DISK, "org.tnstor:next", next), vt_zvol(&v, MOVED));

    tst_eventually(vt_exists(&v, MOVED), 10000);
    vt_ok(&v, tns_volume_rename(v.st, DISK, 200, NULL, name, &v.err));
    ck_assert_str_eq(name, MOVED);
    ck_assert_int_eq(renames(&v), 1);
    naa_of(&v, MOVED, after);
    ck_assert_str_eq(after, before);
    ck_assert(vt_listed(&v, MOVED) && !vt_listed(&v, DISK));
    ck_assert_uint_eq(vt_invariants(&v), 0);
    vt_close(&v);
}
END_TEST

START_TEST(test_c06_a_deletion_that_happens_after_its_time_is_asked_for_once)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    a_disk(&v);
    takes_longer(&v, "pool.dataset.delete");
    is_unknown(&v, tns_volume_free(v.st, DISK, &v.err));
    ck_assert_int_eq(tst_sim_calls(v.sim, "pool.dataset.delete"), 1);
    tst_eventually(!vt_exists(&v, DISK), 10000);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_nothing_left(&v);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_c06_a_rename_that_happens_after_its_time_is_neither_repeated_nor_undone);
    tcase_add_test(tc, test_c06_a_deletion_that_happens_after_its_time_is_asked_for_once);
}

int main(void)
{
    return vt_main("late", VT_FEW_CELLS, add);
}
