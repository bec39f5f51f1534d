/* SPDX-License-Identifier: Apache-2.0 */
/* map and unmap: from a volume's name to a proven device of this node, and away again. */
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/free.h"
#include "volume/iqns.h"
#include "volume/make.h"
#include "volume/moved.h"
#include "volume/patience.h"
#include "volume/portals.h"
#include "volume/records.h"
#include "volume/resolve.h"
#include "volume/tempclone.h"

#define INITIATOR_CAP 256

struct mapping {
    struct tns_storage *st;
    char linkname[TNS_VOLNAME_CAP];
    char target_iqn[256];
    struct tns_addr portals[TNS_PORTALS_MAX];
    struct tns_want want;
    json_t *proven; /* mapped already, as the record says; owned */
    bool recent;    /* and the NAS said so a moment ago */
    bool known;     /* this node has a record of it */
    bool away;      /* the NAS's API is */
    bool hurried;   /* it was given less time than there is */
};

static struct tns_chap chap_of(const struct tns_storage *st)
{
    return (struct tns_chap){ .user = st->opt.chap_user,
                              .password = st->chap_password,
                              .mutual_user = st->opt.chap_mutual_user,
                              .mutual_password = st->chap_mutual_password };
}

/* ---- what the NAS says it must be ---- */

static int exported(struct tns_storage *st, const struct tns_vol *vol,
                    struct tns_error *err)
{
    if (!vol->extent || !vol->mapping)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s is not published: it has no %s; `tnctl gc "
                              "--repair` publishes it again",
                              vol->zvol, vol->extent ? "mapping" : "extent");
    if (!vol->extent->enabled)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "extent '%s' is disabled: a rollback was cut "
                              "short (repeat it), or somebody disabled it on the NAS",
                              vol->extent->name);
    if (vol->extent->locked)
        return tns__error_set(err, TNS_E_LOCKED,
                              "%s is encrypted and locked: unlock it on the "
                              "NAS",
                              vol->zvol);
    if (!vol->target || !tns__target_is_ours(st, vol->target))
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s is published on target '%s', which is not "
                              "one of storage '%s'",
                              vol->zvol, vol->target ? vol->target->name : "?",
                              st->opt.storeid);
    if (!vol->extent->naa || strlen(vol->extent->naa) != 32)
        return tns__error_set(err, TNS_E_PROTOCOL, "extent '%s' has no NAA",
                              vol->extent->name);
    if (vol->mapping->lun < 0 || vol->mapping->lun > UINT16_MAX)
        return tns__error_set(err, TNS_E_PROTOCOL, "LUN %lld is out of range",
                              (long long)vol->mapping->lun);
    return 0;
}

static int want_fill(struct mapping *m, const struct tns_vol *vol,
                     const struct tns__portals *portals, struct tns_error *err)
{
    struct tns_storage *st = m->st;
    int rc = exported(st, vol, err);

    if (rc == 0)
        rc = tns__target_iqn(st, portals, vol->target, m->target_iqn, sizeof(m->target_iqn),
                             err);
    if (rc == 0)
        rc = tns__portals_choose(st, portals, vol->target, m->portals, &m->want.n_portals,
                                 err);
    if (rc)
        return rc;
    m->want.storeid = st->opt.storeid;
    m->want.linkname = m->linkname;
    m->want.target_iqn = m->target_iqn;
    m->want.portals = m->portals;
    m->want.lun = (uint16_t)vol->mapping->lun;
    memcpy(m->want.naa, vol->extent->naa, sizeof(m->want.naa));
    m->want.serial = vol->extent->serial;
    m->want.size_bytes = vol->ds->volsize_bytes;
    m->want.blocksize = vol->extent->blocksize;
    m->want.readonly = vol->extent->ro;
    m->want.multipath = st->opt.multipath;
    m->want.chap = chap_of(st);
    return 0;
}

/* ---- the node's half ---- */

static int device_map(struct mapping *m, struct tns_mapped *ret, struct tns_error *err)
{
    struct tns_storage *st = m->st;
    char initiator[INITIATOR_CAP];
    int rc;

    if (st->opt.qemu) {
        rc = tns__device_initiator_name(&st->node, initiator, sizeof(initiator), err);
        if (rc == 0)
            rc = tns__qemu_map(&st->node, &m->want, initiator, ret, err);
    } else {
        rc = tns__device_map(&st->node, &m->want, ret, err);
    }
    return rc ? rc : tns__record_write(&st->node, &m->want, err);
}

static json_t *mapped_json(const struct tns_mapped *mapped, const char *warning,
                           struct tns_error *err)
{
    const char *text = warning ? warning : mapped->warning;

    return tns__json_pack(err, "{s:s, s:s, s:i, s:b, s:s}", "path", mapped->path, "device",
                          mapped->device, "paths", (int)mapped->paths, "already",
                          (int)mapped->already, "warning", text);
}

/* Mapped already, and every path answers as the record says. What does not may have been freed, made
 * anew or grown on another node: the NAS knows. */
static int map_proven(struct mapping *m, struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_error quiet = TNS_ERROR_INIT;
    struct tns_mapped mapped = { 0 };
    bool found = false;

    m->known = tns__record_read(&m->st->node, m->st->opt.storeid, m->linkname, &record,
                                &quiet) == 0;
    if (!m->known || m->st->opt.qemu) {
        tns__record_clear(&record);
        return 0;
    }
    record.want.chap = chap_of(m->st);
    if (tns__moved_away(m->st, record.want.naa, m->linkname))
        tns__log(m->st->ctx, LOG_NOTICE, "volume", "%s: naa.%s goes by another name now",
                 m->linkname, record.want.naa);
    else if (tns__device_verify(&m->st->node, &record.want, &found, &mapped, &quiet))
        tns__log(m->st->ctx, LOG_NOTICE, "volume", "%s: asking the NAS: %s", m->linkname,
                 quiet.text);
    m->recent = found && tns__recent_is(&m->st->node, &record.want);
    tns__record_clear(&record);
    if (!found)
        return 0;
    m->proven = mapped_json(&mapped, NULL, err);
    return m->proven ? 0 : -err->code;
}

/* ---- with the NAS's API away ---- */

/* What is mapped stays usable: the devices answered as the NAS last said they would. */
static int map_unconfirmed(struct mapping *m, const char *why, json_t **ret,
                           struct tns_error *err)
{
    _tns_json_ json_t *warning =
        tns__json_pack(err, "{s:s+}", "warning",
                       "mapped here already, and the API is away: ", why);

    if (!warning)
        return -err->code;
    tns__log(m->st->ctx, LOG_WARNING, "volume", "%s: %s", m->linkname,
             json_string_value(json_object_get(warning, "warning")));
    if (json_object_update(m->proven, warning))
        return tns__error_nomem(err);
    *ret = TNS_STEAL(m->proven);
    return 0;
}

/* What this node mapped before is mapped again from its record, proven by INQUIRY as
 * always. */
static int map_from_record(struct mapping *m, const struct tns_error *why, json_t **ret,
                           struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_mapped mapped = { 0 };
    struct tns_error local = TNS_ERROR_INIT;
    char warning[600];
    int rc =
        tns__record_read(&m->st->node, m->st->opt.storeid, m->linkname, &record, &local);

    if (rc)
        return tns__error_copy(err, why);
    m->want = record.want;
    m->want.chap = chap_of(m->st);
    if (!m->hurried)
        m->st->ctx->deadline_ns = tns__now_ns() + TNS_MS(m->st->timeout_ms);
    rc = tns__moved_away(m->st, m->want.naa, m->linkname)
             ? tns__error_set(err, TNS_E_IDENTITY,
                              "naa.%s, which this node knows by that name, was renamed",
                              m->want.naa)
             : device_map(m, &mapped, err);
    tns__record_clear(&record);
    if (rc)
        return tns__error_prefix(
            err, "the API is away (%s), and this node's record does not help", why->text);
    tns__fmt(warning, sizeof(warning),
             "mapped from this node's record, because the API is away: "
             "%s",
             why->text);
    tns__log(m->st->ctx, LOG_WARNING, "volume", "%s: %s", m->linkname, warning);
    *ret = mapped_json(&mapped, warning, err);
    return *ret ? 0 : -err->code;
}

/* ---- map ---- */

/* Complete, and only the last tag is missing: its maker died there. */
static int promote_to_ready(struct tns_storage *st, const struct tns_vol *vol,
                            struct tns_error *err)
{
    _tns_json_ json_t *tags = NULL;
    bool at_work = false;
    int rc;

    if (vol->whose != TNS_WHOSE_MINE || !vol->ds || !vol->mapping ||
        tns__tag_state(vol->ds) != TNS_STATE_CREATING)
        return 0;
    rc = tns__at_work_ask(st, vol->ds, &at_work, err);
    if (rc || at_work)
        return rc;
    tags = tns__json_pack(err, "{s:s, s:s, s:n, s:n}", TNS_TAG_STATE, "ready", TNS_TAG_SELF,
                          vol->zvol, TNS_TAG_NEXT, TNS_TAG_BY);
    if (!tags)
        return -err->code;
    rc = tns__dataset_set_tags(st->session, vol->zvol, tags, err);
    if (rc == 0)
        rc = json_object_set_new(vol->ds->tags, TNS_TAG_STATE, json_string("ready"))
                 ? tns__error_nomem(err)
                 : 0;
    return rc;
}

/* The volume is mapped: what this cannot do waits for the next time. */
static void records_tidy_soon(struct tns_storage *st)
{
    struct tns_error why = TNS_ERROR_INIT;
    uint64_t deadline = tns__ctx_begin(st->ctx, TNS_CONFIRM_MS);
    unsigned removed;

    if (tns__records_tidy(st, &removed, &why))
        tns__log(st->ctx, LOG_NOTICE, "volume", "records of freed volumes stay: %s",
                 why.text);
    st->ctx->deadline_ns = deadline;
}

static int map_resolved(struct mapping *m, const struct tns_vol *vol,
                        const struct tns__portals *portals, json_t **ret,
                        struct tns_error *err)
{
    struct tns_mapped mapped = { 0 };
    int rc = promote_to_ready(m->st, vol, err);

    if (rc == 0)
        rc = tns__vol_usable(m->st, vol, err);
    if (rc == 0)
        rc = want_fill(m, vol, portals, err);
    if (rc == 0)
        rc = tns__initiator_admit(m->st, portals->initiators, vol->target, err);
    if (rc == 0)
        rc = device_map(m, &mapped, err);
    if (rc)
        return rc;
    *ret = mapped_json(&mapped, NULL, err);
    if (!*ret)
        return -err->code;
    if (!m->st->opt.qemu) {
        tns__recent_note(&m->st->node, &m->want);
        if (tns__device_tidy_seldom(&m->st->node, m->st->opt.storeid))
            records_tidy_soon(m->st);
    }
    return 0;
}

/* With ms, the NAS has no more time than that. */
static int ask(struct mapping *m, const char *volname, unsigned ms,
               struct tns__portals *portals, struct tns_vol **ret, struct tns_error *err)
{
    struct tns_patience patience;
    int rc = tns__patience_begin(&patience, m->st, ms, err);

    if (rc == 0)
        rc = tns__vol_resolve_more(m->st, volname, TNS_R_EXPORT, tns__portals_put, portals,
                                   ret, err);
    m->away = tns__patience_end(&patience, rc, err);
    m->hurried = patience.hurried;
    if (rc == -TNS_E_NOTFOUND && !m->proven)
        tns__record_remove(&m->st->node, m->st->opt.storeid, m->linkname, NULL);
    return rc;
}

/* What this node knows is confirmed soon, or goes without. */
static unsigned patience_of(const struct mapping *m)
{
    if (m->proven)
        return TNS_CONFIRM_MS;
    return m->known ? TNS_RECORD_MS : 0;
}

/* Without the NAS. A record that does not help may be older than what the NAS knows: it gets the time that
 * was kept back from it. */
static int map_without(struct mapping *m, const char *volname, const struct tns_error *why,
                       struct tns__portals *portals, struct tns_vol **ret_vol, json_t **ret,
                       struct tns_error *err)
{
    struct tns_error late = TNS_ERROR_INIT;
    int rc;

    if (m->proven)
        return map_unconfirmed(m, why->text, ret, err);
    rc = map_from_record(m, why, ret, err);
    if (rc == 0 || !m->hurried || why->code == TNS_E_AUTH || why->code == TNS_E_TLS ||
        tns__ctx_left_ms(m->st->ctx) == 0)
        return rc;
    tns__portals_clear(portals);
    *portals = (struct tns__portals){ 0 };
    rc = ask(m, volname, 0, portals, ret_vol, &late);
    if (m->away)
        return -err->code;
    tns__error_clear(err);
    return rc ? tns__error_copy(err, &late) : map_resolved(m, *ret_vol, portals, ret, err);
}

static int map_volume(struct mapping *m, const char *volname, json_t **ret,
                      struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct tns__portals portals = { 0 };
    struct tns_error local = TNS_ERROR_INIT;
    int rc = ask(m, volname, patience_of(m), &portals, &vol, &local);

    if (rc == 0)
        rc = map_resolved(m, vol, &portals, ret, err);
    else if (m->away)
        rc = map_without(m, volname, &local, &portals, &vol, ret, err);
    else
        rc = tns__error_copy(err, &local);
    tns__portals_clear(&portals);
    return rc;
}

static int map_snapshot(struct mapping *m, const char *volname, const char *snap,
                        json_t **ret, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    struct tns__portals portals = { 0 };
    int rc = tns__temp_make(m->st, volname, snap, tns__portals_put, &portals, &vol, err);

    if (rc == 0)
        rc = map_resolved(m, vol, &portals, ret, err);
    tns__portals_clear(&portals);
    return rc;
}

static int map_check(const struct tns_storage *st, const char *volname, const char *snap,
                     struct tns_volname *name, char linkname[TNS_VOLNAME_CAP],
                     struct tns_error *err)
{
    int rc = tns__volname_parse(volname, name, err);

    if (rc == 0 && snap)
        rc = tns__snapname_check(snap, err);
    if (rc == 0 && !tns__linkname(volname, snap, linkname))
        rc = tns__error_set(err, TNS_E_USAGE, "'%s' is too long", volname);
    (void)st;
    return rc;
}

/* Who answers for it: the last few seconds, the NAS, or, with the API away, this node's record. A
 * snapshot's clone is this node's own, and its name never becomes another one's. */
static int map_any(struct mapping *m, const char *volname, const char *snap, json_t **ret,
                   struct tns_error *err)
{
    int rc = map_proven(m, err);

    if (rc == 0 && m->proven && (m->recent || snap || !m->st->session)) {
        *ret = TNS_STEAL(m->proven);
        return 0;
    }
    if (rc == 0)
        rc = tns__needs_nas(m->st, err);
    if (rc)
        return rc;
    return snap ? map_snapshot(m, volname, snap, ret, err)
                : map_volume(m, volname, ret, err);
}

int tns_volume_map(struct tns_storage *st, const char *volname, const char *snap,
                   json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct mapping m = { .st = st };
    struct tns_volname name;
    json_t *answer = NULL;
    int rc = tns__enter_local(st, &guard, err);

    if (snap && !*snap)
        snap = NULL;
    if (rc == 0)
        rc = map_check(st, volname, snap, &name, m.linkname, &guard.error);
    if (rc == 0)
        rc = map_any(&m, volname, snap, &answer, &guard.error);
    json_decref(m.proven);
    if (rc)
        return tns__error_prefix(&guard.error, "activating %s%s%s", volname ? volname : "",
                                 snap ? "@" : "", snap ? snap : "");
    *ret = answer;
    return 0;
}

int tns_volume_unmap(struct tns_storage *st, const char *volname, const char *snap,
                     struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct tns_volname name;
    char linkname[TNS_VOLNAME_CAP];
    int rc = tns__enter_local(st, &guard, err);

    if (snap && !*snap)
        snap = NULL;
    if (rc == 0)
        rc = map_check(st, volname, snap, &name, linkname, &guard.error);
    if (rc == 0)
        rc = snap ? tns__detach_for_good(st, NULL, linkname, false, &guard.error)
                  : tns__detach(st, linkname, false, &guard.error);
    if (rc == 0 && snap)
        rc = tns__needs_nas(st, &guard.error);
    if (rc == 0 && snap)
        rc = tns__temp_unmake(st, &name, snap, linkname, &guard.error);
    return rc ? tns__error_prefix(&guard.error, "deactivating %s%s%s",
                                  volname ? volname : "", snap ? "@" : "", snap ? snap : "")
              : 0;
}

/* ---- what this node knows ---- */

static int node_status(struct tns_storage *st, const char *volname, int ask, json_t **ret,
                       struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_error quiet = TNS_ERROR_INIT;
    struct tns_volname name;
    struct tns_want want = { .storeid = st->opt.storeid };
    char linkname[TNS_VOLNAME_CAP];
    json_t *answer = NULL;
    json_t *info = NULL;
    int rc = map_check(st, volname, NULL, &name, linkname, err);

    if (rc)
        return rc;
    want.linkname = linkname;
    if (tns__record_read(&st->node, st->opt.storeid, linkname, &record, &quiet) == 0)
        want = record.want;
    rc = tns__device_status(&st->node, &want, &answer, err);
    tns__record_clear(&record);
    if (rc == 0 && ask) {
        rc = tns_volume_info(st, volname, &info, err);
        if (rc == 0 && json_object_set_new(answer, "volume", info))
            rc = tns__error_nomem(err);
    }
    if (rc)
        json_decref(answer);
    else
        *ret = answer;
    return rc;
}

int tns_volume_node_status(struct tns_storage *st, const char *volname, int ask,
                           json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    int rc = tns__enter_local(st, &guard, err);

    if (rc == 0)
        rc = node_status(st, volname, ask, ret, &guard.error);
    return rc;
}
