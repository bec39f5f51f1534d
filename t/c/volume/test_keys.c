/* SPDX-License-Identifier: Apache-2.0 */
/* C24, in every cell of the matrix: with a key that may only read, every change is refused
 * for what the key lacks, and the NAS is afterwards what it was before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vt.h"

#define DISK "vm-100-disk-0"
#define HALF "vm-100-disk-1"   /* its extent is gone: reconcile would publish it  */
#define SOURCE "vm-100-disk-2" /* vm-101-disk-0 is a clone of its snapshot        */
#define MOVED "vm-100-disk-9"  /* a replica: adopt --all would take it            */

/* ---- what there is ---- */

static void drop_extent(const struct vt *v, const char *leaf)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char text[200];
    char disk[340];

    snprintf(disk, sizeof(disk), "zvol/%s/%s", v->dataset, leaf);
    snprintf(text, sizeof(text), "{\"remove\": {\"table\": \"extent\", \"id\": %lld}}",
             (long long)json_integer_value(
                 json_object_get(vt_row(world, "extent", "disk", disk), "id")));
    tst_sim_world(v->sim, text);
}

static void furnish(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
    vt_ok(v, tns_snapshot_create(v->st, DISK, "s1", &v->err));
    vt_ok(v, tns_volume_alloc(v->st, 100, HALF, GIB, name, &v->err));
    drop_extent(v, HALF);
    vt_ok(v, tns_volume_alloc(v->st, 100, SOURCE, GIB, name, &v->err));
    vt_ok(v, tns_snapshot_create(v->st, SOURCE, "c1", &v->err));
    vt_ok(v, tns_volume_clone(v->st, SOURCE, "c1", 101, name, &v->err));
    vt_world(v, "{\"replicate\": {\"from\": \"%s/" DISK "\", \"to\": \"%s/" MOVED "\"}}");
}

/* ---- the requests ---- */

static int ask(struct tns_storage *st, unsigned which, struct tns_error *err)
{
    json_t *out = NULL;
    char name[256];

    switch (which) {
    case 0:
        return tns_volume_alloc(st, 100, "vm-100-disk-7", GIB, name, err);
    case 1:
        return tns_volume_alloc(st, 100, NULL, GIB, name, err);
    case 2:
        return tns_volume_free(st, DISK, err);
    case 3:
        return tns_volume_resize(st, DISK, 2 * GIB, err);
    case 4:
        return tns_volume_rename(st, DISK, 200, NULL, name, err);
    case 5:
        return tns_volume_create_base(st, DISK, name, err);
    case 6:
        return tns_volume_clone(st, DISK, "s1", 102, name, err);
    case 7:
        return tns_volume_promote(st, "vm-101-disk-0", err);
    case 8:
        return tns_volume_set_attribute(st, DISK, "notes", "x", err);
    case 9:
        return tns_volume_adopt(st, MOVED, err);
    case 10:
        return tns_volume_release(st, DISK, err);
    case 11:
        return tns_snapshot_create(st, DISK, "s2", err);
    case 12:
        return tns_snapshot_delete(st, DISK, "s1", err);
    case 13:
        return tns_snapshot_rename(st, DISK, "s1", "s3", err);
    case 14:
        return tns_rollback(st, DISK, "s1", err);
    case 15:
        return tns_volume_map(st, DISK, "s1", &out, err); /* makes a clone to read from */
    case 16:
        return tns_storage_adopt_all(st, 0, &out, err);
    default:
        return tns_storage_setup(st, 0, &out, err);
    }
}
#define ASKS 18

/* These two are beyond some releases, whatever the key may do. */
static bool may_be_unsupported(unsigned which)
{
    return which == 4 || which == 13;
}

static struct tns_storage *with_roles(const struct vt *v, json_t *roles)
{
    _tns_json_ json_t *body =
        json_pack("{s:{s:s, s:s, s:b, s:o}}", "keys", "user", v->target, "name", v->target,
                  "full", 0, "roles", roles);
    _tns_json_ json_t *answer = tst_sim_post(v->sim, "/world", body);
    char text[300];

    snprintf(text, sizeof(text), "{\"api_key\": \"%s\"}",
             json_string_value(json_array_get(json_object_get(answer, "keys"), 0)));
    return vt_more(v, "n1", text);
}

static void is_as_before(const struct vt *v, const json_t *before, const char *what)
{
    static const char *const tables[] = { "dataset", "snapshot",  "extent", "mapping",
                                          "target",  "initiator", "auth",   "portal" };
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    size_t i;

    for (i = 0; i < TNS_ARRAY_LEN(tables); i++)
        ck_assert_msg(json_equal(json_object_get(world, tables[i]),
                                 json_object_get(before, tables[i])),
                      "%s changed a %s", what, tables[i]);
}

/* By its roles where the release tells them, else by the call that the NAS refused. */
static bool names_what_is_refused(const char *text)
{
    static const char *const words[] = {
        "its user lacks the roles", "pool.", "zfs.", "iscsi.", "service.", "system."
    };
    size_t i;

    for (i = 0; i < TNS_ARRAY_LEN(words); i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

static void refused(struct vt *v, struct tns_storage *st, unsigned which,
                    const json_t *before)
{
    int rc = ask(st, which, &v->err);
    char what[32];

    snprintf(what, sizeof(what), "request %u", which);
    ck_assert_msg(rc == -TNS_E_PERMISSION ||
                      (rc == -TNS_E_UNSUPPORTED && may_be_unsupported(which)),
                  "%s answered %d: %s", what, rc, v->err.text);
    ck_assert_msg(rc == -TNS_E_UNSUPPORTED || names_what_is_refused(v->err.text),
                  "%s: '%s' does not say what is refused", what, v->err.text);
    tns__error_clear(&v->err);
    is_as_before(v, before, what);
}

/* From 24.04 on REST is for full administrators; so is pool.query on 24.04 and 24.10. */
static bool may_not_even_read(void)
{
    return tst_cell_is(NULL, "rest") || tst_cell_is("24.04", NULL) ||
           tst_cell_is("24.10", NULL);
}

/* What it cannot repair it reports, each with the reason. */
static void reconcile_refused(struct vt *v, struct tns_storage *st, const json_t *before)
{
    _tns_json_ json_t *report = NULL;
    const json_t *row;
    int rc = tns_storage_reconcile(st, 1, &report, &v->err);

    if (rc) {
        vt_fails(v, rc, TNS_E_PERMISSION);
        ck_assert(may_not_even_read());
        return;
    }
    ck_assert_int_eq(json_integer_value(json_object_get(report, "failed")), 1);
    row = vt_row(report, "volumes", "object", vt_zvol(v, HALF));
    ck_assert_str_eq(json_string_value(json_object_get(row, "action")), "failed");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(row, "text")), "iscsi.extent.create"));
    is_as_before(v, before, "reconcile");
}

START_TEST(test_c24_a_read_only_key_is_refused_by_every_change_and_leaves_nothing)
{
    struct vt v;
    struct tns_storage *st;
    _tns_json_ json_t *before = NULL;

    vt_open(&v, tst_cell_sim());
    furnish(&v);
    st = with_roles(&v, json_pack("[s]", "READONLY_ADMIN"));
    before = tst_sim_get(v.sim, "/world");
    for (unsigned which = 0; which < ASKS; which++)
        refused(&v, st, which, before);
    reconcile_refused(&v, st, before);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

/* Roles that were taken away since the storage was added: refused in the middle, and what was
 * made before goes again. */
START_TEST(test_c24_a_key_that_may_make_zvols_but_no_extents_leaves_nothing)
{
    struct vt v;
    struct tns_storage *st;
    _tns_json_ json_t *before = NULL;
    json_t *answer = NULL;
    char name[256];

    if (tst_cell_is(NULL, "rest") || strcmp(tst_cell()->release, "25.04") < 0)
        return; /* no such keys */
    vt_open(&v, tst_cell_sim());
    before = tst_sim_get(v.sim, "/world");
    st = with_roles(&v, json_pack("[s, s, s, s]", "READONLY_ADMIN", "DATASET_WRITE",
                                  "DATASET_DELETE", "SNAPSHOT_WRITE"));
    ck_assert_int_eq(tns_volume_alloc(st, 100, DISK, GIB, name, &v.err), -TNS_E_PERMISSION);
    tst_says(&v.err, "iscsi.extent.create");
    tns__error_clear(&v.err);
    is_as_before(&v, before, "alloc");
    /* Asked about the section, as `pvesm add` does, it names what is lacking. */
    ck_assert_int_eq(tns_storage_check(st, &answer, &v.err), -TNS_E_PERMISSION);
    tst_says(&v.err, "SHARING_ISCSI_EXTENT_WRITE");
    tst_says(&v.err, "SHARING_ISCSI_TARGETEXTENT_WRITE");
    tns__error_clear(&v.err);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc,
                   test_c24_a_read_only_key_is_refused_by_every_change_and_leaves_nothing);
    tcase_add_test(tc, test_c24_a_key_that_may_make_zvols_but_no_extents_leaves_nothing);
}

int main(void)
{
    return vt_main("keys", NULL, add);
}
