/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside as bytes and names: grammars, portals, VPD pages, LUN lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "device/device_priv.h"

static struct tns_error err = TNS_ERROR_INIT;

/* ---- portals ---- */

static void parses_as(const char *text, const char *host, unsigned port)
{
    struct tns_addr addr;

    tst_ok(tns__addr_parse(text, &addr, &err), &err);
    ck_assert_str_eq(addr.host, host);
    ck_assert_uint_eq(addr.port, port);
}

START_TEST(test_portals_are_parsed_in_every_spelling)
{
    parses_as("10.0.0.2", "10.0.0.2", 3260);
    parses_as("10.0.0.2:860", "10.0.0.2", 860);
    parses_as("fd00::2", "fd00::2", 3260);
    parses_as("[fd00::2]", "fd00::2", 3260);
    parses_as("[FD00:0:0::2]:65535", "fd00::2", 65535);
}
END_TEST

START_TEST(test_what_is_no_portal_is_refused)
{
    static const char *const bad[] = {
        "",           "nas.local",      "10.0.0",      "10.0.0.256", "10.0.0.2:",
        "10.0.0.2:0", "10.0.0.2:65536", "[fd00::2",    "[fd00::2]x", "[10.0.0.2]:1",
        "fd00::2::3", "-1.0.0.1",       "10.0.0.2:-1", "10.0.0.2 ",  "10.0.0.2:1 "
    };
    struct tns_addr addr;

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++)
        tst_fails(tns__addr_parse(bad[i], &addr, &err), TNS_E_USAGE, &err);
}
END_TEST

START_TEST(test_d10_portals_are_equal_as_numbers_only)
{
    struct tns_addr a, b;
    char text[TNS__ADDR_TEXT];

    tst_ok(tns__addr_parse("10.0.0.2", &a, &err), &err);
    tst_ok(tns__addr_parse("10.0.0.20", &b, &err), &err);
    ck_assert(!tns__addr_equal(&a, &b));
    tst_ok(tns__addr_parse("10.0.0.2:3261", &b, &err), &err);
    ck_assert(!tns__addr_equal(&a, &b));
    tst_ok(tns__addr_parse("[fd00:0::2]", &a, &err), &err);
    tst_ok(tns__addr_parse("fd00::2", &b, &err), &err);
    ck_assert(tns__addr_equal(&a, &b));
    tns__addr_format(&a, text);
    ck_assert_str_eq(text, "[fd00::2]:3260");
}
END_TEST

/* ---- names ---- */

START_TEST(test_names_that_could_be_options_paths_or_commands_are_refused)
{
    static const char *const bad[] = { "-a",   "../x", "a/b",     "a b",
                                       "a\nb", "",     ".hidden", "a;b" };

    for (size_t i = 0; i < TNS_ARRAY_LEN(bad); i++) {
        ck_assert(!tns__is_iqn(bad[i]));
        ck_assert(!tns__is_devname(bad[i]));
        ck_assert(!tns__is_wwid(bad[i]));
        ck_assert(!tns__is_storeid(bad[i]));
        ck_assert(!tns__is_linkname(bad[i]));
    }
    ck_assert(!tns__is_iqn("iqn.2005-10.org\n"));
    ck_assert(!tns__is_naa("5589cfc0000000000000000000000001"));
    ck_assert(!tns__is_naa("6589CFC0000000000000000000000001"));
    ck_assert(tns__is_naa("6589cfc0000000000000000000000001"));
    ck_assert(tns__is_wwid("36589cfc0000000000000000000000001"));
    ck_assert(tns__is_iqn("iqn.2005-10.org.freenas.ctl:vm"));
    ck_assert(tns__is_devname("dm-12"));
    ck_assert(tns__is_linkname("base-100-disk-0+vm-101-disk-0"));
    ck_assert(tns__is_linkname("vm-100-disk-0@snap_1"));
}
END_TEST

START_TEST(test_a_want_with_anything_missing_is_refused)
{
    struct tns_want want = { .storeid = "s",
                             .linkname = "vm-1-disk-0",
                             .target_iqn = "iqn.2005-10.org:x",
                             .naa = "6589cfc0000000000000000000000001",
                             .size_bytes = 1 };
    struct tns_want bad;

    tst_ok(tns__want_check(&want, &err), &err);
    bad = want;
    bad.size_bytes = 0;
    tst_fails(tns__want_check(&bad, &err), TNS_E_USAGE, &err);
    bad = want;
    bad.naa[0] = '\0';
    tst_fails(tns__want_check(&bad, &err), TNS_E_USAGE, &err);
    bad = want;
    bad.target_iqn = NULL;
    tst_fails(tns__want_check(&bad, &err), TNS_E_USAGE, &err);
    bad = want;
    bad.linkname = "..";
    tst_fails(tns__want_check(&bad, &err), TNS_E_USAGE, &err);
    bad = want;
    bad.lun = 16384;
    tst_fails(tns__want_check(&bad, &err), TNS_E_USAGE, &err);
}
END_TEST

/* ---- VPD 0x83 ---- */

static const uint8_t naa_page[] = {
    0x00, 0x83, 0x00, 0x20, /* head: 32 bytes of designators */
    0x02, 0x01, 0x00, 0x08, 'T',  'r',  'u',  'e',  'N',  'A',  'S',
    ' ',  0x01, 0x03, 0x00, 0x10, 0x65, 0x89, 0xcf, 0xc0, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xaa, 0x01,
};

START_TEST(test_the_naa_is_found_among_other_designators)
{
    char naa[33];

    tst_ok(tns__vpd_naa(naa_page, sizeof(naa_page), naa, &err), &err);
    ck_assert_str_eq(naa, "6589cfc000000000000000000000aa01");
}
END_TEST

START_TEST(test_a_naa_of_a_port_or_of_a_short_type_is_none)
{
    uint8_t page[sizeof(naa_page)];
    char naa[33];

    memcpy(page, naa_page, sizeof(page));
    page[17] = 0x13; /* of the target port */
    tst_ok(tns__vpd_naa(page, sizeof(page), naa, &err), &err);
    ck_assert_str_eq(naa, "");
    page[17] = 0x03;
    page[20] = 0x35; /* NAA 3, locally assigned */
    tst_ok(tns__vpd_naa(page, sizeof(page), naa, &err), &err);
    ck_assert_str_eq(naa, "");
}
END_TEST

START_TEST(test_two_different_naas_of_one_unit_are_an_identity_error)
{
    uint8_t page[sizeof(naa_page) + 20];
    char naa[33];

    memcpy(page, naa_page, sizeof(naa_page));
    memcpy(page + sizeof(naa_page), naa_page + 16, 20);
    page[3] = 0x20 + 20;
    tst_ok(tns__vpd_naa(page, sizeof(page), naa, &err), &err);
    page[sizeof(page) - 1] ^= 1;
    tst_fails(tns__vpd_naa(page, sizeof(page), naa, &err), TNS_E_IDENTITY, &err);
}
END_TEST

START_TEST(test_a_page_that_is_cut_anywhere_is_refused_and_nothing_is_read_beyond)
{
    for (size_t len = 0; len < sizeof(naa_page); len++) {
        uint8_t *copy = malloc(len ? len : 1);
        char naa[33] = "untouched";

        memcpy(copy, naa_page, len);
        ck_assert_int_lt(tns__vpd_naa(copy, len, naa, &err), 0);
        ck_assert_str_eq(naa, "untouched");
        tns__error_clear(&err);
        free(copy);
    }
}
END_TEST

START_TEST(test_a_lun_without_a_disk_behind_it_is_not_found)
{
    uint8_t page[sizeof(naa_page)];
    char naa[33], serial[64];

    memcpy(page, naa_page, sizeof(page));
    page[0] = 0x7f;
    tst_fails(tns__vpd_naa(page, sizeof(page), naa, &err), TNS_E_NOTFOUND, &err);
    tst_fails(tns__vpd_serial(page, sizeof(page), serial, &err), TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_serials_come_without_the_blanks_around_them)
{
    static const uint8_t padded[] = { 0, 0x80, 0, 8, ' ', ' ', 'a', 'b', ' ', 'c', ' ', 0 };
    static const uint8_t blank[] = { 0, 0x80, 0, 3, ' ', ' ', ' ' };
    char serial[64];

    tst_ok(tns__vpd_serial(padded, sizeof(padded), serial, &err), &err);
    ck_assert_str_eq(serial, "ab c");
    tst_ok(tns__vpd_serial(blank, sizeof(blank), serial, &err), &err);
    ck_assert_str_eq(serial, "");
}
END_TEST

/* ---- capacity, LUNs, sense ---- */

START_TEST(test_capacities_that_cannot_be_are_refused)
{
    uint8_t data[32] = { [7] = 0xff, [10] = 0x02 };
    uint64_t bytes;
    uint32_t blocksize;

    tst_ok(tns__scsi_capacity(data, sizeof(data), &bytes, &blocksize, &err), &err);
    ck_assert_uint_eq(bytes, 256 * 512);
    data[10] = 0x10;
    tst_ok(tns__scsi_capacity(data, sizeof(data), &bytes, &blocksize, &err), &err);
    ck_assert_uint_eq(blocksize, 4096);
    data[10] = 0x03;
    tst_fails(tns__scsi_capacity(data, sizeof(data), &bytes, &blocksize, &err),
              TNS_E_DEVICE, &err);
    data[10] = 0x02;
    memset(data, 0xff, 8);
    tst_fails(tns__scsi_capacity(data, sizeof(data), &bytes, &blocksize, &err),
              TNS_E_DEVICE, &err);
    tst_fails(tns__scsi_capacity(data, 11, &bytes, &blocksize, &err), TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_lun_lists_know_both_spellings_and_leave_out_the_exotic)
{
    uint8_t data[8 + 5 * 8] = { [3] = 40 };
    json_t *luns = NULL;
    static const int expected[] = { 0, 3, 300, 301 };

    data[8 + 1] = 3;
    data[16] = 0x41; /* flat space: 0x4000 + 301 */
    data[16 + 1] = 0x2d;
    data[24] = 0x01; /* sixteen bits, as LIO has them: 300 */
    data[24 + 1] = 0x2c;
    data[32] = 0xc1; /* a well-known unit */
    tst_ok(tns__scsi_luns(data, sizeof(data), &luns, &err), &err);
    ck_assert_uint_eq(json_array_size(luns), TNS_ARRAY_LEN(expected));
    for (size_t i = 0; i < TNS_ARRAY_LEN(expected); i++)
        ck_assert_int_eq(json_integer_value(json_array_get(luns, i)), expected[i]);
    json_decref(luns);
    data[3] = 41;
    tst_fails(tns__scsi_luns(data, sizeof(data), &luns, &err), TNS_E_DEVICE, &err);
    data[3] = 48;
    tst_fails(tns__scsi_luns(data, sizeof(data), &luns, &err), TNS_E_DEVICE, &err);
}
END_TEST

START_TEST(test_sense_without_a_text_of_its_own_is_told_in_numbers)
{
    ck_assert_int_eq(tns__scsi_sense_error(6, 0x3f0e, "READ", &err), -TNS_E_DEVICE);
    tst_says(&err, "6/3f0e");
    tns__error_clear(&err);
    tst_fails(tns__scsi_sense_error(5, 0x2500, "READ", &err), TNS_E_NOTFOUND, &err);
    tst_fails(tns__scsi_sense_error(5, 0x2400, "READ", &err), TNS_E_DEVICE, &err);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_portals_are_parsed_in_every_spelling,
        test_what_is_no_portal_is_refused,
        test_d10_portals_are_equal_as_numbers_only,
        test_names_that_could_be_options_paths_or_commands_are_refused,
        test_a_want_with_anything_missing_is_refused,
        test_the_naa_is_found_among_other_designators,
        test_a_naa_of_a_port_or_of_a_short_type_is_none,
        test_two_different_naas_of_one_unit_are_an_identity_error,
        test_a_page_that_is_cut_anywhere_is_refused_and_nothing_is_read_beyond,
        test_a_lun_without_a_disk_behind_it_is_not_found,
        test_serials_come_without_the_blanks_around_them,
        test_capacities_that_cannot_be_are_refused,
        test_lun_lists_know_both_spellings_and_leave_out_the_exotic,
        test_sense_without_a_text_of_its_own_is_told_in_numbers,
    };

    return tst_main("parse", tests, TNS_ARRAY_LEN(tests), NULL, NULL, 60);
}
