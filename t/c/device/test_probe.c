/* SPDX-License-Identifier: Apache-2.0 */
/* Over the wire against a real target: discovery, CHAP, identity, LUNs that come, go and change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/tgt.h"

#define MIB (1024u * 1024u)
#define SERIAL "a1b2c3d4e5f6"

static struct tgt tgt;
static struct tns_ctx ctx;
static struct tns_error err = TNS_ERROR_INIT;
static struct tns_node node;
static struct tns_sysroot *sr;

static void setup(void)
{
    const char *root = tst_tmpdir();

    tst_ctx_init(&ctx, 20000);
    tst_ok(tns__sysroot_open(root, &sr, &err), &err);
    node = (struct tns_node){ .ctx = &ctx, .sr = sr };
    tgt_start(&tgt);
    tgt_lun_add(&tgt, 5, "a.img", 64 * MIB, TGT_NAA_A, SERIAL);
}

static void teardown(void)
{
    tgt_stop(&tgt);
    tns__sysroot_close(sr);
}

static struct tns_want want_lun(int lun)
{
    return (struct tns_want){ .storeid = "store1",
                              .linkname = "vm-100-disk-0",
                              .target_iqn = TGT_IQN,
                              .portals = tgt.portals,
                              .n_portals = 2,
                              .lun = (uint16_t)lun,
                              .naa = TGT_NAA_A,
                              .serial = SERIAL,
                              .size_bytes = 64 * MIB,
                              .blocksize = 512 };
}

static int identify(int lun, struct tns_scsi_id *id)
{
    return tns__probe_identify(&ctx, &tgt.portals[0], TGT_IQN, (uint16_t)lun, NULL,
                               TGT_INITIATOR, id, &err);
}

START_TEST(test_discovery_names_the_target_and_its_portal)
{
    json_t *targets = NULL;
    const json_t *target;
    char portal[64];

    tst_ok(tns__probe_discover(&ctx, &tgt.portals[0], NULL, TGT_INITIATOR, &targets, &err),
           &err);
    ck_assert_uint_eq(json_array_size(targets), 1);
    target = json_array_get(targets, 0);
    ck_assert_str_eq(json_string_value(json_object_get(target, "iqn")), TGT_IQN);
    snprintf(portal, sizeof(portal), "127.0.0.1:%d", tgt.portals[0].port);
    ck_assert_str_eq(json_string_value(
                         json_array_get(json_object_get(target, "portals"), 0)),
                     portal);
    json_decref(targets);
}
END_TEST

START_TEST(test_a_port_without_listener_is_a_transport_error)
{
    struct tns_addr nobody = { .host = "127.0.0.1", .port = (uint16_t)tgt_free_port() };
    json_t *targets = NULL;

    tst_fails(tns__probe_discover(&ctx, &nobody, NULL, TGT_INITIATOR, &targets, &err),
              TNS_E_TRANSPORT, &err);
    ck_assert_ptr_null(targets);
}
END_TEST

START_TEST(test_a_target_that_is_not_there_is_named)
{
    struct tns_scsi_id id;

    ck_assert_int_lt(tns__probe_identify(&ctx, &tgt.portals[0], TGT_IQN "-other", 5, NULL,
                                         TGT_INITIATOR, &id, &err),
                     0);
    tst_says(&err, TGT_IQN "-other");
    ck_assert_int_eq(err.code, TNS_E_NOTFOUND);
}
END_TEST

START_TEST(test_identity_and_size_come_from_the_lun_itself)
{
    struct tns_scsi_id id;

    tst_ok(identify(5, &id), &err);
    ck_assert_str_eq(id.naa, TGT_NAA_A);
    ck_assert_str_eq(id.serial, SERIAL);
    ck_assert_uint_eq(id.size_bytes, 64 * MIB);
    ck_assert_uint_eq(id.blocksize, 512);
}
END_TEST

START_TEST(test_a_lun_that_is_not_there_is_not_found)
{
    struct tns_scsi_id id;

    tst_fails(identify(9, &id), TNS_E_NOTFOUND, &err);
}
END_TEST

/* tgtd reads of a plain address the lower 8 bits alone: 512 would be its controller, 517 LUN 5. */
START_TEST(test_a_lun_above_255_is_never_another_one)
{
    struct tns_scsi_id id;

    tgt_lun_add(&tgt, 512, "b.img", 32 * MIB, TGT_NAA_B, "bbbb");
    tst_ok(identify(512, &id), &err);
    ck_assert_str_eq(id.naa, TGT_NAA_B);
    tgt_lun_remove(&tgt, 512);
    tgt_lun_add(&tgt, 517, "b.img", 32 * MIB, TGT_NAA_B, "bbbb");
    tst_ok(identify(517, &id), &err);
    ck_assert_str_eq(id.naa, TGT_NAA_B);
}
END_TEST

START_TEST(test_report_luns_sees_added_and_removed_luns)
{
    json_t *luns = NULL;

    tgt_lun_add(&tgt, 7, "b.img", 32 * MIB, TGT_NAA_B, "bbbb");
    tst_ok(tns__probe_report_luns(&ctx, &tgt.portals[0], TGT_IQN, NULL, TGT_INITIATOR,
                                  &luns, &err),
           &err);
    /* LUN 0 is tgtd's controller */
    ck_assert_uint_eq(json_array_size(luns), 3);
    ck_assert_int_eq(json_integer_value(json_array_get(luns, 1)), 5);
    ck_assert_int_eq(json_integer_value(json_array_get(luns, 2)), 7);
    json_decref(luns);

    tgt_lun_remove(&tgt, 5);
    tst_ok(tns__probe_report_luns(&ctx, &tgt.portals[0], TGT_IQN, NULL, TGT_INITIATOR,
                                  &luns, &err),
           &err);
    ck_assert_uint_eq(json_array_size(luns), 2);
    ck_assert_int_eq(json_integer_value(json_array_get(luns, 1)), 7);
    json_decref(luns);
}
END_TEST

START_TEST(test_a_resized_lun_shows_its_new_size)
{
    struct tns_scsi_id id;

    tgt_lun_grow(&tgt, 5, "a.img", 96 * MIB);
    tst_ok(identify(5, &id), &err);
    ck_assert_uint_eq(id.size_bytes, 96 * MIB);
    ck_assert_str_eq(id.naa, TGT_NAA_A);
}
END_TEST

/* ---- CHAP ---- */

static struct tns_secret *secret_of(const char *text)
{
    return tns__secret_new(text, strlen(text));
}

static void target_demands_chap(bool mutual)
{
    tgt_adm(&tgt, "--mode", "account", "--op", "new", "--user", "tnuser", "--password",
            TST_CANARY_CHAP, NULL);
    tgt_adm(&tgt, "--mode", "account", "--op", "bind", "--tid", "1", "--user", "tnuser",
            NULL);
    if (!mutual)
        return;
    tgt_adm(&tgt, "--mode", "account", "--op", "new", "--user", "nasuser", "--password",
            "TheNasItself1", NULL);
    tgt_adm(&tgt, "--mode", "account", "--op", "bind", "--tid", "1", "--user", "nasuser",
            "--outgoing", NULL);
}

static int identify_chap(const struct tns_chap *chap)
{
    struct tns_scsi_id id = { 0 };
    int rc = tns__probe_identify(&ctx, &tgt.portals[0], TGT_IQN, 5, chap, TGT_INITIATOR,
                                 &id, &err);

    if (rc == 0)
        ck_assert_str_eq(id.naa, TGT_NAA_A);
    return rc;
}

START_TEST(test_chap_with_the_right_password_is_let_in)
{
    struct tns_secret *right = secret_of(TST_CANARY_CHAP);
    struct tns_chap chap = { .user = "tnuser", .password = right };

    target_demands_chap(false);
    tst_ok(identify_chap(&chap), &err);
    tns__secret_free(right);
}
END_TEST

START_TEST(test_chap_with_a_wrong_password_or_none_is_an_auth_error)
{
    struct tns_secret *wrong = secret_of("NotTheOne-123");
    struct tns_chap chap = { .user = "tnuser", .password = wrong };

    target_demands_chap(false);
    tst_fails(identify_chap(&chap), TNS_E_AUTH, &err);
    tst_fails(identify_chap(NULL), TNS_E_AUTH, &err);
    tns__secret_free(wrong);
}
END_TEST

START_TEST(test_mutual_chap_proves_both_sides)
{
    struct tns_secret *right = secret_of(TST_CANARY_CHAP);
    struct tns_secret *theirs = secret_of("TheNasItself1");
    struct tns_secret *wrong = secret_of("AnImpostor-12");
    struct tns_chap chap = { .user = "tnuser",
                             .password = right,
                             .mutual_user = "nasuser",
                             .mutual_password = theirs };

    target_demands_chap(true);
    tst_ok(identify_chap(&chap), &err);
    chap.mutual_password = wrong;
    ck_assert_int_lt(identify_chap(&chap), 0);
    tst_says(&err, "mutual CHAP");
    ck_assert_int_eq(err.code, TNS_E_AUTH);
    tns__secret_free(right);
    tns__secret_free(theirs);
    tns__secret_free(wrong);
}
END_TEST

START_TEST(test_discovery_without_accounts_lists_a_target_that_has_mutual_chap)
{
    struct tns_secret *right = secret_of(TST_CANARY_CHAP);
    struct tns_secret *theirs = secret_of("TheNasItself1");
    struct tns_chap chap = { .user = "tnuser",
                             .password = right,
                             .mutual_user = "nasuser",
                             .mutual_password = theirs };
    json_t *targets = NULL;

    target_demands_chap(true);
    tst_ok(tns__probe_discover(&ctx, &tgt.portals[0], &chap, TGT_INITIATOR, &targets, &err),
           &err);
    ck_assert_uint_eq(json_array_size(targets), 1);
    json_decref(targets);
    tns__secret_free(right);
    tns__secret_free(theirs);
}
END_TEST

/* ---- tn_initiator qemu ---- */

static int qemu_map(const struct tns_want *want, struct tns_mapped *mapped)
{
    return tns__qemu_map(&node, want, TGT_INITIATOR, mapped, &err);
}

START_TEST(test_qemu_maps_a_lun_that_is_proven_on_every_portal)
{
    struct tns_want want = want_lun(5);
    struct tns_mapped mapped;
    char url[512], expected[512];

    tst_fails(tns__qemu_url(&node, "store1", "vm-100-disk-0", url, sizeof(url), &err),
              TNS_E_NOTFOUND, &err);
    tst_ok(qemu_map(&want, &mapped), &err);
    ck_assert_uint_eq(mapped.paths, 2);
    ck_assert(!mapped.already);
    ck_assert_str_eq(mapped.path, "/dev/tnstor/store1/vm-100-disk-0");
    snprintf(expected, sizeof(expected), "iscsi://127.0.0.1:%d/%s/5", tgt.portals[0].port,
             TGT_IQN);
    ck_assert_str_eq(mapped.device, expected);
    tst_ok(tns__qemu_url(&node, "store1", "vm-100-disk-0", url, sizeof(url), &err), &err);
    ck_assert_str_eq(url, expected);

    tst_ok(qemu_map(&want, &mapped), &err);
    ck_assert(mapped.already);
    tst_ok(tns__qemu_unmap(&node, &want, &err), &err);
    tst_ok(tns__qemu_unmap(&node, &want, &err), &err);
    tst_fails(tns__qemu_url(&node, "store1", "vm-100-disk-0", url, sizeof(url), &err),
              TNS_E_NOTFOUND, &err);
}
END_TEST

START_TEST(test_qemu_is_given_the_address_under_which_a_lun_above_255_was_proven)
{
    struct tns_want want = want_lun(512);
    struct tns_mapped mapped;

    tgt_lun_remove(&tgt, 5);
    tgt_lun_add(&tgt, 512, "a.img", 64 * MIB, TGT_NAA_A, SERIAL);
    tst_ok(qemu_map(&want, &mapped), &err);
    ck_assert_msg(strstr(mapped.device, "/16896") != NULL, "%s", mapped.device);
}
END_TEST

START_TEST(test_a_silent_swap_behind_a_lun_is_refused_every_time)
{
    struct tns_want want = want_lun(5);
    struct tns_mapped mapped;

    tst_ok(qemu_map(&want, &mapped), &err);
    tgt_lun_remove(&tgt, 5);
    tgt_lun_add(&tgt, 5, "b.img", 64 * MIB, TGT_NAA_B, SERIAL);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(qemu_map(&want, &mapped), -TNS_E_IDENTITY);
        tst_says(&err, TGT_NAA_B);
        tst_says(&err, TGT_NAA_A);
        tns__error_clear(&err);
    }
}
END_TEST

START_TEST(test_an_edited_extent_that_keeps_its_naa_is_refused_by_size_and_serial)
{
    struct tns_want want = want_lun(5);
    struct tns_mapped mapped;

    tgt_lun_remove(&tgt, 5);
    tgt_lun_add(&tgt, 5, "b.img", 48 * MIB, TGT_NAA_A, SERIAL);
    ck_assert_int_eq(qemu_map(&want, &mapped), -TNS_E_IDENTITY);
    tst_says(&err, "bytes");
    tns__error_clear(&err);

    tgt_lun_remove(&tgt, 5);
    tgt_lun_add(&tgt, 5, "a.img", 64 * MIB, TGT_NAA_A, "somebodyelse");
    ck_assert_int_eq(qemu_map(&want, &mapped), -TNS_E_IDENTITY);
    tst_says(&err, "serial number");
}
END_TEST

START_TEST(test_an_unmapped_lun_and_an_emptied_one_are_never_mapped)
{
    struct tns_want want = want_lun(6);
    struct tns_mapped mapped;

    tst_fails(qemu_map(&want, &mapped), TNS_E_NOTFOUND, &err);
    tgt_lun_remove(&tgt, 5);
    want = want_lun(5);
    tst_fails(qemu_map(&want, &mapped), TNS_E_NOTFOUND, &err);
}
END_TEST

START_TEST(test_d24_one_unreachable_portal_does_not_fail_the_rest)
{
    struct tns_addr portals[] = {
        { .host = "127.0.0.3", .port = (uint16_t)tgt_free_port() }, tgt.portals[0]
    };
    struct tns_want want = want_lun(5);
    struct tns_mapped mapped;

    want.portals = portals;
    tst_ok(qemu_map(&want, &mapped), &err);
    ck_assert_uint_eq(mapped.paths, 1);
    ck_assert_uint_eq(mapped.portals_failed, 1);
    ck_assert_ptr_nonnull(strstr(mapped.warning, "1 of 2 portals"));

    /* remembered: now it is not even tried, but still told */
    tst_ok(qemu_map(&want, &mapped), &err);
    ck_assert_uint_eq(mapped.portals_failed, 1);
}
END_TEST

START_TEST(test_a_portal_that_accepts_and_says_nothing_ends_at_the_deadline)
{
    struct tns_scsi_id id;
    struct tns_addr silent;
    uint64_t start;
    int fd = tgt_silent_listener(&silent);

    start = tns__now_ns();
    ctx.deadline_ns = start + TNS_MS(300);
    tst_fails(tns__probe_identify(&ctx, &silent, TGT_IQN, 5, NULL, TGT_INITIATOR, &id,
                                  &err),
              TNS_E_TIMEOUT, &err);
    ck_assert_uint_lt(tns__now_ns() - start, TNS_MS(1500));
    close(fd);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_discovery_names_the_target_and_its_portal,
        test_a_port_without_listener_is_a_transport_error,
        test_a_target_that_is_not_there_is_named,
        test_identity_and_size_come_from_the_lun_itself,
        test_a_lun_that_is_not_there_is_not_found,
        test_a_lun_above_255_is_never_another_one,
        test_report_luns_sees_added_and_removed_luns,
        test_a_resized_lun_shows_its_new_size,
        test_chap_with_the_right_password_is_let_in,
        test_chap_with_a_wrong_password_or_none_is_an_auth_error,
        test_mutual_chap_proves_both_sides,
        test_discovery_without_accounts_lists_a_target_that_has_mutual_chap,
        test_qemu_maps_a_lun_that_is_proven_on_every_portal,
        test_qemu_is_given_the_address_under_which_a_lun_above_255_was_proven,
        test_a_silent_swap_behind_a_lun_is_refused_every_time,
        test_an_edited_extent_that_keeps_its_naa_is_refused_by_size_and_serial,
        test_an_unmapped_lun_and_an_emptied_one_are_never_mapped,
        test_d24_one_unreachable_portal_does_not_fail_the_rest,
        test_a_portal_that_accepts_and_says_nothing_ends_at_the_deadline,
    };

    if (!tgt_available()) {
        printf("1..0 # SKIP no tgtd on this machine\n");
        return 0;
    }
    return tst_main("probe", tests, TNS_ARRAY_LEN(tests), setup, teardown, 60);
}
