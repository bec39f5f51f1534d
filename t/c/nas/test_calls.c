/* SPDX-License-Identifier: Apache-2.0 */
/* Every typed call, against tnsim in every release and dialect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "nas/fix.h"

#define OK(call) tst_ok(call, &f.err)
#define FAILS(call, code) tst_fails(call, code, &f.err)

static bool is_rest(void)
{
    return tst_cell_is(NULL, "rest");
}

static bool at_least(const char *release)
{
    return strcmp(tst_cell()->release, release) >= 0;
}

/* ---- the system ---- */

START_TEST(the_nas_is_ready_and_says_who_it_is_and_what_time_it_is)
{
    _fix_ struct fix f;
    _tns_free_ char *id = NULL;
    _tns_free_ char *again = NULL;
    bool ready = false;
    int64_t now = 0;

    fix_open(&f);
    OK(tns__system_ready(f.s, &ready, &f.err));
    ck_assert(ready);
    OK(tns__system_time(f.s, &now, &f.err));
    ck_assert_int_lt(llabs(now - (int64_t)time(NULL)), 60);
    OK(tns__system_identity(f.s, &id, &f.err));
    OK(tns__system_identity(f.s, &again, &f.err));
    ck_assert_str_eq(id, again);
    ck_assert_uint_gt(strlen(id), 8);
}
END_TEST

START_TEST(pools_are_listed_and_found_by_name)
{
    _fix_ struct fix f;
    struct tns_pool_list *list = NULL;
    struct tns_pool *pool = NULL;
    uint64_t bytes = 0;

    fix_open(&f);
    OK(tns__pool_list(f.s, &list, &f.err));
    ck_assert_uint_eq(list->n, 2);
    tns__pool_list_free(list);
    OK(tns__pool_get(f.s, "tank", &pool, &f.err));
    ck_assert_str_eq(pool->name, "tank");
    ck_assert_str_eq(pool->status, "ONLINE");
    ck_assert(pool->healthy && !pool->draid);
    ck_assert_uint_gt(strlen(pool->guid), 5);
    tns__pool_free(pool);
    pool = NULL;
    FAILS(tns__pool_get(f.s, "nopool", &pool, &f.err), TNS_E_NOTFOUND);
    ck_assert_ptr_null(pool);
    OK(tns__recommended_blocksize(f.s, "tank", &bytes, &f.err));
    ck_assert_uint_eq(bytes, 16384);
    FAILS(tns__recommended_blocksize(f.s, "nopool", &bytes, &f.err), TNS_E_UNAVAILABLE);
}
END_TEST

START_TEST(the_roles_of_the_key_are_known_where_the_release_tells_them)
{
    _fix_ struct fix f;
    struct tns_roles roles = { 0 };

    fix_open(&f);
    OK(tns__roles_get(f.s, &roles, &f.err));
    ck_assert(roles.known == (at_least("25.04") && !is_rest()));
    ck_assert(roles.full_admin == roles.known);
    ck_assert(!tns__roles_lack(&roles, "DATASET_DELETE"));
    tns__roles_clear(&roles);
}
END_TEST

/* ---- datasets ---- */

START_TEST(a_zvol_is_created_with_its_tags_and_read_back)
{
    _fix_ struct fix f;
    _tns_json_ json_t *tags =
        json_pack("{s: s, s: s}", "org.tnstor:owner", "me", "org.tnstor:state", "creating");
    struct tns_dataset *d = NULL;
    struct tns_zvol_spec spec = { .volsize_bytes = 24 * MIB,
                                  .volblocksize_bytes = 8192,
                                  .sparse = true,
                                  .compression = "off",
                                  .sync = "always",
                                  .comments = "for \xc3\xa4 guest",
                                  .tags = tags };

    fix_open(&f);
    spec.id = f.vol;
    OK(tns__zvol_create(f.s, &spec, &f.err));
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    ck_assert_str_eq(d->id, f.vol);
    ck_assert_str_eq(d->pool, "tank");
    ck_assert_int_eq(d->type, TNS_DATASET_VOLUME);
    ck_assert_uint_eq(d->volsize_bytes, 24 * MIB);
    ck_assert_uint_eq(d->volblocksize_bytes, 8192);
    ck_assert_uint_eq(d->refreservation_bytes, 0);
    ck_assert_uint_gt(d->available_bytes, 0);
    ck_assert_int_gt(d->creation_s, 1600000000);
    ck_assert_ptr_null(d->origin);
    ck_assert(!d->encrypted && !d->locked && !d->readonly);
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:owner"), "me");
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:state"), "creating");
    ck_assert_ptr_null(tns__dataset_tag(d, "comments"));
    tns__dataset_free(d);
    FAILS(tns__zvol_create(f.s, &spec, &f.err), TNS_E_EXISTS);
}
END_TEST

START_TEST(a_thick_zvol_reserves_its_size)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;
    struct tns_zvol_spec spec = { .volsize_bytes = 16 * MIB };

    fix_open(&f);
    spec.id = f.vol;
    OK(tns__zvol_create(f.s, &spec, &f.err));
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    ck_assert_uint_ge(d->refreservation_bytes, 16 * MIB);
    tns__dataset_free(d);
}
END_TEST

START_TEST(tags_are_set_changed_and_removed)
{
    _fix_ struct fix f;
    _tns_json_ json_t *first =
        json_pack("{s: s, s: s}", "org.tnstor:a", "1", "org.tnstor:b", "2");
    _tns_json_ json_t *second =
        json_pack("{s: s, s: n}", "org.tnstor:a", "3", "org.tnstor:b");
    struct tns_dataset *d = NULL;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__dataset_set_tags(f.s, f.vol, first, &f.err));
    OK(tns__dataset_set_tags(f.s, f.vol, second, &f.err));
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:a"), "3");
    ck_assert_ptr_null(tns__dataset_tag(d, "org.tnstor:b"));
    ck_assert_str_eq(tns__dataset_tag(d, "org.tnstor:self"), f.vol);
    tns__dataset_free(d);
    FAILS(tns__dataset_set_tags(f.s, fix_name(&f, "none"), first, &f.err), TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_zvol_grows_and_never_shrinks)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__zvol_resize(f.s, f.vol, 32 * MIB, true, &f.err));
    OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
    ck_assert_uint_eq(d->volsize_bytes, 32 * MIB);
    tns__dataset_free(d);
    FAILS(tns__zvol_resize(f.s, f.vol, 16 * MIB, true, &f.err), TNS_E_CONFLICT);
    FAILS(tns__zvol_resize(f.s, fix_name(&f, "none"), 16 * MIB, true, &f.err),
          TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_zvol_becomes_read_only_and_writable_again)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;

    fix_open(&f);
    fix_volume(&f);
    for (int i = 1; i >= 0; i--) {
        OK(tns__dataset_set_readonly(f.s, f.vol, i, &f.err));
        OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
        ck_assert(d->readonly == i);
        tns__dataset_free(d);
    }
}
END_TEST

START_TEST(the_children_of_a_dataset_are_listed_flat_and_in_one_call)
{
    _fix_ struct fix f;
    struct tns_dataset_list *l = NULL;
    struct tns_dataset_filter filter = { .with_tags = true };
    struct tns_zvol_spec spec = { .volsize_bytes = 16 * MIB, .sparse = true };
    json_int_t before;
    bool seen = false;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__filesystem_create(f.s, fix_name(&f, "sub"), NULL, &f.err));
    spec.id = fix_name(&f, "sub/deep");
    OK(tns__zvol_create(f.s, &spec, &f.err));
    filter.parent = f.root;
    before = tst_sim_calls(tst_cell_sim(), "pool.dataset.query");
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert_int_eq(tst_sim_calls(tst_cell_sim(), "pool.dataset.query") - before, 1);
    ck_assert_uint_eq(l->n, 2);
    for (size_t i = 0; i < l->n; i++) {
        const char *self = tns__dataset_tag(&l->items[i], "org.tnstor:self");

        if (strcmp(l->items[i].id, f.vol) == 0)
            seen = self && strcmp(self, f.vol) == 0;
    }
    ck_assert(seen);
    tns__dataset_list_free(l);
    l = NULL;
    filter.parent = fix_name(&f, "none");
    FAILS(tns__dataset_list(f.s, &filter, &l, &f.err), TNS_E_NOTFOUND);
    filter.parent = "nopool/x";
    FAILS(tns__dataset_list(f.s, &filter, &l, &f.err), TNS_E_UNAVAILABLE);
}
END_TEST

START_TEST(zvols_are_found_by_their_names)
{
    _fix_ struct fix f;
    struct tns_dataset_list *l = NULL;
    const char *ids[4] = { 0 };
    const struct tns_dataset_filter filter = { .ids = ids };

    fix_open(&f);
    fix_volume(&f);
    ids[0] = fix_name(&f, "none");
    ids[1] = f.vol;
    ids[2] = f.root; /* a filesystem: not told */
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert_uint_eq(l->n, 1);
    ck_assert_str_eq(l->items[0].id, f.vol);
    ck_assert_uint_eq(l->items[0].volsize_bytes, 16 * MIB);
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(the_dataset_that_zvols_are_in_comes_along_with_its_room)
{
    _fix_ struct fix f;
    struct tns_dataset_list *l = NULL;
    struct tns_dataset *root = NULL;
    const struct tns_caps *caps = NULL;
    const char *ids[3] = { 0 };
    struct tns_dataset_filter filter = { .ids = ids };

    fix_open(&f);
    fix_volume(&f);
    OK(tns__session_caps(f.s, &caps, &f.err));
    ids[0] = f.vol;
    ids[1] = f.root; /* among the zvols it is none, whatever comes along */
    filter.within = "tank";
    if (!tns__dataset_takes_within(caps)) {
        FAILS(tns__dataset_list(f.s, &filter, &l, &f.err), TNS_E_BUG);
        return;
    }
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert_uint_eq(l->n, 2);
    FAILS(tns__dataset_take(l, f.root, &root, &f.err), TNS_E_NOTFOUND);
    OK(tns__dataset_take(l, "tank", &root, &f.err));
    ck_assert_int_eq(root->type, TNS_DATASET_FILESYSTEM);
    ck_assert_uint_gt(root->available_bytes, 0);
    ck_assert_uint_eq(l->n, 1);
    ck_assert_str_eq(l->items[0].id, f.vol);
    tns__dataset_free(root);
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(space_of_a_dataset_is_read_with_four_properties)
{
    _fix_ struct fix f;
    struct tns_dataset_list *l = NULL;
    struct tns_dataset_filter filter = { .minimal = true };

    fix_open(&f);
    filter.id = f.root;
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert_uint_eq(l->n, 1);
    ck_assert_uint_gt(l->items[0].available_bytes, 0);
    ck_assert_ptr_null(l->items[0].tags);
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(a_dataset_is_deleted_once_and_then_not_found)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;

    fix_open(&f);
    fix_volume(&f);
    FAILS(tns__dataset_delete(f.s, f.root, &f.err), TNS_E_CONFLICT); /* has a child */
    OK(tns__dataset_delete(f.s, f.vol, &f.err));
    FAILS(tns__dataset_get(f.s, f.vol, &d, &f.err), TNS_E_NOTFOUND);
    FAILS(tns__dataset_delete(f.s, f.vol, &f.err), TNS_E_NOTFOUND);
    OK(tns__dataset_delete(f.s, f.root, &f.err));
}
END_TEST

START_TEST(a_zvol_is_renamed_where_the_release_can)
{
    _fix_ struct fix f;
    struct tns_dataset *d = NULL;
    const char *new_id;

    fix_open(&f);
    fix_volume(&f);
    new_id = fix_name(&f, "vm-2-disk-0");
    if (is_rest() && !at_least("25.10")) {
        FAILS(tns__dataset_rename(f.s, f.vol, new_id, &f.err), TNS_E_UNSUPPORTED);
        OK(tns__dataset_get(f.s, f.vol, &d, &f.err));
        tns__dataset_free(d);
        return;
    }
    OK(tns__dataset_rename(f.s, f.vol, new_id, &f.err));
    OK(tns__dataset_get(f.s, new_id, &d, &f.err));
    tns__dataset_free(d);
    d = NULL;
    FAILS(tns__dataset_get(f.s, f.vol, &d, &f.err), TNS_E_NOTFOUND);
    fix_volume(&f);
    FAILS(tns__dataset_rename(f.s, f.vol, new_id, &f.err), TNS_E_EXISTS);
}
END_TEST

/* ---- snapshots ---- */

START_TEST(snapshots_are_taken_listed_and_deleted)
{
    _fix_ struct fix f;
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:op", "42");
    struct tns_snapshot_list *l = NULL;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__snapshot_list(f.s, f.vol, &l, &f.err));
    ck_assert_uint_eq(l->n, 0);
    tns__snapshot_list_free(l);
    OK(tns__snapshot_create(f.s, f.vol, "zz", tags, &f.err));
    OK(tns__snapshot_create(f.s, f.vol, "aa", NULL, &f.err));
    FAILS(tns__snapshot_create(f.s, f.vol, "aa", NULL, &f.err), TNS_E_EXISTS);
    OK(tns__snapshot_list(f.s, f.vol, &l, &f.err));
    ck_assert_uint_eq(l->n, 2);
    ck_assert_str_eq(l->items[0].name, "zz");
    ck_assert_str_eq(l->items[0].dataset, f.vol);
    ck_assert_str_eq(json_string_value(json_object_get(l->items[0].tags, "org.tnstor:op")),
                     "42");
    ck_assert_uint_eq(l->items[0].volsize_bytes, 16 * MIB);
    ck_assert_str_eq(l->items[1].name, "aa");
    ck_assert_uint_lt(l->items[0].createtxg, l->items[1].createtxg);
    ck_assert(!l->items[1].held);
    tns__snapshot_list_free(l);
    OK(tns__snapshot_delete(f.s, f.vol, "zz", &f.err));
    FAILS(tns__snapshot_delete(f.s, f.vol, "zz", &f.err), TNS_E_NOTFOUND);
    FAILS(tns__dataset_delete(f.s, f.vol, &f.err), TNS_E_CONFLICT); /* has a snapshot */
    OK(tns__snapshot_list(f.s, fix_name(&f, "none"), &l, &f.err));
    ck_assert_uint_eq(l->n, 0);
    tns__snapshot_list_free(l);
    FAILS(tns__snapshot_create(f.s, fix_name(&f, "none"), "x", NULL, &f.err),
          TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_held_snapshot_is_seen_as_held_and_not_deleted)
{
    _fix_ struct fix f;
    struct tns_snapshot_list *l = NULL;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__snapshot_create(f.s, f.vol, "s", NULL, &f.err));
    OK(tns__snapshot_hold(f.s, f.vol, "s", true, &f.err));
    OK(tns__snapshot_list(f.s, f.vol, &l, &f.err));
    ck_assert(l->items[0].held);
    tns__snapshot_list_free(l);
    ck_assert_int_eq(tns__snapshot_delete(f.s, f.vol, "s", &f.err), -TNS_E_CONFLICT);
    tst_says(&f.err, "h"); /* "holds: truenas" or "it is held" */
    ck_assert(strstr(f.err.text, "held") || strstr(f.err.text, "holds"));
    tns__error_clear(&f.err);
    OK(tns__snapshot_hold(f.s, f.vol, "s", false, &f.err));
    OK(tns__snapshot_delete(f.s, f.vol, "s", &f.err));
}
END_TEST

START_TEST(rollback_goes_to_the_newest_snapshot_only)
{
    _fix_ struct fix f;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__snapshot_create(f.s, f.vol, "one", NULL, &f.err));
    OK(tns__snapshot_rollback(f.s, f.vol, "one", &f.err));
    OK(tns__snapshot_create(f.s, f.vol, "two", NULL, &f.err));
    FAILS(tns__snapshot_rollback(f.s, f.vol, "one", &f.err), TNS_E_CONFLICT);
    OK(tns__snapshot_rollback(f.s, f.vol, "two", &f.err));
    FAILS(tns__snapshot_rollback(f.s, f.vol, "none", &f.err), TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_clone_has_its_tags_is_found_by_origin_and_keeps_its_snapshot)
{
    _fix_ struct fix f;
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:owner", "me");
    struct tns_dataset_list *l = NULL;
    struct tns_dataset_filter filter = { .with_tags = true };
    char origin[160];
    const char *clone;

    fix_open(&f);
    fix_volume(&f);
    clone = fix_name(&f, "c1");
    snprintf(origin, sizeof(origin), "%s@base", f.vol);
    OK(tns__snapshot_create(f.s, f.vol, "base", NULL, &f.err));
    OK(tns__snapshot_clone(f.s, f.vol, "base", clone, tags, &f.err));
    FAILS(tns__snapshot_clone(f.s, f.vol, "base", clone, tags, &f.err), TNS_E_EXISTS);
    FAILS(tns__snapshot_clone(f.s, f.vol, "none", fix_name(&f, "c2"), tags, &f.err),
          TNS_E_NOTFOUND);
    for (int i = 0; i < 2; i++) {
        filter.origin_of = i ? origin : f.vol;
        OK(tns__dataset_list(f.s, &filter, &l, &f.err));
        ck_assert_uint_eq(l->n, 1);
        ck_assert_str_eq(l->items[0].id, clone);
        ck_assert_str_eq(l->items[0].origin, origin);
        ck_assert_str_eq(tns__dataset_tag(&l->items[0], "org.tnstor:owner"), "me");
        tns__dataset_list_free(l);
    }
    ck_assert_int_eq(tns__snapshot_delete(f.s, f.vol, "base", &f.err), -TNS_E_CONFLICT);
    tst_says(&f.err, clone);
    tns__error_clear(&f.err);
    FAILS(tns__dataset_promote(f.s, f.vol, &f.err), TNS_E_CONFLICT);
    FAILS(tns__dataset_promote(f.s, fix_name(&f, "none"), &f.err), TNS_E_NOTFOUND);
    OK(tns__dataset_promote(f.s, clone, &f.err));
    filter.origin_of = clone;
    OK(tns__dataset_list(f.s, &filter, &l, &f.err));
    ck_assert_uint_eq(l->n, 1);
    ck_assert_str_eq(l->items[0].id, f.vol);
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(a_snapshot_is_renamed_where_the_release_can)
{
    _fix_ struct fix f;
    struct tns_snapshot_list *l = NULL;

    fix_open(&f);
    fix_volume(&f);
    OK(tns__snapshot_create(f.s, f.vol, "a", NULL, &f.err));
    if (!at_least("25.10")) {
        FAILS(tns__snapshot_rename(f.s, f.vol, "a", "b", &f.err), TNS_E_UNSUPPORTED);
        return;
    }
    OK(tns__snapshot_rename(f.s, f.vol, "a", "b", &f.err));
    OK(tns__snapshot_list(f.s, f.vol, &l, &f.err));
    ck_assert_str_eq(l->items[0].name, "b");
    tns__snapshot_list_free(l);
}
END_TEST

/* ---- iSCSI ---- */

static size_t extents(struct fix *f, const struct tns_extent_filter *filter,
                      struct tns_extent *ret_first)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(f->s);
    struct tns_extent_list *l = NULL;
    size_t n;

    tns__extent_list_put(b, filter, &l);
    tst_ok(tns__batch_run(b, &f->err), &f->err);
    n = l->n;
    if (n && ret_first) {
        *ret_first = l->items[0];
        ck_assert_uint_eq(strlen(l->items[0].naa), 32);
        ck_assert_uint_eq(strspn(l->items[0].naa, "0123456789abcdef"), 32);
    }
    tns__extent_list_free(l);
    return n;
}

START_TEST(an_extent_is_found_by_disk_prefix_name_and_id)
{
    _fix_ struct fix f;
    char disk[160], prefix[160];
    struct tns_extent e = { 0 };
    struct tns_extent_spec spec = { .name = "x",
                                    .serial = "0123456789abcde",
                                    .comment = "op" };

    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    snprintf(disk, sizeof(disk), "zvol/%s", f.vol);
    snprintf(prefix, sizeof(prefix), "zvol/%s/", f.root);
    ck_assert_uint_eq(extents(&f, &(struct tns_extent_filter){ .disk = disk }, &e), 1);
    ck_assert_int_eq(e.id, f.extent_id);
    ck_assert(e.enabled && !e.ro && !e.locked);
    ck_assert_uint_eq(e.blocksize, 512);
    ck_assert_uint_eq(extents(&f, &(struct tns_extent_filter){ .disk_prefix = prefix }, &e),
                      1);
    ck_assert_uint_eq(extents(&f, &(struct tns_extent_filter){ .id = f.extent_id }, &e), 1);
    ck_assert_uint_eq(extents(&f, &(struct tns_extent_filter){ .name = "no such" }, NULL),
                      0);
    ck_assert_uint_ge(extents(&f, NULL, NULL), 1);
    spec.zvol = fix_name(&f, "none");
    ck_assert_int_ne(tns__extent_create(f.s, &spec, NULL, &f.err), 0);
}
END_TEST

START_TEST(an_extent_follows_its_renamed_zvol_and_keeps_its_identity)
{
    _fix_ struct fix f;
    struct tns_extent_list *l = NULL;
    _tns_batch_ struct tns_batch *b = NULL;
    const struct tns_extent_filter *all = NULL;
    char naa[33] = "";

    (void)all;
    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    for (int i = 0; i < 2; i++) {
        const struct tns_extent_filter by_id = { .id = f.extent_id };

        b = tns__batch_new(f.s);
        tns__extent_list_put(b, &by_id, &l);
        OK(tns__batch_run(b, &f.err));
        ck_assert_uint_eq(l->n, 1);
        if (i)
            ck_assert_str_eq(l->items[0].naa, naa);
        snprintf(naa, sizeof(naa), "%s", l->items[0].naa);
        tns__extent_list_free(l);
        tns__batch_free(TNS_STEAL(b));
        if (i == 0) {
            struct tns_zvol_spec spec = { .volsize_bytes = 16 * MIB, .sparse = true };
            char name[64];

            spec.id = fix_name(&f, "other");
            OK(tns__zvol_create(f.s, &spec, &f.err));
            snprintf(name, sizeof(name), "n%s", f.tag);
            OK(tns__extent_set_zvol(f.s, f.extent_id, spec.id, name, &f.err));
        }
    }
    OK(tns__extent_set_enabled(f.s, f.extent_id, false, &f.err));
    OK(tns__extent_set_enabled(f.s, f.extent_id, true, &f.err));
    FAILS(tns__extent_set_enabled(f.s, 999999, true, &f.err), TNS_E_NOTFOUND);
}
END_TEST

START_TEST(mappings_are_unique_in_target_lun_and_extent)
{
    _fix_ struct fix f;
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_mapping_list *by_target = NULL, *by_extent = NULL, *all = NULL;
    struct tns_mapping_filter t = { 0 }, e = { 0 };
    int64_t id;

    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    FAILS(tns__mapping_create(f.s, f.target_id, f.extent_id, 7, &id, &f.err), TNS_E_EXISTS);
    FAILS(tns__mapping_create(f.s, f.target_id, 999999, 7, &id, &f.err), TNS_E_NOTFOUND);
    t.target_id = f.target_id;
    e.extent_id = f.extent_id;
    b = tns__batch_new(f.s);
    tns__mapping_list_put(b, &t, &by_target);
    tns__mapping_list_put(b, &e, &by_extent);
    tns__mapping_list_put(b, NULL, &all);
    OK(tns__batch_run(b, &f.err));
    ck_assert_uint_eq(by_target->n, 1);
    ck_assert_int_eq(by_target->items[0].id, f.mapping_id);
    ck_assert_int_eq(by_extent->items[0].lun, 0);
    ck_assert_uint_ge(all->n, 1);
    tns__mapping_list_free(by_target);
    tns__mapping_list_free(by_extent);
    tns__mapping_list_free(all);
    OK(tns__mapping_delete(f.s, f.mapping_id, &f.err));
    FAILS(tns__mapping_delete(f.s, f.mapping_id, &f.err), TNS_E_NOTFOUND);
    OK(tns__extent_delete(f.s, f.extent_id, &f.err));
    FAILS(tns__extent_delete(f.s, f.extent_id, &f.err), TNS_E_NOTFOUND);
    OK(tns__target_delete(f.s, f.target_id, &f.err));
    FAILS(tns__target_delete(f.s, f.target_id, &f.err), TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_second_extent_of_a_name_is_refused)
{
    _fix_ struct fix f;
    struct tns_extent_spec spec = { 0 };
    char name[64];

    fix_open(&f);
    fix_volume(&f);
    fix_export(&f);
    snprintf(name, sizeof(name), "t%s", f.tag);
    spec.name = name;
    spec.zvol = f.vol;
    FAILS(tns__extent_create(f.s, &spec, NULL, &f.err), TNS_E_EXISTS);
    FAILS(tns__target_create(f.s, name, NULL, NULL, 0, NULL, &f.err), TNS_E_EXISTS);
}
END_TEST

static int64_t any_portal(struct fix *f)
{
    static const char *const ips[] = { "127.0.0.1", NULL };
    _tns_batch_ struct tns_batch *b = tns__batch_new(f->s);
    struct tns_portal_list *l = NULL;
    int64_t id = 0;

    tns__portal_list_put(b, &l);
    tst_ok(tns__batch_run(b, &f->err), &f->err);
    if (l->n)
        id = l->items[0].id;
    else
        tst_ok(tns__portal_create(f->s, ips, "a portal", &id, &f->err), &f->err);
    tns__portal_list_free(l);
    return id;
}

START_TEST(a_target_has_the_groups_that_it_was_given)
{
    _fix_ struct fix f;
    _tns_secret_ struct tns_secret *chap = tns__secret_new(TST_CANARY_CHAP, 13);
    static const char *const iqns[] = { "iqn.1993-08.org.debian:01:abc", NULL };
    static const char *const more[] = { "iqn.1993-08.org.debian:01:abc",
                                        "iqn.1993-08.org.debian:01:def", NULL };
    struct tns_target_group g = { .authmethod = "CHAP" };
    struct tns_target_list *targets = NULL;
    struct tns_portal_list *portals = NULL;
    struct tns_initiator_list *groups = NULL;
    struct tns_auth_list *auths = NULL;
    struct tns_iscsi_session_list *sessions = NULL;
    struct tns_iscsi_global *global = NULL;
    _tns_batch_ struct tns_batch *b = NULL;
    int64_t id = 0, auth_id = 0;
    char name[64];
    bool seen = false;

    fix_open(&f);
    snprintf(name, sizeof(name), "g%s", f.tag);
    g.auth_tag = getpid();
    g.portal_id = any_portal(&f);
    OK(tns__initiator_create(f.s, iqns, "nodes", &g.initiator_id, &f.err));
    OK(tns__initiator_update(f.s, g.initiator_id, more, &f.err));
    OK(tns__auth_create(f.s, g.auth_tag, "guest", chap, NULL, NULL, &auth_id, &f.err));
    OK(tns__target_create(f.s, name, name, &g, 1, &id, &f.err));
    b = tns__batch_new(f.s);
    tns__target_list_put(b, &targets);
    tns__portal_list_put(b, &portals);
    tns__initiator_list_put(b, &groups);
    tns__auth_list_put(b, &auths);
    tns__iscsi_session_list_put(b, &sessions);
    tns__iscsi_global_get_put(b, &global);
    OK(tns__batch_run(b, &f.err));
    for (size_t i = 0; i < targets->n; i++) {
        const struct tns_target *t = &targets->items[i];

        if (t->id != id)
            continue;
        seen = true;
        ck_assert_str_eq(t->name, name);
        ck_assert_str_eq(t->alias, name);
        ck_assert_uint_eq(t->n_groups, 1);
        ck_assert_int_eq(t->groups[0].portal_id, g.portal_id);
        ck_assert_int_eq(t->groups[0].initiator_id, g.initiator_id);
        ck_assert_int_eq(t->groups[0].auth_tag, g.auth_tag);
        ck_assert_str_eq(t->groups[0].authmethod, "CHAP");
    }
    ck_assert(seen);
    ck_assert_str_eq(portals->items[0].ips[0], "127.0.0.1");
    ck_assert_uint_eq(portals->items[0].port, global->listen_port);
    ck_assert(strncmp(global->basename, "iqn.", 4) == 0);
    ck_assert_str_eq(groups->items[groups->n - 1].iqns[1], more[1]);
    ck_assert_uint_ge(auths->n, 1);
    tns__target_list_free(targets);
    tns__portal_list_free(portals);
    tns__initiator_list_free(groups);
    tns__auth_list_free(auths);
    tns__iscsi_session_list_free(sessions);
    tns__iscsi_global_free(global);
    FAILS(tns__initiator_update(f.s, 999999, more, &f.err), TNS_E_NOTFOUND);
}
END_TEST

/* ---- services and bulk ---- */

START_TEST(the_iscsi_service_is_started_enabled_and_reloaded)
{
    _fix_ struct fix f;
    struct tns_service service = { 0 };

    fix_open(&f);
    OK(tns__service_start(f.s, "iscsitarget", true, &f.err));
    OK(tns__service_get(f.s, "iscsitarget", &service, &f.err));
    ck_assert(service.running && service.enabled);
    OK(tns__service_reload(f.s, "iscsitarget", &f.err));
    FAILS(tns__service_get(f.s, "nosuch", &service, &f.err), TNS_E_NOTFOUND);
}
END_TEST

START_TEST(a_bulk_deletes_what_is_there_and_reports_what_is_not)
{
    _fix_ struct fix f;
    const struct tns_caps *caps = NULL;
    _tns_json_ json_t *rows = NULL;
    struct tns_snapshot_list *l = NULL;
    struct tns_error each[3];
    char a[160], b[160], none[160];

    fix_open(&f);
    fix_volume(&f);
    OK(tns__snapshot_create(f.s, f.vol, "a", NULL, &f.err));
    OK(tns__snapshot_create(f.s, f.vol, "b", NULL, &f.err));
    snprintf(a, sizeof(a), "%s@a", f.vol);
    snprintf(b, sizeof(b), "%s@b", f.vol);
    snprintf(none, sizeof(none), "%s@none", f.vol);
    OK(tns__session_caps(f.s, &caps, &f.err));
    rows = json_pack("[[s], [s], [s]]", a, none, b);
    FAILS(tns__bulk(f.s,
                    caps->snap_ns == TNS_SNAP_ZFS ? "zfs.snapshot.delete"
                                                  : "pool.snapshot.delete",
                    rows, 0, each, &f.err),
          TNS_E_NOTFOUND);
    ck_assert_int_eq(each[0].code, 0);
    ck_assert_int_eq(each[1].code, TNS_E_NOTFOUND);
    ck_assert_int_eq(each[2].code, 0);
    OK(tns__snapshot_list(f.s, f.vol, &l, &f.err));
    ck_assert_uint_eq(l->n, 0);
    tns__snapshot_list_free(l);
}
END_TEST

START_TEST(a_batch_is_one_trip)
{
    _fix_ struct fix f;
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_dataset *d = NULL;
    struct tns_extent_list *e = NULL;
    struct tns_mapping_list *m = NULL;
    struct tns_snapshot_list *sn = NULL;
    struct tns_session_counters before;
    struct tns_session_counters after;

    fix_open(&f);
    fix_volume(&f);
    tns__session_counters(f.s, &before);
    b = tns__batch_new(f.s);
    tns__dataset_get_put(b, f.vol, &d);
    tns__extent_list_put(b, NULL, &e);
    tns__mapping_list_put(b, NULL, &m);
    tns__snapshot_list_put(b, f.vol, &sn);
    OK(tns__batch_run(b, &f.err));
    tns__session_counters(f.s, &after);
    /* REST: one socket answers one request after the other. */
    ck_assert_uint_eq(after.trips - before.trips, is_rest() ? 4 : 1);
    tns__dataset_free(d);
    tns__extent_list_free(e);
    tns__mapping_list_free(m);
    tns__snapshot_list_free(sn);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, the_nas_is_ready_and_says_who_it_is_and_what_time_it_is);
    tcase_add_test(tc, pools_are_listed_and_found_by_name);
    tcase_add_test(tc, the_roles_of_the_key_are_known_where_the_release_tells_them);
    tcase_add_test(tc, a_zvol_is_created_with_its_tags_and_read_back);
    tcase_add_test(tc, a_thick_zvol_reserves_its_size);
    tcase_add_test(tc, tags_are_set_changed_and_removed);
    tcase_add_test(tc, a_zvol_grows_and_never_shrinks);
    tcase_add_test(tc, a_zvol_becomes_read_only_and_writable_again);
    tcase_add_test(tc, the_children_of_a_dataset_are_listed_flat_and_in_one_call);
    tcase_add_test(tc, zvols_are_found_by_their_names);
    tcase_add_test(tc, the_dataset_that_zvols_are_in_comes_along_with_its_room);
    tcase_add_test(tc, space_of_a_dataset_is_read_with_four_properties);
    tcase_add_test(tc, a_dataset_is_deleted_once_and_then_not_found);
    tcase_add_test(tc, a_zvol_is_renamed_where_the_release_can);
    tcase_add_test(tc, snapshots_are_taken_listed_and_deleted);
    tcase_add_test(tc, a_held_snapshot_is_seen_as_held_and_not_deleted);
    tcase_add_test(tc, rollback_goes_to_the_newest_snapshot_only);
    tcase_add_test(tc, a_clone_has_its_tags_is_found_by_origin_and_keeps_its_snapshot);
    tcase_add_test(tc, a_snapshot_is_renamed_where_the_release_can);
    tcase_add_test(tc, an_extent_is_found_by_disk_prefix_name_and_id);
    tcase_add_test(tc, an_extent_follows_its_renamed_zvol_and_keeps_its_identity);
    tcase_add_test(tc, mappings_are_unique_in_target_lun_and_extent);
    tcase_add_test(tc, a_second_extent_of_a_name_is_refused);
    tcase_add_test(tc, a_target_has_the_groups_that_it_was_given);
    tcase_add_test(tc, the_iscsi_service_is_started_enabled_and_reloaded);
    tcase_add_test(tc, a_bulk_deletes_what_is_there_and_reports_what_is_not);
    tcase_add_test(tc, a_batch_is_one_trip);
}

int main(void)
{
    Suite *s = suite_create("nas_calls");

    tst_matrix(s, add);
    return tst_run(s);
}
