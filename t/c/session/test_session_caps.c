/* SPDX-License-Identifier: Apache-2.0 */
/* The capability table, row by row, against what truenas releases were seen to do. */
#include <string.h>

#include "session/ses.h"

static struct tns_caps caps_of(const char *version, enum tns_dialect dialect)
{
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_caps caps;

    tst_ok(tns__caps_from_version(version, dialect, &caps, &err), &err);
    return caps;
}

START_TEST(test_versions_are_read_in_every_spelling)
{
    ck_assert_uint_eq(tns__release_of("TrueNAS-SCALE-22.12.4.2"), 2212);
    ck_assert_uint_eq(tns__release_of("TrueNAS-SCALE-24.10.2.4"), 2410);
    ck_assert_uint_eq(tns__release_of("TrueNAS-25.04.2.6"), 2504);
    ck_assert_uint_eq(tns__release_of("TrueNAS-25.10.0"), 2510);
    ck_assert_uint_eq(tns__release_of("TrueNAS-26.0.0-BETA.3"), 2600);
    ck_assert_uint_eq(tns__release_of("26.04.0-MASTER-20260101-1"), 2604);
    ck_assert_uint_eq(tns__release_of("TrueNAS-13.0-U6.1"), 1300);
    ck_assert_uint_eq(tns__release_of("Linux"), 0);
    ck_assert_uint_eq(tns__release_of(""), 0);
    ck_assert_uint_eq(tns__release_of("v1.2.3"), 0);
}
END_TEST

START_TEST(test_snapshots_move_with_the_release)
{
    ck_assert_int_eq(caps_of("TrueNAS-SCALE-22.12.0", TNS_DIALECT_DDP).snap_ns,
                     TNS_SNAP_ZFS);
    ck_assert_int_eq(caps_of("TrueNAS-25.04.2", TNS_DIALECT_JSONRPC).snap_ns, TNS_SNAP_ZFS);
    ck_assert_int_eq(caps_of("TrueNAS-25.10.0", TNS_DIALECT_JSONRPC).snap_ns,
                     TNS_SNAP_POOL);
    ck_assert_int_eq(caps_of("TrueNAS-26.0.0", TNS_DIALECT_JSONRPC).snap_ns,
                     TNS_SNAP_RESOURCE);
}
END_TEST

START_TEST(test_each_change_begins_with_its_release)
{
    struct tns_caps c2410 = caps_of("TrueNAS-SCALE-24.10.2.4", TNS_DIALECT_DDP);
    struct tns_caps c2504 = caps_of("TrueNAS-25.04.0", TNS_DIALECT_JSONRPC);
    struct tns_caps c2510 = caps_of("TrueNAS-25.10.6", TNS_DIALECT_JSONRPC);
    struct tns_caps c26 = caps_of("TrueNAS-26.0.0-BETA.3", TNS_DIALECT_JSONRPC);

    ck_assert(!c2410.delete_extents_arg && c2504.delete_extents_arg);
    ck_assert(!c2504.public_rename && c2510.public_rename && c26.public_rename);
    ck_assert(!c2504.service_control && c2510.service_control && c26.service_control);
    ck_assert(!c2504.product_id && c2510.product_id && c26.product_id);
    ck_assert(!c2510.create_drops_tags && c26.create_drops_tags);
    ck_assert(!c2510.delete_lies && c26.delete_lies);
    ck_assert(!c2510.close_cancels && c26.close_cancels);
}
END_TEST

START_TEST(test_rest_lost_bulk_after_23_10)
{
    ck_assert(caps_of("TrueNAS-SCALE-22.12.4", TNS_DIALECT_REST).bulk);
    ck_assert(caps_of("TrueNAS-SCALE-23.10.2", TNS_DIALECT_REST).bulk);
    ck_assert(!caps_of("TrueNAS-SCALE-24.04.2", TNS_DIALECT_REST).bulk);
    ck_assert(caps_of("TrueNAS-SCALE-24.04.2", TNS_DIALECT_DDP).bulk);
}
END_TEST

START_TEST(test_c36_a_release_newer_than_this_library_gets_the_newest_row)
{
    struct tns_caps caps = caps_of("TrueNAS-27.4.0", TNS_DIALECT_JSONRPC);

    ck_assert_uint_eq(caps.release, 2704);
    ck_assert_int_eq(caps.snap_ns, TNS_SNAP_RESOURCE);
    ck_assert(caps.delete_lies);
}
END_TEST

START_TEST(test_c36_a_system_that_is_too_old_is_named_not_guessed)
{
    static const char *const old[] = { "TrueNAS-13.0-U6.1", "TrueNAS-SCALE-22.02.4",
                                       "FreeNAS-11.3-U5", "something" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(old); i++) {
        struct tns_error err = TNS_ERROR_INIT;
        struct tns_caps caps;

        ck_assert_int_eq(tns__caps_from_version(old[i], TNS_DIALECT_DDP, &caps, &err),
                         -TNS_E_UNSUPPORTED);
        tst_says(&err, old[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session capabilities");
    TCase *tc = tcase_create("capabilities");

    tcase_add_test(tc, test_versions_are_read_in_every_spelling);
    tcase_add_test(tc, test_snapshots_move_with_the_release);
    tcase_add_test(tc, test_each_change_begins_with_its_release);
    tcase_add_test(tc, test_rest_lost_bulk_after_23_10);
    tcase_add_test(tc, test_c36_a_release_newer_than_this_library_gets_the_newest_row);
    tcase_add_test(tc, test_c36_a_system_that_is_too_old_is_named_not_guessed);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
