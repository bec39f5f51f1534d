/* SPDX-License-Identifier: Apache-2.0 */
/* The judgements of this layer on nodes that a real kernel made: t/lab/record, fixtures/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/access.h"
#include "device/fixture.h"
#include "device/link.h"

#define LINK "vm-100-disk-0"
#define WWID "3" F_NAA

static struct fixture *f;
static struct tns_want want;
static struct tns_mapped mapped;
static bool found;

static void node(const char *name)
{
    f = fixture_open(name);
    want = (struct tns_want){ .storeid = "lab",
                              .linkname = LINK,
                              .target_iqn = F_IQN,
                              .lun = 1,
                              .naa = F_NAA,
                              .size_bytes = F_SIZE,
                              .multipath = true };
}

/* A node on which the volume is mapped, as our own link says. */
static void mapped_node(const char *name)
{
    node(name);
    tst_ok(tns__sysroot_symlink(f->sr, "/dev/mapper/" WWID, &f->err,
                                "/dev/tnstor/lab/" LINK),
           &f->err);
    f->traced[0] = '\0';
}

static void done(void)
{
    if (f)
        fixture_free(f);
    f = NULL;
}

static int verify(void)
{
    found = false;
    return tns__device_verify(&f->node, &want, &found, &mapped, &f->err);
}

static void sessions_are(size_t all, size_t up)
{
    struct tns__sessions sessions;

    tst_ok(tns__sessions_read(&f->node, F_IQN, &sessions, &f->err), &f->err);
    ck_assert_uint_eq(sessions.n, all);
    ck_assert_uint_eq(tns__sessions_up(&sessions), up);
    for (size_t i = 0; i < sessions.n; i++) {
        ck_assert(sessions.s[i].has_portal);
        ck_assert_msg(strncmp(sessions.s[i].portal.host, "10.9.", 5) == 0, "portal %s",
                      sessions.s[i].portal.host);
        ck_assert_uint_eq(sessions.s[i].portal.port, 3260);
    }
}

static void paths_are(size_t n)
{
    struct tns__sessions sessions;
    struct tns__paths paths;

    tst_ok(tns__sessions_read(&f->node, F_IQN, &sessions, &f->err), &f->err);
    tst_ok(tns__paths_collect(&f->node, &sessions, 1, &paths, &f->err), &f->err);
    ck_assert_uint_eq(paths.n, n);
    for (size_t i = 0; i < paths.n; i++) {
        char naa[33];

        ck_assert_str_ne(paths.p[i].dev, "");
        ck_assert(tns__path_cached_naa(&f->node, &paths.p[i], naa));
    }
}

static void is_healthy(unsigned paths)
{
    tst_ok(verify(), &f->err);
    ck_assert(found);
    ck_assert_uint_eq(mapped.paths, paths);
    ck_assert_str_eq(mapped.warning, "");
    ck_assert_uint_eq(f->asked, paths);
    f->asked = 0;
}

START_TEST(test_two_healthy_paths_are_proven)
{
    mapped_node("two-paths");
    sessions_are(2, 2);
    paths_are(2);
    is_healthy(2);
}
END_TEST

START_TEST(test_four_healthy_paths_are_proven)
{
    mapped_node("four-paths");
    sessions_are(4, 4);
    paths_are(4);
    is_healthy(4);
}
END_TEST

START_TEST(test_d05_with_one_path_down_the_other_one_serves)
{
    mapped_node("one-down");
    sessions_are(2, 1);
    tst_ok(verify(), &f->err);
    ck_assert(found);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_ptr_nonnull(strstr(mapped.warning, "degraded"));
}
END_TEST

START_TEST(test_d06_with_all_paths_down_nothing_is_proven)
{
    mapped_node("all-down");
    sessions_are(2, 0);
    tst_fails(verify(), TNS_E_DEVICE, &f->err);
}
END_TEST

START_TEST(test_d02_a_lun_that_is_gone_is_told_from_one_that_is_silent)
{
    mapped_node("stale-lun");
    tst_fails(verify(), TNS_E_NOTFOUND, &f->err);
}
END_TEST

START_TEST(test_d01_another_volume_behind_a_map_of_the_old_name_is_an_identity_error)
{
    struct tns__sessions sessions;
    struct tns__paths paths;

    mapped_node("reused-lun");
    ck_assert_int_eq(verify(), -TNS_E_IDENTITY);
    tst_says(&f->err, F_NAA);
    tns__error_clear(&f->err);

    /* kernel and udev still tell the old story: that is what makes it a leftover */
    tst_ok(tns__sessions_read(&f->node, F_IQN, &sessions, &f->err), &f->err);
    tst_ok(tns__paths_collect(&f->node, &sessions, 1, &paths, &f->err), &f->err);
    tns__paths_identify(&f->node, &paths, false);
    ck_assert_uint_gt(paths.n, 0);
    for (size_t i = 0; i < paths.n; i++)
        ck_assert(tns__path_is_stale(&f->node, &paths.p[i]));
}
END_TEST

START_TEST(test_d04_a_map_of_mixed_identities_is_refused)
{
    mapped_node("mixed-map");
    ck_assert_int_eq(verify(), -TNS_E_IDENTITY);
}
END_TEST

START_TEST(test_healthy_paths_are_not_taken_for_leftovers)
{
    struct tns__sessions sessions;
    struct tns__paths paths;

    mapped_node("two-paths");
    tst_ok(tns__sessions_read(&f->node, F_IQN, &sessions, &f->err), &f->err);
    tst_ok(tns__paths_collect(&f->node, &sessions, 1, &paths, &f->err), &f->err);
    tns__paths_identify(&f->node, &paths, false);
    for (size_t i = 0; i < paths.n; i++)
        ck_assert(!tns__path_is_stale(&f->node, &paths.p[i]));
}
END_TEST

START_TEST(test_d15_bare_partition_maps_do_not_count_as_use)
{
    mapped_node("partitions");
    tst_ok(tns__device_check_unused(&f->node, "lab", LINK, &f->err), &f->err);
    is_healthy(2);
}
END_TEST

START_TEST(test_d16_a_volume_group_on_a_recorded_map_is_named_with_the_fix)
{
    mapped_node("lvm-holder");
    is_healthy(2);
    ck_assert_int_eq(tns__device_unmap(&f->node, &want, false, &f->err), -TNS_E_CONFLICT);
    tst_says(&f->err, "volume group guestvg");
    tst_says(&f->err, "vgchange -an guestvg");
    tns__error_clear(&f->err);
    ck_assert_int_eq(tns__device_check_unused(&f->node, "lab", LINK, &f->err),
                     -TNS_E_CONFLICT);
    tst_says(&f->err, "volume group guestvg");
    tns__error_clear(&f->err);
    /* refused before anything was done */
    ck_assert_ptr_null(strstr(f->traced, "/delete"));
    is_healthy(2);
}
END_TEST

/* Everything that this layer does with a volume, on a node with 200 disks of other people. */
START_TEST(test_among_200_recorded_others_only_the_volumes_own_paths_are_accessed)
{
    struct access_foreign others;
    json_t *status = NULL;
    unsigned removed;

    mapped_node("noise");
    access_foreign_read(&others, f->root);
    ck_assert_uint_ge(others.blocks, 200);
    f->reacts = true;

    is_healthy(2);
    tst_ok(tns__device_status(&f->node, &want, &status, &f->err), &f->err);
    json_decref(status);
    tst_ok(tns__device_check_unused(&f->node, "lab", LINK, &f->err), &f->err);
    tst_ok(tns__device_resize(&f->node, &want, &f->err), &f->err);
    tst_ok(tns__link_remove(&f->node, "lab", LINK, &f->err), &f->err);
    want.multipath = false; /* nobody listens for multipathd here, and its map is there */
    tst_ok(tns__device_map(&f->node, &want, &mapped, &f->err), &f->err);
    ck_assert_str_eq(mapped.device, "/dev/mapper/" WWID);
    tst_ok(tns__device_tidy(&f->node, "lab", &removed, &f->err), &f->err);
    ck_assert_uint_eq(removed, 0);
    tst_ok(tns__device_unmap(&f->node, &want, false, &f->err), &f->err);
    paths_are(0);
    access_spares(&others, f->traced);
    access_foreign_free(&others);
}
END_TEST

START_TEST(test_d23_a_4k_disk_is_one_of_4k_only)
{
    mapped_node("sector-4k");
    want.blocksize = 4096;
    is_healthy(2);
    want.blocksize = 512;
    ck_assert_int_eq(verify(), -TNS_E_IDENTITY);
}
END_TEST

START_TEST(test_a_single_path_is_found_by_its_sequence_number)
{
    const char *dev;
    char device[512];

    node("single-path");
    want.multipath = false;
    dev = fixture_disk_of(f, F_NAA);
    ck_assert_ptr_nonnull(dev);
    sessions_are(1, 1);
    tst_ok(tns__link_place_disk(&f->node, &want, dev, device, &f->err), &f->err);
    ck_assert_ptr_nonnull(strstr(device, "/dev/disk/by-diskseq/"));
    is_healthy(1);
}
END_TEST

START_TEST(test_a_node_without_sessions_has_nothing_mapped_and_nothing_to_unmap)
{
    unsigned removed = 9;

    node("empty");
    sessions_are(0, 0);
    tst_ok(verify(), &f->err);
    ck_assert(!found);
    tst_ok(tns__device_unmap(&f->node, &want, false, &f->err), &f->err);
    tst_ok(tns__device_tidy(&f->node, "lab", &removed, &f->err), &f->err);
    ck_assert_uint_eq(removed, 0);
}
END_TEST

START_TEST(test_status_of_a_recorded_node_tells_portals_and_states)
{
    json_t *status = NULL;
    const json_t *path;
    size_t i;

    mapped_node("two-paths");
    tst_ok(tns__device_status(&f->node, &want, &status, &f->err), &f->err);
    ck_assert(json_is_true(json_object_get(status, "mapped")));
    ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(status, "size")),
                      F_SIZE);
    json_array_foreach(json_object_get(status, "paths"), i, path)
    {
        ck_assert_str_eq(json_string_value(json_object_get(path, "state")), "running");
        ck_assert_str_eq(json_string_value(json_object_get(path, "session")), "up");
        ck_assert_ptr_nonnull(json_object_get(path, "portal"));
    }
    ck_assert_uint_eq(i, 2);
    json_decref(status);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_two_healthy_paths_are_proven,
        test_four_healthy_paths_are_proven,
        test_d05_with_one_path_down_the_other_one_serves,
        test_d06_with_all_paths_down_nothing_is_proven,
        test_d02_a_lun_that_is_gone_is_told_from_one_that_is_silent,
        test_d01_another_volume_behind_a_map_of_the_old_name_is_an_identity_error,
        test_d04_a_map_of_mixed_identities_is_refused,
        test_healthy_paths_are_not_taken_for_leftovers,
        test_d15_bare_partition_maps_do_not_count_as_use,
        test_d16_a_volume_group_on_a_recorded_map_is_named_with_the_fix,
        test_among_200_recorded_others_only_the_volumes_own_paths_are_accessed,
        test_d23_a_4k_disk_is_one_of_4k_only,
        test_a_single_path_is_found_by_its_sequence_number,
        test_a_node_without_sessions_has_nothing_mapped_and_nothing_to_unmap,
        test_status_of_a_recorded_node_tells_portals_and_states,
    };

    return tst_main("recorded", tests, TNS_ARRAY_LEN(tests), NULL, done, 60);
}
