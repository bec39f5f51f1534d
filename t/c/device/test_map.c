/* SPDX-License-Identifier: Apache-2.0 */
/* map, unmap, records and status on a node where nothing goes wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/stage.h"

/* ---- the usual ---- */

START_TEST(test_map_logs_in_scans_proves_and_links)
{
    want.n_portals = 1;
    tst_ok(map(), &w->err);
    world_ran(w, NEW_RECORD("10.0.0.2:3260") LOGIN("10.0.0.2:3260") WWID_ADD);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    ck_assert_str_eq(mapped.path, "/dev/tnstor/store1/" LINK);
    ck_assert_str_eq(mapped.device, MAPPER_A);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert(!mapped.already);
    ck_assert_uint_eq(w->scans, 1);
}
END_TEST

/* The same accesses, commands and scans, however many LUNs the target has for others. */
static void map_costs_the_same_with(unsigned others)
{
    world_session(w, 0);
    world_session(w, 1);
    for (unsigned lun = 2; lun < 2 + others; lun++)
        world_lun(w, lun, W_NAA_B);
    tst_ok(map(), &w->err);
    world_ran(w, WWID_ADD);
    world_told(w, "show map " W_WWID_A " raw format %Q\n");
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_uint_eq(w->scans, 2);
    ck_assert_uint_eq(w->identified, 2);
}

START_TEST(test_map_with_sessions_needs_one_command_with_10_other_luns)
{
    map_costs_the_same_with(10);
}
END_TEST

START_TEST(test_map_with_sessions_needs_one_command_with_200_other_luns)
{
    map_costs_the_same_with(200);
}
END_TEST

/* As tgt has it: the plain spelling reaches whatever has the lower 8 bits as its number. */
START_TEST(test_a_lun_above_255_is_scanned_in_flat_space_first)
{
    world_session(w, 0);
    world_session(w, 1);
    world_lun_gone(w, 1);
    world_lun(w, 517, W_NAA_B);
    world_lun(w, 0x4000 | 517, W_NAA_A);
    want.lun = 517;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_uint_eq(w->scans, 2);
}
END_TEST

START_TEST(
    test_a_lun_above_255_is_scanned_in_plain_spelling_where_the_target_knows_no_other)
{
    world_session(w, 0);
    world_session(w, 1);
    world_lun_gone(w, 1);
    world_lun(w, 517, W_NAA_A);
    want.lun = 517;
    tst_ok(map(), &w->err);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_uint_eq(w->scans, 4);
}
END_TEST

START_TEST(test_a_mapped_volume_is_asked_once_per_path_and_nothing_else)
{
    mapped_before();
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert_uint_eq(w->identified, 2);
    ck_assert_uint_eq(w->scans, 0);
    world_ran(w, "");
    world_told(w, "");
}
END_TEST

START_TEST(test_d22_map_and_unmap_twice_are_no_ops)
{
    mapped_before();
    tst_ok(map(), &w->err);
    tst_ok(unmap(), &w->err);
    world_ran(w, WWID_DROP);
    world_told(w, "disablequeueing map " W_WWID_A "\nremove map " W_WWID_A "\n");
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_uint_eq(w->deletes, 2);
    world_forget(w);
    tst_ok(unmap(), &w->err);
    world_ran(w, "");
    world_told(w, "");
    ck_assert_uint_eq(w->deletes, 0);
}
END_TEST

START_TEST(test_d22_unmap_after_free_knows_the_volume_by_its_record)
{
    struct tns_want names = { .storeid = "store1", .linkname = LINK };

    mapped_before();
    world_lun_gone(w, 1);
    tst_ok(tns__device_unmap(&w->node, &names, false, &w->err), &w->err);
    ck_assert(world_link_is(w, LINK, NULL));
    ck_assert_uint_eq(w->deletes, 2);
    ck_assert_ptr_null(world_map_of(w, W_NAA_A));
}
END_TEST

START_TEST(test_without_multipath_the_link_is_the_disk_sequence_number)
{
    char target[64];

    want.multipath = false;
    world_multipathd_stop(w);
    tst_ok(map(), &w->err);
    world_ran(w, NEW_RECORD("10.0.0.2:3260") LOGIN("10.0.0.2:3260"));
    snprintf(target, sizeof(target), "/dev/disk/by-diskseq/%u",
             world_disk_of(w, 0, 1)->diskseq);
    ck_assert(world_link_is(w, LINK, target));
    tst_ok(map(), &w->err);
    ck_assert(mapped.already);
    tst_ok(unmap(), &w->err);
    ck_assert_ptr_null(world_disk_of(w, 0, 1));
    ck_assert(world_link_is(w, LINK, NULL));
}
END_TEST

START_TEST(test_without_multipath_a_path_that_multipathd_took_is_used_through_its_map)
{
    want.multipath = false;
    world_session(w, 0);
    world_put(w, "/etc/multipath/wwids", "/" W_WWID_A "/\n");
    tst_ok(map(), &w->err);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
}
END_TEST

START_TEST(test_a_map_that_multipathd_does_not_make_by_itself_is_asked_for)
{
    w->makes_maps = false;
    world_session(w, 0);
    want.n_portals = 1;
    tst_ok(map(), &w->err);
    ck_assert_ptr_nonnull(strstr(w->told, "add path sdc\nadd map " W_WWID_A "\n"));
    ck_assert(world_link_is(w, LINK, MAPPER_A));
}
END_TEST

START_TEST(test_a_map_that_queues_for_ever_is_warned_about)
{
    w->queues = true;
    world_session(w, 0);
    want.n_portals = 1;
    tst_ok(map(), &w->err);
    ck_assert_ptr_nonnull(strstr(mapped.warning, "no_path_retry"));
}
END_TEST

/* ---- records ---- */

START_TEST(test_a_record_holds_what_is_needed_to_map_without_the_nas)
{
    struct tns_record record;

    mapped_before();
    tst_ok(unmap(), &w->err);
    tst_ok(tns__record_read(&w->node, "store1", LINK, &record, &w->err), &w->err);
    ck_assert_str_eq(record.want.naa, W_NAA_A);
    ck_assert_str_eq(record.want.serial, W_SERIAL);
    ck_assert_str_eq(record.want.target_iqn, W_IQN);
    ck_assert_uint_eq(record.want.n_portals, 2);
    ck_assert(tns__addr_equal(&record.want.portals[1], &w->portals[1]));
    tst_ok(tns__device_map(&w->node, &record.want, &mapped, &w->err), &w->err);
    ck_assert(world_link_is(w, LINK, MAPPER_A));
    tns__record_clear(&record);

    tst_ok(tns__record_remove_all(&w->node, "store1", &w->err), &w->err);
    ck_assert(world_has(w, "/var/lib/tnstor/store1/" LINK ".json"));
    tst_ok(unmap(), &w->err);
    tst_ok(tns__record_remove_all(&w->node, "store1", &w->err), &w->err);
    tst_fails(tns__record_read(&w->node, "store1", LINK, &record, &w->err), TNS_E_NOTFOUND,
              &w->err);
}
END_TEST

START_TEST(test_status_tells_paths_portals_and_users)
{
    json_t *status = NULL;
    const json_t *path;

    mapped_before();
    world_process(w, 5, "kvm\n", "/dev/dm-3");
    w->is_silent[1] = true;
    tst_ok(tns__device_status(&w->node, &want, &status, &w->err), &w->err);
    ck_assert(json_is_true(json_object_get(status, "mapped")));
    ck_assert_str_eq(json_string_value(json_object_get(status, "device")), MAPPER_A);
    ck_assert_uint_eq(json_array_size(json_object_get(status, "paths")), 2);
    path = json_array_get(json_object_get(status, "paths"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(path, "naa")), W_NAA_A);
    ck_assert_str_eq(json_string_value(json_object_get(path, "portal")), "10.0.0.2:3260");
    path = json_array_get(json_object_get(status, "paths"), 1);
    ck_assert_ptr_nonnull(json_object_get(path, "error"));
    ck_assert_str_eq(json_string_value(
                         json_array_get(json_object_get(status, "openers"), 0)),
                     "process 5 (kvm)");
    json_decref(status);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_map_logs_in_scans_proves_and_links,
        test_map_with_sessions_needs_one_command_with_10_other_luns,
        test_map_with_sessions_needs_one_command_with_200_other_luns,
        test_a_lun_above_255_is_scanned_in_flat_space_first,
        test_a_lun_above_255_is_scanned_in_plain_spelling_where_the_target_knows_no_other,
        test_a_mapped_volume_is_asked_once_per_path_and_nothing_else,
        test_d22_map_and_unmap_twice_are_no_ops,
        test_d22_unmap_after_free_knows_the_volume_by_its_record,
        test_without_multipath_the_link_is_the_disk_sequence_number,
        test_without_multipath_a_path_that_multipathd_took_is_used_through_its_map,
        test_a_map_that_multipathd_does_not_make_by_itself_is_asked_for,
        test_a_map_that_queues_for_ever_is_warned_about,
        test_a_record_holds_what_is_needed_to_map_without_the_nas,
        test_status_tells_paths_portals_and_users,
    };

    return tst_main("map", tests, TNS_ARRAY_LEN(tests), stage_setup, stage_teardown, 60);
}
