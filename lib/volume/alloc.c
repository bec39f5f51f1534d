/* SPDX-License-Identifier: Apache-2.0 */
/* alloc: a new volume of exactly the size that was asked for, under a given or the
 * first free name. */
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/freename.h"
#include "volume/make.h"
#include "volume/pin.h"
#include "volume/preflight.h"
#include "volume/tag.h"

#define NAME_TRIES 64
#define DRAID_BLOCKSIZE (32u * 1024u)

/* ---- the name ---- */

/* Out of the list that it came along in. */
static int names_parent(struct tns_make *m, struct tns_names *names, struct tns_error *err)
{
    int rc = tns__dataset_take(names->found, m->st->opt.dataset, &m->parent, err);

    if (rc != -TNS_E_NOTFOUND)
        return rc;
    tns__error_clear(err);
    return tns__parent_missing(m->st, err);
}

/* One trip: who bears the candidates' names, and all that the next step wants to know. The
 * dataset is one of the names asked for, where a release can. */
static int names_ask(struct tns_make *m, struct tns_names *names, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(m->st->session);
    struct tns_pin pin;
    int parent_call = -1;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__make_clear(m);
    names->with_dataset = m->asks_together;
    tns__names_put(b, names);
    if (!names->with_dataset)
        parent_call = tns__dataset_get_put(b, m->st->opt.dataset, &m->parent);
    tns__make_queries_put(b, m);
    tns__pin_put(m->st, b, &pin);
    rc = tns__pin_judge(m->st, &pin, tns__batch_run(b, err), err);
    if (parent_call >= 0)
        return tns__batch_parent(m->st, b, parent_call, rc, err);
    names->with_dataset = false; /* of further names it is not asked */
    return rc ? rc : names_parent(m, names, err);
}

static int name_choose(struct tns_make *m, uint64_t vmid, struct tns_error *err)
{
    _tns_names_ struct tns_names *names = tns__alloc(sizeof(*names));
    char leaf[TNS_LEAF_CAP];
    int rc;

    if (!names)
        return tns__error_nomem(err);
    rc = tns__names_fill(m->st, vmid, 0, names, err);
    if (rc == 0)
        rc = names_ask(m, names, err);
    if (rc == 0)
        rc = tns__names_next(m->st, names, leaf, err);
    if (rc == 0)
        rc = tns__zvol_name(m->st->opt.dataset, leaf, m->zvol, err);
    if (rc == 0)
        strcpy(m->volname, leaf);
    return rc;
}

/* ---- a name that exists already ---- */

/* A half-made volume whose maker is gone is carried on with; anything else under that
 * name stays. */
static int taken(struct tns_make *m, const struct tns_vol *vol, struct tns_error *err)
{
    const char *by;
    bool at_work = false;
    int rc;

    if (!vol->ds)
        return tns__error_set(err, TNS_E_BUSY, "%s appeared and vanished: try again",
                              m->zvol);
    if (vol->whose != TNS_WHOSE_MINE || tns__tag_state(vol->ds) != TNS_STATE_CREATING)
        return tns__error_set(err, TNS_E_EXISTS, "%s exists already%s", m->zvol,
                              vol->whose == TNS_WHOSE_MINE ? "" : ", and is not ours");
    rc = tns__at_work_ask(m->st, vol->ds, &at_work, err);
    if (rc)
        return rc;
    by = tns__dataset_tag(vol->ds, TNS_TAG_BY);
    if (at_work)
        return tns__error_set(err, TNS_E_BUSY,
                              "%s is being created by another process (%s)", m->zvol,
                              by ? by : "unknown");
    if (vol->ds->volsize_bytes != m->size_bytes)
        return tns__error_set(err, TNS_E_EXISTS,
                              "%s exists half made with another size (%llu "
                              "bytes): free it first",
                              m->zvol, (unsigned long long)vol->ds->volsize_bytes);
    return 0;
}

/* Takes a half-made volume over: our op and our mark on it, then whatever it lacks. */
static int resume(struct tns_make *m, const struct tns_volname *name, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_json_ json_t *tags = NULL;
    int rc = tns__vol_resolve_leaf(m->st, name, TNS_R_EXPORT, NULL, NULL, &vol, err);

    if (rc == 0)
        rc = taken(m, vol, err);
    if (rc)
        return rc;
    tags = tns__tags_new(m->st, m->zvol, m->volname, m->op, "creating", err);
    if (!tags)
        return -err->code;
    rc = tns__tags_put(tags, TNS_TAG_NEXT, NULL, err);
    if (rc == 0)
        rc = tns__dataset_set_tags(m->st->session, m->zvol, tags, err);
    if (rc)
        return rc;

    tns__log(m->st->ctx, LOG_NOTICE, "volume", "%s: carrying on with a half-made volume",
             m->zvol);
    if (vol->extent)
        m->extent_id = vol->extent->id;
    if (vol->mapping) {
        m->mapping_id = vol->mapping->id;
        m->target_id = vol->mapping->target_id;
        m->lun = vol->mapping->lun;
    }
    m->resumed = m->marked = true;
    tns__make_clear(m);
    return tns__make_export(m, err);
}

/* ---- sizes that the pool forbids ---- */

static bool needs_bigger_blocks(struct tns_make *m, const struct tns_error *why)
{
    struct tns_pool *pool = NULL;
    bool draid;

    if (why->code != TNS_E_USAGE && why->code != TNS_E_CONFIG && why->code != TNS_E_SERVER)
        return false;
    if (m->blocksize_bytes >= DRAID_BLOCKSIZE ||
        tns__pool_get(m->st->session, m->st->opt.pool, &pool, NULL))
        return false;
    draid = pool->draid;
    tns__pool_free(pool);
    return draid;
}

static int make_zvol(struct tns_make *m, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__make_run(m, &local);

    if (rc && needs_bigger_blocks(m, &local)) {
        m->blocksize_bytes = DRAID_BLOCKSIZE;
        m->size_bytes = tns__round_up(m->size_bytes, DRAID_BLOCKSIZE);
        tns__log(m->st->ctx, LOG_WARNING, "volume",
                 "%s: dRAID allows no blocks below 32K, so "
                 "the size becomes %llu bytes",
                 m->zvol, (unsigned long long)m->size_bytes);
        tns__error_clear(&local);
        rc = tns__make_run(m, &local);
    }
    return rc ? tns__error_copy(err, &local) : 0;
}

/* ---- alloc ---- */

static int alloc_named(struct tns_make *m, const char *text, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_volname name;
    int rc = tns__leaf_parse(text, &name, err);

    if (rc == 0)
        rc = tns__zvol_name(m->st->opt.dataset, name.leaf, m->zvol, err);
    if (rc == 0)
        rc = tns__pin_check(m->st, err);
    if (rc)
        return rc;

    strcpy(m->volname, name.leaf);
    rc = make_zvol(m, &local);
    if (rc == -TNS_E_EXISTS && !m->got_name) {
        m->made_extent = m->made_mapping = false;
        return resume(m, &name, err);
    }
    return rc ? tns__error_copy(err, &local) : 0;
}

static int alloc_any(struct tns_make *m, uint64_t vmid, struct tns_error *err)
{
    unsigned tries;
    int rc = 0;

    for (tries = 0; tries < NAME_TRIES; tries++) {
        struct tns_error local = TNS_ERROR_INIT;

        rc = name_choose(m, vmid, err);
        if (rc)
            return rc;
        rc = tns__preflight(m->st, m->parent, m->zvol, m->size_bytes, 0, err);
        if (rc)
            return rc;
        rc = make_zvol(m, &local);
        /* A definite refusal of a name that this operation never made: somebody was
         * faster. */
        if (rc != -TNS_E_EXISTS || m->got_name)
            return rc ? tns__error_copy(err, &local) : 0;
        rc = tns__make_init(m, m->st, m->what, err);
        if (rc)
            return rc;
    }
    return tns__error_set(err, TNS_E_BUSY,
                          "no free name for guest %llu could be had: too many "
                          "at once",
                          (unsigned long long)vmid);
}

static int alloc_check(const struct tns_storage *st, uint64_t vmid, const char *text,
                       uint64_t size_bytes, struct tns_error *err)
{
    struct tns_volname name;
    int rc;

    if (vmid < 100 || vmid > 999999999)
        return tns__error_set(err, TNS_E_USAGE, "%llu is no id of a guest",
                              (unsigned long long)vmid);
    if (size_bytes == 0 || size_bytes > INT64_MAX / 2)
        return tns__error_set(err, TNS_E_USAGE,
                              "a volume of %llu bytes on storage '%s' is not "
                              "possible",
                              (unsigned long long)size_bytes, st->opt.storeid);
    if (!text || !*text)
        return 0;
    rc = tns__leaf_parse(text, &name, err);
    if (rc == 0 && name.vmid != vmid)
        rc = tns__error_set(err, TNS_E_USAGE, "'%s' is no name for guest %llu", text,
                            (unsigned long long)vmid);
    return rc;
}

int tns_volume_alloc(struct tns_storage *st, uint64_t vmid, const char *name,
                     uint64_t size_bytes, char ret[256], struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    _tns_make_ struct tns_make m = { 0 };
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = alloc_check(st, vmid, name, size_bytes, &guard.error);
    if (rc == 0)
        rc = tns__make_init(&m, st, "alloc", &guard.error);
    if (rc)
        return rc;

    m.size_bytes = tns__round_up(size_bytes, 512);
    m.blocksize_bytes = tns__blocksize_for(st->opt.blocksize_bytes, m.size_bytes);
    if (name && *name)
        rc = alloc_named(&m, name, &guard.error);
    else
        rc = alloc_any(&m, vmid, &guard.error);
    if (rc)
        return tns__error_prefix(&guard.error, "allocating %s on storage '%s'",
                                 name && *name ? name : "a disk", st->opt.storeid);
    strcpy(ret, m.volname);
    return 0;
}
