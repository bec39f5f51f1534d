/* SPDX-License-Identifier: Apache-2.0 */
/* A volume and what this node has of it: who decides when they differ, and what must not happen while it is
 * in use. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "device/device.h"
#include "volume/storage.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void folder(const struct vt *v, const char *path)
{
    char full[512];

    for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        ck_assert(tns__fmt(full, sizeof(full), "%s%.*s", v->root, (int)(at - path), path));
        mkdir(full, 0755);
    }
}

static void link_to(const struct vt *v, const char *path, const char *target)
{
    char full[512];

    folder(v, path);
    ck_assert(tns__fmt(full, sizeof(full), "%s%s", v->root, path));
    ck_assert_int_eq(symlink(target, full), 0);
}

/* The NAS's last word on the volume is older than it may be. */
static void a_while_ago(const struct vt *v)
{
    char full[600];

    ck_assert(tns__fmt(full, sizeof(full), "%s%s/recent/nas/" DISK, v->root, v->run));
    ck_assert_int_eq(unlink(full), 0);
}

/* A node with a root of its own. */
static struct tns_storage *elsewhere(const struct vt *v)
{
    char text[300];

    folder(v, "/elsewhere/");
    snprintf(text, sizeof(text), "{\"tn_sysroot\": \"%s/elsewhere\"}", v->root);
    return vt_more(v, "n2", text);
}

/* As pmxcfs does: what node n2 wrote is here, too. */
static void pmxcfs_brings(const struct vt *v, const char *path)
{
    char from[600];
    char to[600];

    folder(v, path);
    ck_assert(tns__fmt(from, sizeof(from), "%s/elsewhere%s", v->root, path));
    ck_assert(tns__fmt(to, sizeof(to), "%s%s", v->root, path));
    ck_assert_int_eq(rename(from, to), 0);
}

/* What the NAS calls the volume's extent. */
static void identity_of(const struct vt *v, struct tns_scsi_id *ret)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    char disk[300];
    json_t *row;

    snprintf(disk, sizeof(disk), "zvol/%s", vt_zvol(v, DISK));
    row = vt_row(world, "extent", "disk", disk);
    ck_assert_ptr_nonnull(row);
    ck_assert(tns__fmt(ret->naa, sizeof(ret->naa), "%s",
                       json_string_value(json_object_get(row, "naa")) + strlen("0x")));
    ck_assert(tns__fmt(ret->serial, sizeof(ret->serial), "%s",
                       json_string_value(json_object_get(row, "serial"))));
}

static void naa_of(const struct vt *v, char ret[33])
{
    struct tns_scsi_id id;

    identity_of(v, &id);
    memcpy(ret, id.naa, sizeof(id.naa));
}

/* This node had the volume mapped: its record, its link, and a map with one path. */
static void was_mapped_as(struct vt *v, const char *linkname, uint64_t size_bytes_now)
{
    struct tns_addr portal = { .host = "127.0.0.1", .port = 3260 };
    struct tns_want want = { .storeid = "nas",
                             .linkname = linkname,
                             .target_iqn = v->iqn,
                             .portals = &portal,
                             .n_portals = 1,
                             .lun = 7,
                             .size_bytes = GIB,
                             .multipath = true };
    char map[64];
    char link[128];
    char sectors[32];

    naa_of(v, want.naa);
    vt_ok(v, tns__record_write(&v->st->node, &want, &v->err));
    snprintf(map, sizeof(map), "/dev/mapper/3%s", want.naa);
    snprintf(sectors, sizeof(sectors), "%llu\n",
             (unsigned long long)(size_bytes_now / 512));
    snprintf(link, sizeof(link), "/dev/tnstor/nas/%s", linkname);
    link_to(v, link, map);
    link_to(v, map, "../dm-3");
    link_to(v, "/sys/class/block/dm-3", "../../block/dm-3");
    link_to(v, "/sys/block/dm-3/slaves/sdb", "../../../sdb");
    tst_file(v->root, "sys/block/dm-3/size", sectors);
    snprintf(map, sizeof(map), "mpath-3%s\n", want.naa);
    tst_file(v->root, "sys/block/dm-3/dm/uuid", map);
    tst_file(v->root, "sys/block/dm-3/dm/name", map + strlen("mpath-"));
    tst_file(v->root, "sys/block/dm-3/dev", "253:3\n");
}

static void was_mapped(struct vt *v, uint64_t size_bytes_now)
{
    was_mapped_as(v, DISK, size_bytes_now);
}

START_TEST(test_a_volume_freed_elsewhere_is_not_found_whatever_this_node_has_left_of_it)
{
    struct tns_storage *other;
    json_t *mapped = NULL;
    char name[256];
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    was_mapped(&v, GIB);
    other = elsewhere(&v);
    vt_ok(&v, tns_volume_free(other, DISK, &v.err));
    tns_storage_close(other);

    vt_count_reset(&v);
    vt_fails(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err), TNS_E_NOTFOUND);
    ck_assert_int_gt(vt_calls(&v), 0);
    vt_close(&v);
}
END_TEST

/* A path that answers as the test says. */
static int answer(struct tns_scsi *scsi, struct tns_sysroot *sr, const struct tns_ctx *ctx,
                  const char *devname, struct tns_scsi_id *ret, struct tns_error *err)
{
    (void)sr;
    (void)ctx;
    (void)devname;
    (void)err;
    *ret = *(const struct tns_scsi_id *)scsi->user;
    return 0;
}

/* A volume that this node has mapped, and whose path answers as scsi's user says. */
static void a_mapped_disk(struct vt *v, struct tns_scsi *scsi, uint64_t size_bytes_now)
{
    struct tns_scsi_id *id = scsi->user;
    char name[256];

    vt_open(v, tst_cell_sim());
    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
    was_mapped(v, size_bytes_now);
    naa_of(v, id->naa);
    v->st->node.scsi = scsi;
}

START_TEST(test_a_mapped_volume_that_was_grown_on_another_node_is_taken_at_its_new_size)
{
    struct tns_scsi_id id = { .size_bytes = 2 * GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct tns_storage *other;
    json_t *mapped = NULL;
    struct vt v;

    a_mapped_disk(&v, &scsi, 2 * GIB);
    other = elsewhere(&v);
    vt_ok(&v, tns_volume_resize(other, DISK, 2 * GIB, &v.err));
    tns_storage_close(other);

    vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
    ck_assert(json_is_true(json_object_get(mapped, "already")));
    json_decref(mapped);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_name_that_went_to_another_volume_elsewhere_never_maps_the_one_it_was)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct tns_storage *other;
    json_t *mapped = NULL;
    char name[256];
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
    json_decref(mapped);
    mapped = NULL;
    a_while_ago(&v);
    other = elsewhere(&v);
    vt_ok(&v, tns_volume_rename(other, DISK, 200, NULL, name, &v.err));
    vt_ok(&v, tns_volume_alloc(other, 100, DISK, GIB, name, &v.err));
    tns_storage_close(other);

    ck_assert_int_ne(tns_volume_map(v.st, DISK, NULL, &mapped, &v.err), 0);
    ck_assert_ptr_null(mapped);
    tns__error_clear(&v.err);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_mapped_volume_asks_the_nas_once_and_not_again_within_seconds)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    for (int i = 0; i < 3; i++) {
        json_t *mapped = NULL;

        vt_count_reset(&v);
        vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
        ck_assert_int_eq(vt_calls(&v) > 0, i == 0);
        ck_assert(json_is_true(json_object_get(mapped, "already")));
        json_decref(mapped);
    }
    vt_close(&v);
}
END_TEST

/* Mapped so soon, with that in the warning; owned. */
static json_t *mapped_within(struct vt *v, unsigned ms, const char *warning)
{
    struct tst_watch from = tst_watch();
    json_t *mapped = NULL;

    vt_ok(v, tns_volume_map(v->st, DISK, NULL, &mapped, &v->err));
    ck_assert_uint_lt(tst_own_ms(from), ms);
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(mapped, "warning")), warning));
    return mapped;
}

START_TEST(test_a_mapped_volume_stays_usable_while_the_api_hangs_and_is_asked_for_once)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"hang\", \"count\": 1000}");
    for (int i = 0; i < 3; i++) {
        _tns_json_ json_t *mapped = mapped_within(&v, i == 0 ? 6000 : 1000, "API is away");

        ck_assert(json_is_true(json_object_get(mapped, "already")));
    }
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

/* An unmapped volume that this node mapped before, at a LUN that it still sees as sdb. */
static void a_known_disk(struct vt *v, struct tns_scsi *scsi, uint64_t size_bytes_then)
{
    struct tns_addr portal = { .host = "127.0.0.1", .port = 3260 };
    struct tns_want want = { .storeid = "nas",
                             .linkname = DISK,
                             .portals = &portal,
                             .n_portals = 1,
                             .size_bytes = size_bytes_then };
    struct tns_scsi_id *id = scsi->user;
    char lun[80], sectors[32], name[256];

    vt_open(v, tst_cell_sim());
    tns_storage_close(v->st);
    v->st = vt_more(v, "n1", "{\"use_multipath\": 0}");
    vt_ok(v, tns_volume_alloc(v->st, 100, DISK, GIB, name, &v->err));
    identity_of(v, id);
    memcpy(want.naa, id->naa, sizeof(want.naa));
    want.target_iqn = v->iqn;
    want.lun = (uint16_t)vt_lun_of(v, DISK);
    vt_ok(v, tns__record_write(&v->st->node, &want, &v->err));
    v->st->node.scsi = scsi;

    snprintf(sectors, sizeof(sectors), "%llu\n",
             (unsigned long long)(id->size_bytes / 512));
    snprintf(lun, sizeof(lun), "/sys/class/scsi_device/3:0:0:%u/device/block/sdb/",
             (unsigned)want.lun);
    folder(v, lun);
    tst_file(v->root, "sys/block/sdb/size", sectors);
    tst_file(v->root, "sys/block/sdb/diskseq", "9\n");
    link_to(v, "/sys/class/block/sdb", "../../block/sdb");
    link_to(v, "/dev/disk/by-diskseq/9", "../../sdb");
    link_to(v, "/sys/class/iscsi_session/session1",
            "../../devices/platform/host3/session1/iscsi_session/session1");
    folder(v, "/sys/devices/platform/host3/session1/iscsi_session/session1/");
    tst_file(v->root,
             "sys/devices/platform/host3/session1/iscsi_session/session1/targetname",
             v->iqn);
    tst_file(v->root, "sys/devices/platform/host3/session1/iscsi_session/session1/state",
             "LOGGED_IN\n");
}

/* As after a reboot: nothing is mapped, and the last word of the NAS is forgotten. */
static void is_unmapped_again(const struct vt *v)
{
    char full[600];

    ck_assert(tns__fmt(full, sizeof(full), "%s/dev/tnstor/nas/" DISK, v->root));
    ck_assert_int_eq(unlink(full), 0);
}

START_TEST(test_a_volume_that_was_mapped_before_is_mapped_soon_while_the_api_hangs)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct vt v;

    a_known_disk(&v, &scsi, GIB);
    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"hang\", \"count\": 1000}");
    for (int i = 0; i < 2; i++) {
        json_decref(mapped_within(&v, i == 0 ? 9000 : 1000, "record"));
        is_unmapped_again(&v);
    }
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_record_that_does_not_help_leaves_a_slow_nas_the_rest_of_the_time)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    json_t *mapped = NULL;
    struct vt v;

    a_known_disk(&v, &scsi, GIB / 2);
    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"hang\", \"count\": 1}");
    vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
    ck_assert_str_eq(json_string_value(json_object_get(mapped, "warning")), "");
    json_decref(mapped);
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_nas_whose_management_service_is_not_up_is_one_that_is_away)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    json_t *mapped = NULL;
    char options[300];
    struct vt v;

    a_known_disk(&v, &scsi, GIB);
    tns_storage_close(v.st);
    /* where no dialect is remembered, the NAS is asked for its versions */
    snprintf(options, sizeof(options),
             "{\"use_multipath\": 0, \"api_transport\": \"ws\", \"tn_run_dir\": \"%s2\"}",
             v.run);
    v.st = vt_more(&v, "n1", options);
    v.st->node.scsi = &scsi;
    tst_sim_fault(v.sim, "{\"match\": \"http:*\", \"do\": \"status\", \"status\": 502, "
                         "\"count\": 1000}");
    vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(mapped, "warning")), "record"));
    json_decref(mapped);
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

START_TEST(test_the_size_of_a_volume_that_was_mapped_before_is_known_while_the_api_hangs)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct vt v;

    a_known_disk(&v, &scsi, GIB);
    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"hang\", \"count\": 1000}");
    for (int i = 0; i < 2; i++) {
        struct tst_watch from = tst_watch();
        json_t *info = NULL;

        vt_ok(&v, tns_volume_info(v.st, DISK, &info, &v.err));
        ck_assert_uint_lt(tst_own_ms(from), i == 0 ? 9000 : 1000);
        ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(info, "size")), GIB);
        ck_assert_ptr_nonnull(
            strstr(json_string_value(json_object_get(info, "warning")), "record"));
        json_decref(info);
    }
    tns_storage_set_timeout(v.st, 1000);
    ck_assert_int_ne(tns_volume_info(v.st, "vm-101-disk-0", NULL, &v.err), 0);
    tns__error_clear(&v.err);
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_size_that_the_device_does_not_show_any_more_is_not_told_without_the_api)
{
    struct tns_scsi_id id = { .size_bytes = 2 * GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    json_t *info = NULL;
    struct vt v;

    a_mapped_disk(&v, &scsi, 2 * GIB);
    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"hang\", \"count\": 1000}");
    tns_storage_set_timeout(v.st, 1000);
    vt_fails(&v, tns_volume_info(v.st, DISK, &info, &v.err), TNS_E_TIMEOUT);
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

static bool is_remembered(const struct vt *v, const char *linkname)
{
    struct tns_record record = { .memory = NULL };
    bool is = tns__record_read(&v->st->node, "nas", linkname, &record, NULL) == 0;

    tns__record_clear(&record);
    return is;
}

static void remember(struct vt *v, const char *linkname)
{
    struct tns_addr portal = { .host = "127.0.0.1", .port = 3260 };
    struct tns_want want = { .storeid = "nas",
                             .linkname = linkname,
                             .naa = "6589cfc0000000000000000000000001",
                             .target_iqn = v->iqn,
                             .lun = 7,
                             .size_bytes = GIB,
                             .portals = &portal,
                             .n_portals = 1 };

    vt_ok(v, tns__record_write(&v->st->node, &want, &v->err));
}

START_TEST(test_the_record_of_a_volume_that_was_freed_elsewhere_goes_when_another_is_mapped)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    json_t *mapped = NULL;
    char name[256];
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    vt_ok(&v, tns_volume_alloc(v.st, 101, "vm-101-disk-0", GIB, name, &v.err));
    remember(&v, "vm-101-disk-0");
    remember(&v, "vm-102-disk-0");
    remember(&v, "vm-101-disk-0@s1");
    remember(&v, "base-103-disk-0+vm-104-disk-0@s1");
    vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
    json_decref(mapped);
    ck_assert(is_remembered(&v, DISK));
    ck_assert(is_remembered(&v, "vm-101-disk-0"));
    ck_assert(is_remembered(&v, "vm-101-disk-0@s1"));
    ck_assert(!is_remembered(&v, "vm-102-disk-0"));
    ck_assert(!is_remembered(&v, "base-103-disk-0+vm-104-disk-0@s1"));
    vt_close(&v);
}
END_TEST

START_TEST(test_another_nas_does_not_tell_what_is_gone_whatever_it_lacks)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    remember(&v, "vm-200-disk-0");
    tst_file(v.root, "etc/pve/priv/tnstor/pool-nas", "tank 4711\n");
    vt_world(&v, "{\"destroy\": \"%s\"}");
    tns_storage_close(v.st);
    v.st = vt_more(&v, "n1", NULL);
    vt_fails(&v, tns_storage_tidy(v.st, NULL, &v.err), TNS_E_IDENTITY);
    ck_assert(is_remembered(&v, "vm-200-disk-0"));
    vt_close(&v);
}
END_TEST

START_TEST(test_records_stay_while_the_nas_cannot_tell_what_is_gone)
{
    struct vt v;

    vt_open(&v, tst_cell_sim());
    for (int i = 0; i < 150; i++) {
        char linkname[64];

        snprintf(linkname, sizeof(linkname), "vm-%d-disk-0", 200 + i);
        remember(&v, linkname);
    }
    tst_sim_world(v.sim, "{\"pool\": {\"name\": \"tank\", \"exported\": true}}");
    ck_assert_int_ne(tns_storage_tidy(v.st, NULL, &v.err), 0);
    tns__error_clear(&v.err);
    ck_assert(is_remembered(&v, "vm-200-disk-0"));
    tst_sim_world(v.sim, "{\"pool\": {\"name\": \"tank\", \"exported\": false}}");
    vt_ok(&v, tns_storage_tidy(v.st, NULL, &v.err));
    ck_assert(!is_remembered(&v, "vm-200-disk-0"));
    ck_assert(!is_remembered(&v, "vm-349-disk-0"));
    vt_close(&v);
}
END_TEST

START_TEST(
    test_an_unmapped_volume_is_remembered_for_a_start_without_the_api_until_it_is_freed)
{
    struct tns_want want = {
        .storeid = "nas", .linkname = DISK, .lun = 7, .size_bytes = GIB
    };
    struct tns_addr portal = { .host = "127.0.0.1", .port = 3260 };
    char name[256];
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    want.target_iqn = v.iqn;
    want.portals = &portal;
    want.n_portals = 1;
    naa_of(&v, want.naa);
    vt_ok(&v, tns__record_write(&v.st->node, &want, &v.err));
    vt_ok(&v, tns_volume_unmap(v.st, DISK, NULL, &v.err));
    ck_assert(is_remembered(&v, DISK));

    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"cut-before\", \"count\": 1000}");
    tns_storage_set_timeout(v.st, 2000);
    ck_assert_int_ne(tns_volume_map(v.st, DISK, NULL, NULL, &v.err), 0);
    tst_says(&v.err, "this node's record");
    tns__error_clear(&v.err);
    tst_sim_reset(v.sim);

    tns_storage_set_timeout(v.st, 45000);
    vt_ok(&v, tns_volume_free(v.st, DISK, &v.err));
    ck_assert(!is_remembered(&v, DISK));
    vt_close(&v);
}
END_TEST

START_TEST(
    test_a_disk_that_was_renamed_elsewhere_is_not_had_by_its_old_name_without_the_api)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct tns_storage *other;
    json_t *mapped = NULL;
    char name[256];
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    other = elsewhere(&v);
    vt_ok(&v, tns_volume_rename(other, DISK, 200, NULL, name, &v.err));
    tns_storage_close(other);
    pmxcfs_brings(&v, "/etc/pve/priv/tnstor/renamed-nas");

    tst_sim_fault(v.sim, "{\"match\": \"*\", \"do\": \"cut-before\", \"count\": 1000}");
    tns_storage_set_timeout(v.st, 2000);
    ck_assert_int_eq(tns_volume_map(v.st, DISK, NULL, &mapped, &v.err), -TNS_E_IDENTITY);
    tst_says(&v.err, "was renamed");
    tns__error_clear(&v.err);
    tst_sim_reset(v.sim);
    vt_close(&v);
}
END_TEST

/* The map is open in a process of this node. */
static void is_open(const struct vt *v)
{
    link_to(v, "/sys/class/block/sdb/device", "../../../3:0:0:7");
    link_to(v, "/proc/4711/fd/5", "/dev/dm-3");
    tst_file(v->root, "proc/self/mountinfo", "\n");
    tst_file(v->root, "proc/4711/comm", "kvm\n");
}

START_TEST(test_d21_a_volume_that_is_open_on_this_node_is_neither_rolled_back_nor_freed)
{
    char name[256];
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    was_mapped(&v, GIB);
    is_open(&v);
    vt_count_reset(&v);
    ck_assert_int_eq(tns_rollback(v.st, DISK, "s1", &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "kvm");
    tns__error_clear(&v.err);
    ck_assert_int_eq(tst_sim_calls(v.sim, "pool.snapshot.rollback"), 0);
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "kvm");
    tns__error_clear(&v.err);
    ck_assert(vt_listed(&v, DISK));
    vt_close(&v);
}
END_TEST

START_TEST(test_d21_a_volume_that_is_open_under_another_spelling_of_its_name_is_left_alone)
{
    char name[256];
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    was_mapped_as(&v, "vol-" DISK "-lun7", GIB);
    is_open(&v);
    ck_assert_int_eq(tns_volume_free(v.st, DISK, &v.err), -TNS_E_CONFLICT);
    tst_says(&v.err, "kvm");
    tns__error_clear(&v.err);
    ck_assert_int_eq(tns_rollback(v.st, DISK, "s1", &v.err), -TNS_E_CONFLICT);
    tns__error_clear(&v.err);
    ck_assert_int_eq(tns_volume_rename(v.st, DISK, 200, NULL, name, &v.err),
                     -TNS_E_CONFLICT);
    tns__error_clear(&v.err);
    ck_assert(vt_listed(&v, DISK));
    vt_close(&v);
}
END_TEST

START_TEST(test_d27_a_child_that_inherits_a_handle_is_refused_and_leaves_it_working)
{
    char name[256];
    int status = 0;
    pid_t pid;
    struct vt v;

    vt_open(&v, tst_cell_sim());
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    vt_count_reset(&v);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool refused = tns_volume_map(v.st, DISK, NULL, NULL, NULL) == -TNS_E_FORKED &&
                       tns_volume_free(v.st, DISK, NULL) == -TNS_E_FORKED;

        tns_storage_close(v.st);
        _exit(refused ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(vt_calls(&v), 0);
    ck_assert(vt_listed(&v, DISK));
    ck_assert_int_eq(tst_sim_stat(v.sim, "logins"), 0);
    vt_close(&v);
}
END_TEST

static json_int_t id_of(const struct vt *v, const char *table, const char *key,
                        const char *value)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    json_t *row = vt_row(world, table, key, value);

    ck_assert_ptr_nonnull(row);
    return json_integer_value(json_object_get(row, "id"));
}

static bool is_admitted(const struct vt *v, const char *iqn)
{
    _tns_json_ json_t *world = tst_sim_get(v->sim, "/world");
    json_t *row = vt_row(world, "initiator", "comment", "tnstor " VT_OWNER " nas");
    json_t *name;
    size_t i;

    json_array_foreach(json_object_get(row, "initiators"), i, name)
    {
        if (strcmp(json_string_value(name), iqn) == 0)
            return true;
    }
    return false;
}

static void call(struct vt *v, const char *method, const char *params_fmt, ...)
{
    _tns_json_ json_t *params = NULL;
    json_t *result = NULL;
    char text[600];
    va_list ap;

    va_start(ap, params_fmt);
    vsnprintf(text, sizeof(text), params_fmt, ap);
    va_end(ap);
    params = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(params);
    vt_ok(v, tns_storage_call(v->st, method, params, &result, &v->err));
    json_decref(result);
}

/* Two nodes that start together read the same group, and the second writes it without the first. */
START_TEST(test_a_node_that_another_one_wrote_out_of_the_initiator_group_adds_itself_again)
{
    static const char *const mishaps[] = {
        "{\"match\": \"iscsi.initiator.update\", \"do\": \"answer\", \"result\": {}}",
        "{\"match\": \"iscsi.initiator.update\", \"do\": \"cut\"}",
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(mishaps); i++) {
        char name[256];
        struct vt v;

        vt_open(&v, tst_cell_sim());
        tst_file(v.root, "etc/iscsi/initiatorname.iscsi",
                 "InitiatorName=iqn.2000-01.x:me\n");
        vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
        call(&v, "iscsi.initiator.create",
             "[{\"initiators\": [\"iqn.2000-01.x:other\"], \"comment\": \"tnstor " VT_OWNER
             " nas\"}]");
        call(&v, "iscsi.target.update",
             "[%lld, {\"groups\": [{\"portal\": 1, \"initiator\": %lld, \"authmethod\": "
             "\"NONE\", \"auth\": null}]}]",
             (long long)id_of(&v, "target", "name", v.target),
             (long long)id_of(&v, "initiator", "comment", "tnstor " VT_OWNER " nas"));
        tst_sim_fault(v.sim, mishaps[i]);
        tns_storage_set_timeout(v.st, 8000);
        /* there is no iSCSI here: what counts is that it came so far */
        ck_assert_int_ne(tns_volume_map(v.st, DISK, NULL, NULL, &v.err), 0);
        tns__error_clear(&v.err);
        ck_assert(is_admitted(&v, "iqn.2000-01.x:me"));
        ck_assert(is_admitted(&v, "iqn.2000-01.x:other"));
        tst_sim_reset(v.sim);
        call(&v, "iscsi.initiator.delete", "[%lld]",
             (long long)id_of(&v, "initiator", "comment", "tnstor " VT_OWNER " nas"));
        vt_close(&v);
    }
}
END_TEST

static unsigned n_left_over;

static void listen_for_leftovers(void *user, int level, const char *component,
                                 const char *msg)
{
    (void)user;
    (void)level;
    (void)component;
    n_left_over += strstr(msg, "vm-101-disk-0 is left over") != NULL;
}

START_TEST(test_d02_mapping_a_volume_tidies_up_after_others_but_not_each_time)
{
    struct tns_scsi_id id = { .size_bytes = GIB, .blocksize = 512 };
    struct tns_scsi scsi = { .identify = answer, .user = &id };
    struct vt v;

    a_mapped_disk(&v, &scsi, GIB);
    v.st->ctx->log_fn = listen_for_leftovers;
    v.st->ctx->log_level = LOG_INFO;
    tst_file(v.root, "var/lib/tnstor/nas/vm-101-disk-0.json", "no record");
    for (int i = 0; i < 2; i++) {
        json_t *mapped = NULL;

        vt_ok(&v, tns_volume_map(v.st, DISK, NULL, &mapped, &v.err));
        ck_assert_uint_eq(n_left_over, 1);
        json_decref(mapped);
        a_while_ago(&v);
    }
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_a_volume_freed_elsewhere_is_not_found_whatever_this_node_has_left_of_it);
    tcase_add_test(
        tc, test_a_mapped_volume_that_was_grown_on_another_node_is_taken_at_its_new_size);
    tcase_add_test(
        tc, test_a_name_that_went_to_another_volume_elsewhere_never_maps_the_one_it_was);
    tcase_add_test(
        tc, test_d21_a_volume_that_is_open_on_this_node_is_neither_rolled_back_nor_freed);
    tcase_add_test(
        tc,
        test_d21_a_volume_that_is_open_under_another_spelling_of_its_name_is_left_alone);
    tcase_add_test(
        tc, test_d27_a_child_that_inherits_a_handle_is_refused_and_leaves_it_working);
    tcase_add_test(
        tc,
        test_the_record_of_a_volume_that_was_freed_elsewhere_goes_when_another_is_mapped);
    tcase_add_test(tc, test_another_nas_does_not_tell_what_is_gone_whatever_it_lacks);
    tcase_add_test(tc, test_records_stay_while_the_nas_cannot_tell_what_is_gone);
    tcase_add_test(tc, test_d02_mapping_a_volume_tidies_up_after_others_but_not_each_time);
    tcase_add_test(
        tc,
        test_an_unmapped_volume_is_remembered_for_a_start_without_the_api_until_it_is_freed);
    tcase_add_test(
        tc,
        test_a_disk_that_was_renamed_elsewhere_is_not_had_by_its_old_name_without_the_api);
    tcase_add_test(tc, test_a_mapped_volume_asks_the_nas_once_and_not_again_within_seconds);
    tcase_add_test(
        tc, test_a_mapped_volume_stays_usable_while_the_api_hangs_and_is_asked_for_once);
    tcase_add_test(tc,
                   test_a_volume_that_was_mapped_before_is_mapped_soon_while_the_api_hangs);
    tcase_add_test(tc,
                   test_a_record_that_does_not_help_leaves_a_slow_nas_the_rest_of_the_time);
    tcase_add_test(
        tc, test_the_size_of_a_volume_that_was_mapped_before_is_known_while_the_api_hangs);
    tcase_add_test(
        tc,
        test_a_node_that_another_one_wrote_out_of_the_initiator_group_adds_itself_again);
    tcase_add_test(
        tc, test_a_size_that_the_device_does_not_show_any_more_is_not_told_without_the_api);
    tcase_add_test(tc, test_a_nas_whose_management_service_is_not_up_is_one_that_is_away);
}

int main(void)
{
    Suite *s = suite_create("activate");

    setenv("TNS_TEST_CELLS", "25.10/jsonrpc", 0);
    tst_matrix(s, add);
    return tst_run(s);
}
