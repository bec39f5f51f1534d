/* SPDX-License-Identifier: Apache-2.0 */
/* tn_initiator qemu: a LUN proven over the wire, and the note for path() of where QEMU finds it. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "device/probe_priv.h"

#define NOTE_MAX 4096u

struct qemu_map {
    struct tns_node *node;
    const struct tns_want *want;
    const char *initiator;
    unsigned verified, failed;
    char url[512];            /* by the first portal that was verified */
    struct tns_error trouble; /* the first that was not */
};

static int note_path(const struct tns_node *node, const char *storeid, const char *linkname,
                     char *ret, size_t cap, struct tns_error *err)
{
    int rc = tns__names_check(storeid, linkname, err);

    if (rc < 0)
        return rc;
    if (!tns__fmt(ret, cap, "%s/qemu/%s/%s.json", tns__run_dir(node), storeid, linkname))
        return tns__error_set(err, TNS_E_USAGE, "%s: the name is too long", linkname);
    return 0;
}

/* The answer is the portal's own; a mismatch on one of them condemns the whole map. */
static int try_portal(struct qemu_map *map, const struct tns_addr *portal,
                      unsigned budget_ms, struct tns_error *err)
{
    const struct tns__peer peer = { .portal = portal,
                                    .target_iqn = map->want->target_iqn,
                                    .chap = &map->want->chap,
                                    .initiator = map->initiator };
    _tns_probe_ struct tns__probe probe = { 0 };
    struct tns_ctx ctx = *map->node->ctx;
    struct tns_scsi_id id = { .naa = "" };
    uint16_t address = 0;
    int rc;

    tns__ctx_begin(&ctx, budget_ms);
    rc = tns__probe_open(&probe, &ctx, &peer, err);
    if (rc == 0)
        rc = tns__probe_lun(&probe, map->want->lun, &id, &address, err);
    if (rc == 0)
        rc = tns__verify_id(map->want, &id, probe.portal, err);
    if (rc < 0 || map->url[0])
        return rc;

    if (!tns__fmt(map->url, sizeof(map->url), "iscsi://%s/%s/%u", probe.portal,
                  map->want->target_iqn, (unsigned)address))
        return tns__error_set(err, TNS_E_USAGE, "%s: the iscsi:// URL is too long",
                              map->want->linkname);
    return 0;
}

/* A portal that is away is a warning; anything that speaks against the LUN itself is the end. */
static bool is_about_portal(int rc)
{
    return rc == -TNS_E_TRANSPORT || rc == -TNS_E_TIMEOUT || rc == -TNS_E_UNAVAILABLE;
}

static int try_and_count(struct qemu_map *map, size_t i, struct tns_error *err)
{
    struct tns_node *node = map->node;
    const struct tns_addr *portal = &map->want->portals[i];
    /* one silent portal must not eat the time of those after it */
    unsigned budget_ms =
        (unsigned)tns__ctx_left_ms(node->ctx) / (unsigned)(map->want->n_portals - i);
    struct tns_error trouble = TNS_ERROR_INIT;
    int rc = try_portal(map, portal, budget_ms, &trouble);

    if (rc < 0 &&
        (!is_about_portal(rc) || tns__ctx_check(node->ctx, "the portals", err) < 0))
        return tns__error_copy(err, &trouble);
    if (rc < 0) {
        map->failed++;
        if (!map->trouble.code)
            map->trouble = trouble;
    } else {
        map->verified++;
    }
    tns__portal_remember(node, portal, rc < 0);
    return 0;
}

/* First those that are not known to be away; the others only when nothing else is left. */
static int try_all(struct qemu_map *map, struct tns_error *err)
{
    const struct tns_want *want = map->want;
    int rc = 0;

    for (size_t i = 0; i < want->n_portals && rc == 0; i++) {
        if (want->n_portals > 1 && tns__portal_is_bad(map->node, &want->portals[i]))
            map->failed++;
        else
            rc = try_and_count(map, i, err);
    }
    if (rc < 0 || map->verified)
        return rc;

    map->failed = 0;
    for (size_t i = 0; i < want->n_portals && rc == 0 && !map->verified; i++)
        rc = try_and_count(map, i, err);
    if (rc < 0)
        return rc;
    return map->verified ? 0 : tns__error_copy(err, &map->trouble);
}

static int write_note(struct qemu_map *map, const char *path, struct tns_error *err)
{
    const struct tns_want *want = map->want;
    _tns_json_ json_t *note =
        tns__json_pack(err, "{s:s, s:s, s:I}", "url", map->url, "naa", want->naa, "size",
                       (json_int_t)want->size_bytes);
    _tns_free_ char *text = NULL;
    size_t len;

    if (!note)
        return -TNS_E_NOMEM;
    text = tns__json_dump(note, &len);
    if (!text)
        return tns__error_nomem(err);
    return tns__sysroot_replace(map->node->sr, text, len, 0600, err, "%s", path);
}

static void fill_mapped(const struct qemu_map *map, bool already, struct tns_mapped *ret)
{
    const struct tns_want *want = map->want;

    *ret = (struct tns_mapped){ .paths = map->verified,
                                .portals_failed = map->failed,
                                .already = already };
    snprintf(ret->path, sizeof(ret->path), "/dev/tnstor/%s/%s", want->storeid,
             want->linkname);
    snprintf(ret->device, sizeof(ret->device), "%s", map->url);
    if (map->failed)
        snprintf(ret->warning, sizeof(ret->warning), "%u of %zu portals did not answer",
                 map->failed, want->n_portals);
}

int tns__qemu_map(struct tns_node *node, const struct tns_want *want, const char *initiator,
                  struct tns_mapped *ret, struct tns_error *err)
{
    struct qemu_map map = {
        .node = node, .want = want, .initiator = initiator, .trouble = TNS_ERROR_INIT
    };
    struct tns_error none = TNS_ERROR_INIT;
    char path[512], before[512];
    bool already;
    int rc;

    rc = tns__want_check(want, err);
    if (rc == 0)
        rc = note_path(node, want->storeid, want->linkname, path, sizeof(path), err);
    if (rc < 0)
        return rc;
    if (want->n_portals == 0)
        return tns__error_set(err, TNS_E_CONFIG, "%s: the target %s has no portal",
                              want->linkname, want->target_iqn);

    rc = try_all(&map, err);
    if (rc < 0)
        return tns__error_prefix(err, "mapping %s", want->linkname);

    already = tns__qemu_url(node, want->storeid, want->linkname, before, sizeof(before),
                            &none) == 0 &&
              strcmp(before, map.url) == 0;
    rc = write_note(&map, path, err);
    if (rc < 0)
        return rc;
    fill_mapped(&map, already, ret);
    return 0;
}

int tns__qemu_unmap(struct tns_node *node, const struct tns_want *want,
                    struct tns_error *err)
{
    char path[512];
    int rc = note_path(node, want->storeid, want->linkname, path, sizeof(path), err);

    return rc < 0 ? rc : tns__sysroot_unlink(node->sr, err, "%s", path);
}

int tns__qemu_url(struct tns_node *node, const char *storeid, const char *linkname,
                  char *ret, size_t cap, struct tns_error *err)
{
    _tns_json_ json_t *note = NULL;
    _tns_free_ char *text = NULL;
    const char *url = NULL;
    char path[512];
    size_t len;
    int rc;

    rc = note_path(node, storeid, linkname, path, sizeof(path), err);
    if (rc == 0)
        rc = tns__sysroot_slurp(node->sr, NOTE_MAX, &text, &len, err, "%s", path);
    if (rc == 0)
        rc = tns__json_parse(text, len, &tns__json_default_limits, &note, err);
    if (rc == 0)
        rc = tns__json_str(note, "url", &url, path, err);
    if (rc < 0)
        return rc;
    if (!tns__starts_with(url, "iscsi://") || !tns__fmt(ret, cap, "%s", url))
        return tns__error_set(err, TNS_E_DEVICE, "%s holds no iscsi:// URL", path);
    return 0;
}
