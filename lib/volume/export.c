/* SPDX-License-Identifier: Apache-2.0 */
/* The upper half of making a volume: extent, mapping, and the proof that both are its
 * alone. */
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/export.h"
#include "volume/make.h"
#include "volume/tag.h"

#define LUN_TRIES 8

bool tns__extent_comment(const struct tns_storage *st, const char *op, char *ret,
                         size_t cap)
{
    return tns__fmt(ret, cap, "tnstor %s %s %s", st->owner, st->opt.storeid, op);
}

bool tns__extent_is_ours(const struct tns_storage *st, const struct tns_extent *extent)
{
    char prefix[160];

    return extent->comment && st->owner[0] &&
           tns__extent_comment(st, "", prefix, sizeof(prefix)) &&
           tns__starts_with(extent->comment, prefix);
}

/* ---- extent ---- */

static int extents_of(struct tns_make *m, struct tns_extent_list **ret,
                      struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(m->st->session);
    char disk[TNS_DISK_CAP];
    struct tns_extent_filter filter = { .disk = disk };

    if (!b)
        return tns__error_nomem(err);
    tns__disk_name(m->zvol, disk);
    tns__extent_list_put(b, &filter, ret);
    return tns__batch_run(b, err);
}

static int extent_create(struct tns_make *m, struct tns_error *err)
{
    char name[TNS_EXTENT_CAP];
    char comment[240];
    char serial[16];
    struct tns_extent_spec spec = { .name = name,
                                    .zvol = m->zvol,
                                    .serial = serial,
                                    .comment = comment,
                                    .blocksize = 512,
                                    .ro = m->readonly };

    if (!tns__extent_name(m->zvol, name) || !tns__sha256_hex(m->op, 36, 7, serial) ||
        !tns__extent_comment(m->st, m->op, comment, sizeof(comment)))
        return tns__error_set(err, TNS_E_BUG, "no room for the extent's names");
    return tns__extent_create(m->st->session, &spec, &m->extent_id, err);
}

/*
 * The zvol is new, so an extent that is there already is left over from an earlier one of
 * the same name. Ours is removed: kept, its NAA would show the new data under the old
 * identity.
 */
static int stale_extent_remove(struct tns_make *m, bool *ret_removed, struct tns_error *err)
{
    struct tns_extent_list *found = NULL;
    int rc = extents_of(m, &found, err);
    size_t i;

    *ret_removed = false;
    for (i = 0; rc == 0 && i < found->n; i++) {
        if (!tns__extent_is_ours(m->st, &found->items[i])) {
            rc = tns__error_set(err, TNS_E_EXISTS,
                                "extent '%s' points at %s already and is not "
                                "ours: remove it on the NAS",
                                found->items[i].name, m->zvol);
            break;
        }
        rc = tns__extent_remove(m->st, found->items[i].id, err);
        *ret_removed = true;
    }
    tns__extent_list_free(found);
    return rc;
}

static int act_extent(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    struct tns_error local = TNS_ERROR_INIT;
    bool removed = false;
    int rc;

    if (m->extent_id)
        return 0;
    rc = extent_create(m, &local);
    if (rc == -TNS_E_EXISTS && m->made_zvol) {
        rc = tns__make_still_ours(m, err);
        if (rc == 0)
            rc = stale_extent_remove(m, &removed, err);
        if (rc)
            return rc;
        if (removed) {
            tns__error_clear(&local);
            rc = extent_create(m, &local);
        } else {
            rc = -TNS_E_EXISTS;
        }
    }
    if (rc)
        return tns__error_copy(err, &local);
    m->made_extent = true;
    return 0;
}

/* Ours is the one whose comment ends in this operation's id. */
static int verify_extent(void *op, bool *ret_done, struct tns_error *err)
{
    struct tns_make *m = op;
    struct tns_extent_list *found = NULL;
    char comment[240];
    int rc = extents_of(m, &found, err);
    size_t i;

    if (rc)
        return rc;
    *ret_done = false;
    tns__extent_comment(m->st, m->op, comment, sizeof(comment));
    for (i = 0; i < found->n; i++) {
        if (!found->items[i].comment || strcmp(found->items[i].comment, comment) != 0)
            continue;
        m->extent_id = found->items[i].id;
        m->made_extent = true;
        *ret_done = true;
    }
    tns__extent_list_free(found);
    return 0;
}

static int undo_extent(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    int rc = m->made_extent ? tns__make_may_undo(m, err) : 0;

    if (rc == 0 && m->made_extent)
        rc = tns__extent_remove(m->st, m->extent_id, err);
    if (rc == 0)
        m->made_extent = false;
    return rc;
}

/* ---- mapping ---- */

static int mappings_again(struct tns_make *m, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(m->st->session);
    struct tns_mapping_list *fresh = NULL;
    struct tns_target_list *targets = NULL;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__lun_forget(m->st);
    tns__mapping_list_put(b, NULL, &fresh);
    tns__target_list_put(b, &targets);
    rc = tns__batch_run(b, err);
    if (rc) {
        tns__mapping_list_free(fresh);
        tns__target_list_free(targets);
        return rc;
    }
    tns__mapping_list_free(m->mappings);
    tns__target_list_free(m->targets);
    m->mappings = fresh;
    m->targets = targets;
    return 0;
}

static const struct tns_mapping *own_mapping(const struct tns_make *m,
                                             const struct tns_mapping_list *list)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        if (list->items[i].extent_id == m->extent_id)
            return &list->items[i];
    return NULL;
}

static void mapping_take(struct tns_make *m, const struct tns_mapping *own)
{
    m->mapping_id = own->id;
    m->target_id = own->target_id;
    m->lun = own->lun;
}

/* Again: the number that was chosen last was taken. */
static int lun_find(struct tns_make *m, bool again, struct tns_error *err)
{
    int rc = 0;

    if (!again && !m->mappings && m->targets && tns__lun_recall(m))
        return 0;
    if (again || !m->mappings || !m->targets)
        rc = mappings_again(m, err);
    return rc ? rc : tns__lun_choose(m, err);
}

static int act_mapping(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    struct tns_error local = TNS_ERROR_INIT;
    unsigned tries;
    int rc = 0;

    if (m->mapping_id)
        return 0;
    for (tries = 0; tries < LUN_TRIES; tries++) {
        rc = lun_find(m, tries > 0, err);
        if (rc)
            return rc;
        tns__error_clear(&local);
        rc = tns__mapping_create(m->st->session, m->target_id, m->extent_id, m->lun,
                                 &m->mapping_id, &local);
        if (rc == 0)
            m->made_mapping = true;
        if (rc != -TNS_E_EXISTS)
            break; /* EXISTS: somebody was faster with that number */
    }
    return local.code ? tns__error_copy(err, &local) : 0;
}

/* A row in the database is not yet an exported LUN: the NAS may have been cut off in
 * between. */
static int verify_mapping(void *op, bool *ret_done, struct tns_error *err)
{
    struct tns_make *m = op;
    const struct tns_mapping *own;
    int rc = mappings_again(m, err);

    if (rc)
        return rc;
    own = own_mapping(m, m->mappings);
    *ret_done = own != NULL;
    if (!own)
        return 0;
    mapping_take(m, own);
    m->made_mapping = true;
    return tns__service_reload(m->st->session, "iscsitarget", err);
}

static int undo_mapping(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    int rc = m->made_mapping ? tns__make_may_undo(m, err) : 0;

    if (rc == 0 && m->made_mapping)
        rc = tns__mapping_remove(m->st, m->mapping_id, err);
    if (rc == 0 && m->made_mapping) {
        tns__lun_freed(m->st, m->lun);
        m->made_mapping = false;
    }
    return rc;
}

/* ---- proof ---- */

static int ready_tags(struct tns_make *m, json_t **ret, struct tns_error *err)
{
    _tns_json_ json_t *tags = json_object();
    int rc =
        tags ? tns__tags_put(tags, TNS_TAG_STATE, "ready", err) : tns__error_nomem(err);

    if (rc == 0)
        rc = tns__tags_put(tags, TNS_TAG_BY, NULL, err);
    if (rc == 0 && m->staged)
        rc = tns__tags_put(tags, TNS_TAG_SELF, m->zvol, err);
    if (rc == 0 && m->staged)
        rc = tns__tags_put(tags, TNS_TAG_NEXT, NULL, err);
    if (rc == 0)
        *ret = TNS_STEAL(tags);
    return rc;
}

/* Of two mappings on one LUN the later one goes; ids only grow. */
static bool lun_is_contested(const struct tns_make *m, const struct tns_mapping_list *list,
                             bool *ret_we_yield)
{
    bool contested = false;
    size_t i;

    *ret_we_yield = false;
    for (i = 0; i < list->n; i++) {
        const struct tns_mapping *other = &list->items[i];

        if (other->target_id != m->target_id || other->lun != m->lun ||
            other->id == m->mapping_id)
            continue;
        contested = true;
        if (other->id < m->mapping_id)
            *ret_we_yield = true;
    }
    return contested;
}

static int judge_extents(const struct tns_make *m, const struct tns_extent_list *extents,
                         struct tns_error *err)
{
    size_t i;
    bool own = false;

    for (i = 0; i < extents->n; i++) {
        if (extents->items[i].id == m->extent_id)
            own = true;
        else
            return tns__error_set(err, TNS_E_CONFLICT, "a second extent '%s' points at %s",
                                  extents->items[i].name, m->zvol);
    }
    if (!own)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "the extent of %s was removed or changed by "
                              "somebody else",
                              m->zvol);
    return 0;
}

static int confirm_once(struct tns_make *m, bool *ret_yield, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(m->st->session);
    _tns_json_ json_t *tags = NULL;
    char disk[TNS_DISK_CAP];
    struct tns_extent_filter by_disk = { .disk = disk };
    struct tns_mapping_filter by_target = { .target_id = m->target_id };
    struct tns_extent_list *extents = NULL;
    struct tns_mapping_list *mappings = NULL;
    const struct tns_mapping *own;
    int rc = ready_tags(m, &tags, err);

    if (rc || !b)
        return rc ? rc : tns__error_nomem(err);
    tns__disk_name(m->zvol, disk);
    tns__mapping_list_put(b, &by_target, &mappings);
    if (!m->nas_refuses_twins || m->resumed)
        tns__extent_list_put(b, &by_disk, &extents);
    tns__dataset_set_tags_of_put(b, m->zvol, tags, m->marked ? TNS_TAG_OP : NULL, m->op);
    rc = tns__batch_run(b, err);
    if (rc == 0 && extents)
        rc = judge_extents(m, extents, err);
    own = rc == 0 ? own_mapping(m, mappings) : NULL;
    if (rc == 0 && !own)
        rc = tns__error_set(err, TNS_E_CONFLICT,
                            "the mapping of %s was removed by somebody else", m->zvol);
    if (own)
        mapping_take(m, own);
    if (rc == 0)
        lun_is_contested(m, mappings, ret_yield);
    if (rc == 0)
        tns__lun_remember(m->st, m->target_id, mappings);
    tns__extent_list_free(extents);
    tns__mapping_list_free(mappings);
    return rc;
}

static int act_confirm(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    unsigned tries;

    for (tries = 0; tries < LUN_TRIES; tries++) {
        bool yield = false;
        int rc = confirm_once(m, &yield, err);

        if (rc || !yield)
            return rc;
        tns__log(m->st->ctx, LOG_NOTICE, "volume",
                 "%s: LUN %lld was given out twice at once: "
                 "taking another",
                 m->zvol, (long long)m->lun);
        rc = tns__mapping_remove(m->st, m->mapping_id, err);
        if (rc)
            return rc;
        m->made_mapping = false;
        m->mapping_id = 0;
        tns__mapping_list_free(m->mappings);
        m->mappings = NULL;
        tns__lun_forget(m->st);
        rc = act_mapping(m, err);
        if (rc)
            return rc;
    }
    return tns__error_set(err, TNS_E_BUSY, "no LUN number could be had for %s alone",
                          m->zvol);
}

const struct tns_step tns__make_export_steps[] = {
    { "extent", act_extent, verify_extent, undo_extent },
    { "mapping", act_mapping, verify_mapping, undo_mapping },
    { "confirm", act_confirm, tns__verify_repeat, NULL },
};
const size_t tns__make_export_count = TNS_ARRAY_LEN(tns__make_export_steps);
