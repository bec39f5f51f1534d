/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes: what an initiator reads from snapshots, clones, rollbacks and reused LUNs, of
 * each release's tnsim with its real target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lun.h"

#define DISK "vm-100-disk-0"
#define SIZE (8 * MIB)
#define LAST (SIZE - LUN_CHUNK)

/* The first few suffice for every day: one of each dialect. */
static const char *const releases[] = { "25.10", "24.10", "26",   "22.12",
                                        "23.10", "24.04", "25.04" };
#define EVERY_DAY 3

static void begin(struct vt *v, const char *release)
{
    static const char *const args[] = { "--iscsi", NULL };

    vt_open(v, tst_sim_start(release, args));
    tst_sim_world(v->sim, "{\"service\": {\"name\": \"iscsitarget\", \"running\": 1}}");
}

static void end(struct vt *v)
{
    struct tst_sim *sim = (struct tst_sim *)(uintptr_t)v->sim;

    vt_close(v);
    tst_sim_stop(sim);
}

static void a_disk(struct vt *v)
{
    char name[256];

    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, SIZE, name, &v->err));
}

static void fill(const struct vt *v, const char *leaf, uint8_t byte)
{
    struct lun l;

    lun_open(&l, v, leaf);
    lun_write(&l, 0, byte);
    lun_write(&l, LAST, byte);
    lun_close(&l);
}

static bool filled(const struct vt *v, const char *leaf, uint8_t byte)
{
    return lun_of_holds(v, leaf, 0, byte) && lun_of_holds(v, leaf, MIB, 0) &&
           lun_of_holds(v, leaf, LAST, byte);
}

START_TEST(test_what_was_written_before_a_snapshot_is_back_after_its_rollback)
{
    struct vt v;

    begin(&v, releases[_i]);
    a_disk(&v);
    ck_assert(filled(&v, DISK, 0));
    fill(&v, DISK, 0x11);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    fill(&v, DISK, 0x22);
    ck_assert(filled(&v, DISK, 0x22));
    vt_ok(&v, tns_rollback(v.st, DISK, "s1", &v.err));
    ck_assert(filled(&v, DISK, 0x11));
    end(&v);
}
END_TEST

START_TEST(test_a_clone_shows_what_its_snapshot_saw_and_not_what_is_there_today)
{
    struct vt v;
    char clone[256];

    begin(&v, releases[_i]);
    a_disk(&v);
    fill(&v, DISK, 0x11);
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    fill(&v, DISK, 0x22);
    vt_ok(&v, tns_volume_clone(v.st, DISK, "s1", 101, clone, &v.err));
    ck_assert(filled(&v, "vm-101-disk-0", 0x11));
    fill(&v, "vm-101-disk-0", 0x33);
    ck_assert(filled(&v, "vm-101-disk-0", 0x33));
    ck_assert(filled(&v, DISK, 0x22));
    vt_ok(&v, tns_volume_free(v.st, clone, &v.err));
    vt_ok(&v, tns_rollback(v.st, DISK, "s1", &v.err));
    ck_assert(filled(&v, DISK, 0x11)); /* nor did the clone write into it */
    end(&v);
}
END_TEST

START_TEST(test_a_linked_clone_shows_its_template_and_never_changes_it)
{
    struct vt v;
    char base[256];
    char clone[256];

    begin(&v, releases[_i]);
    a_disk(&v);
    fill(&v, DISK, 0x11);
    vt_ok(&v, tns_volume_create_base(v.st, DISK, base, &v.err));
    vt_ok(&v, tns_volume_clone(v.st, base, NULL, 101, clone, &v.err));
    ck_assert(filled(&v, "vm-101-disk-0", 0x11));
    fill(&v, "vm-101-disk-0", 0x22);
    vt_ok(&v, tns_volume_clone(v.st, base, NULL, 102, clone, &v.err));
    ck_assert(filled(&v, "vm-102-disk-0", 0x11));
    end(&v);
}
END_TEST

/* All other numbers are taken, so that the next volume gets the one just freed. */
START_TEST(test_a_reused_lun_never_shows_the_data_of_the_one_before)
{
    struct vt v;
    struct lun old;
    json_int_t number;
    char text[600];
    char name[256];

    begin(&v, releases[_i]);
    snprintf(text, sizeof(text),
             "{\"bulk\": {\"dataset\": \"%s\", \"count\": 1023, \"first\": 10000, "
             "\"volsize\": 1048576, \"target\": \"%s\"}}",
             v.dataset, v.target);
    tst_sim_world(v.sim, text);
    a_disk(&v);
    fill(&v, DISK, 0x11);
    number = vt_lun_of(&v, DISK);
    lun_open(&old, &v, DISK);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    vt_ok(&v, tns_volume_alloc(v.st, 200, "vm-200-disk-0", SIZE, name, &v.err));
    ck_assert_int_eq(vt_lun_of(&v, "vm-200-disk-0"), number);
    ck_assert(filled(&v, "vm-200-disk-0", 0));
    /* Nor under the name that the old one had. */
    vt_ok(&v, tns_volume_free(v.st, "vm-200-disk-0", &v.err));
    a_disk(&v);
    ck_assert(filled(&v, DISK, 0));
    lun_close(&old);
    end(&v);
}
END_TEST

START_TEST(test_a_lun_has_exactly_the_size_that_was_asked_for)
{
    static const struct {
        const char *name;
        uint64_t size;
    } rows[] = {
        { "vm-100-disk-0", 528 * 1024 },
        { "vm-100-disk-1", 4 * MIB },
        { "vm-100-odd", 1000 * 1024 + 512 },
        { "vm-100-disk-2", GIB },
    };
    struct vt v;
    struct lun l;
    char name[256];

    begin(&v, releases[_i]);
    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++) {
        vt_ok(&v, tns_volume_alloc(v.st, 100, rows[i].name, rows[i].size, name, &v.err));
        lun_open(&l, &v, rows[i].name);
        ck_assert_uint_eq(l.size, rows[i].size);
        lun_close(&l);
    }
    vt_ok(&v, tns_snapshot_create(v.st, "vm-100-disk-2", "s1", &v.err));
    vt_ok(&v, tns_volume_resize(v.st, "vm-100-disk-2", 2 * GIB, &v.err));
    lun_open(&l, &v, "vm-100-disk-2");
    ck_assert_uint_eq(l.size, 2 * GIB);
    lun_close(&l);
    vt_ok(&v, tns_rollback(v.st, "vm-100-disk-2", "s1", &v.err));
    lun_open(&l, &v, "vm-100-disk-2");
    ck_assert_uint_eq(l.size, GIB);
    lun_close(&l);
    end(&v);
}
END_TEST

/* A NAS that leaves a LUN as large as it was, until it is taken away and shown again. */
START_TEST(test_a_rollback_across_a_resize_is_seen_where_the_nas_keeps_the_size)
{
    struct vt v;
    struct lun l;
    char name[256];

    begin(&v, releases[_i]);
    a_disk(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, "vm-100-disk-1", SIZE, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, name, "s1", &v.err));
    vt_ok(&v, tns_volume_resize(v.st, DISK, 2 * SIZE, &v.err));
    vt_ok(&v, tns_volume_resize(v.st, name, 2 * SIZE, &v.err));
    tst_sim_world(v.sim, "{\"knob\": {\"stale_size\": 1000}}");
    vt_world(&v, "{\"rollback\": \"%s/vm-100-disk-1@s1\"}"); /* by an administrator */
    lun_open(&l, &v, "vm-100-disk-1");
    ck_assert_uint_eq(l.size, 2 * SIZE);
    lun_close(&l);
    vt_ok(&v, tns_rollback(v.st, DISK, "s1", &v.err));
    lun_open(&l, &v, DISK);
    ck_assert_uint_eq(l.size, SIZE);
    lun_close(&l);
    end(&v);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data");
    TCase *tc = tcase_create("data");
    int n = getenv("TNS_TEST_FULL") ? (int)TNS_ARRAY_LEN(releases) : EVERY_DAY;

    if (!lun_available()) {
        printf("1..0 # SKIP no tgtd on this machine\n");
        return 0;
    }
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc,
                        test_what_was_written_before_a_snapshot_is_back_after_its_rollback,
                        0, n);
    tcase_add_loop_test(
        tc, test_a_clone_shows_what_its_snapshot_saw_and_not_what_is_there_today, 0, n);
    tcase_add_loop_test(tc, test_a_linked_clone_shows_its_template_and_never_changes_it, 0,
                        n);
    tcase_add_loop_test(tc, test_a_reused_lun_never_shows_the_data_of_the_one_before, 0, n);
    tcase_add_loop_test(tc, test_a_lun_has_exactly_the_size_that_was_asked_for, 0, n);
    tcase_add_loop_test(
        tc, test_a_rollback_across_a_resize_is_seen_where_the_nas_keeps_the_size, 0, n);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
