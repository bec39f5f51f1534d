/* SPDX-License-Identifier: Apache-2.0 */
/* Network trips of every operation, and its calls as the NAS counts them: the same for 1, 100 and 10 000
 * volumes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vt.h"

/* What has been used since the last look, against the table of DESIGN, section 5. */
static void spent(struct vt *v, const char *op, size_t volumes, json_int_t trips,
                  json_int_t calls)
{
    json_int_t t = vt_trips(v);
    json_int_t c = vt_calls(v);

    printf("# %s %s, %zu volumes: %lld trips, %lld calls\n", tst_cell()->release, op,
           volumes, (long long)t, (long long)c);
    ck_assert_msg(t <= trips, "%s took %lld trips, not %lld", op, (long long)t,
                  (long long)trips);
    ck_assert_msg(calls == 0 || c <= calls, "%s took %lld calls, not %lld", op,
                  (long long)c, (long long)calls);
    vt_count_reset(v);
}

static void bulk(const struct vt *v, size_t count)
{
    char text[2048];

    snprintf(
        text, sizeof(text),
        "{\"bulk\": {\"dataset\": \"%s\", \"count\": %zu, \"first\": 10000, \"volsize\": "
        "1073741824, \"target\": \"%s-bulk\", \"user\": {\"org.tnstor:owner\": \"%s\", "
        "\"org.tnstor:storeid\": \"nas\", \"org.tnstor:volname\": \"{leaf}\", "
        "\"org.tnstor:self\": \"{name}\", \"org.tnstor:state\": \"ready\", "
        "\"org.tnstor:op\": \"op-%%d\", \"org.tnstor:schema\": \"1\"}}}",
        v->dataset, count, v->target, VT_OWNER);
    tst_sim_world(v->sim, text);
}

static void allocs(struct vt *v, size_t n)
{
    /* What a release needs more: 26 drops tags at creation, so a zvol is made under a
     * staging name, tagged and renamed (2 more). Where the NAS lets two extents share a zvol (before 25.10), that is looked
     * for (1 call more). Before 25.04 zvols and the dataset they are in are two questions
     * (1 call more). */
    bool is26 = tst_cell_is("26", NULL);
    bool twins = !is26 && !tst_cell_is("25.10", NULL);
    bool apart = twins && !tst_cell_is("25.04", NULL);
    char name[256];

    /*
     * A handle's first volume asks for all mappings, to choose a LUN number; the next ones
     * choose by what the proof of the last one read. So the first takes ten calls where the
     * release needs two more. That one is no query too many: names and room, mappings and
     * targets are answers that nothing else contains; on 26 tags, final name and
     * state=ready are three changes that a crash may come between; and the mappings are
     * read once more since only that shows that no other node chose the same number.
     */
    vt_ok(v, tns_volume_alloc(v->st, 100, NULL, GIB, name, &v->err));
    spent(v, "first alloc, name chosen", n, 5 + (is26 ? 2 : 0),
          8 + (is26 ? 2 : 0) + (twins ? 1 : 0) + (apart ? 1 : 0));
    vt_ok(v, tns_volume_alloc(v->st, 100, "vm-100-cloudinit", 4 * MIB, name, &v->err));
    spent(v, "alloc, name given", n, 4 + (is26 ? 2 : 0),
          7 + (is26 ? 2 : 0) + (twins ? 1 : 0));
    vt_ok(v, tns_volume_alloc(v->st, 101, NULL, GIB, name, &v->err));
    spent(v, "alloc, name chosen", n, 5 + (is26 ? 2 : 0),
          7 + (is26 ? 2 : 0) + (twins ? 1 : 0) + (apart ? 1 : 0));
    vt_ok(v, tns_volume_free(v->st, name, &v->err));
    vt_count_reset(v);
}

static void operations(struct vt *v, size_t n)
{
    /* A deletion is asked for again on 26 (1 more). */
    bool is26 = tst_cell_is("26", NULL);
    bool twins = !is26 && !tst_cell_is("25.10", NULL);
    json_t *list = NULL;
    char name[256];
    char clone[256];
    char base[256];

    vt_ok(v, tns_storage_status(v->st, &list, &v->err)); /* the session is open now */
    json_decref(list);
    vt_count_reset(v);

    vt_ok(v, tns_storage_status(v->st, &list, &v->err));
    json_decref(list);
    spent(v, "status", n, 1, 1);

    vt_ok(v, tns_volume_list(v->st, 0, &list, &v->err));
    ck_assert_uint_eq(json_array_size(list), n);
    json_decref(list);
    spent(v, "list", n, 1, 3);

    allocs(v, n);

    vt_ok(v, tns_snapshot_create(v->st, "vm-100-disk-0", "s1", &v->err));
    spent(v, "snapshot", n, 2, 0);
    vt_ok(v, tns_rollback(v->st, "vm-100-disk-0", "s1", &v->err));
    spent(v, "rollback", n, 2, 0);
    vt_ok(v, tns_snapshot_delete(v->st, "vm-100-disk-0", "s1", &v->err));
    spent(v, "delete snapshot", n, 2, 0);
    vt_ok(v, tns_snapshot_create(v->st, "vm-100-disk-0", "s2", &v->err));
    vt_count_reset(v);
    vt_ok(v, tns_volume_resize(v->st, "vm-100-disk-0", 2 * GIB, &v->err));
    spent(v, "resize", n, 3, 0);
    vt_ok(v, tns_rollback(v->st, "vm-100-disk-0", "s2", &v->err));
    spent(v, "rollback to another size", n, 4, 0);

    vt_ok(v, tns_volume_free(v->st, "vm-100-cloudinit", &v->err));
    spent(v, "free", n, 5 + (is26 ? 1 : 0), 0);
    vt_ok(v, tns_volume_free(v->st, "vm-100-disk-0", &v->err));
    spent(v, "free with snapshots", n, 6 + (is26 ? 1 : 0), 0);

    vt_ok(v, tns_volume_alloc(v->st, 100, NULL, GIB, name, &v->err));
    vt_ok(v, tns_volume_create_base(v->st, name, base, &v->err));
    vt_count_reset(v);
    vt_ok(v, tns_volume_clone(v->st, base, NULL, 101, clone, &v->err));
    spent(v, "linked clone", n, 5 + (is26 ? 2 : 0), 0);
    vt_ok(v, tns_volume_free(v->st, clone, &v->err));
    vt_count_reset(v);
    vt_ok(v, tns_volume_free(v->st, base, &v->err));
    /* Where templates keep their zvol's name both names are asked for: more than go out at
     * once (1 trip more). */
    spent(v, "free of a template", n, 6 + (is26 ? 1 : 0) + (twins ? 1 : 0), 0);
}

START_TEST(test_trips_do_not_grow_with_the_number_of_volumes)
{
    static const size_t counts[] = { 1, 100, 10000 };
    /* REST has no pipelining: calls that are sent together are still trips of their own
     * there. */
    size_t most = getenv("TNS_TEST_FULL") || tst_cell_is("25.10", "jsonrpc") ? 3 : 2;
    struct vt v;

    if (tst_cell_is(NULL, "rest"))
        most = 0;
    for (size_t i = 0; i < most; i++) {
        vt_open(&v, tst_cell_sim());
        tns_storage_set_timeout(v.st, 100000); /* tnsim is slower than a NAS */
        tst_sim_world(v.sim, "{\"check_replies\": 0}");
        bulk(&v, counts[i]);
        operations(&v, counts[i]);
        vt_world(&v, "{\"destroy\": \"%s\"}");
        vt_close(&v);
    }
}
END_TEST

static void add(TCase *tc)
{
    tcase_set_timeout(tc, 400);
    tcase_add_test(tc, test_trips_do_not_grow_with_the_number_of_volumes);
}

int main(void)
{
    return vt_main("budget", "24.04/ddp,25.10/jsonrpc,26/jsonrpc", add);
}
