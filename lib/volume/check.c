/* SPDX-License-Identifier: Apache-2.0 */
/* Is every option right? Asked when a storage is added: the first wrong one is the
 * error. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/roles.h"
#include "volume/setup.h"
#include "volume/twins.h"

#define ROOM_LITTLE (1024u * 1024u * 1024u)

struct check {
    struct tns_storage *st;
    const struct tns_caps *caps;
    struct tns_setup setup;
    json_t *warnings;
};

static int warn(struct check *c, struct tns_error *err, const char *text)
{
    return json_array_append_new(c->warnings, json_string(text)) ? tns__error_nomem(err)
                                                                 : 0;
}

/* What a section may not combine, whatever the NAS says. */
static int check_options(struct check *c, struct tns_error *err)
{
    const struct tns_options *opt = &c->st->opt;

    if (opt->qemu && opt->chap_user)
        return tns__error_set(
            err, TNS_E_CONFIG,
            "tn_initiator: with 'qemu', CHAP is not possible, "
            "since Proxmox VE passes no secret to QEMU's iSCSI driver: remove "
            "chap_user, or use the kernel's initiator");
    if (!opt->target_iqn)
        return tns__error_set(err, TNS_E_CONFIG,
                              "target_iqn: missing; set-up finds or makes one");
    if (opt->blocksize_clamped)
        return warn(c, err, "zvol_blocksize: the NAS can do 128K at most, so 128K it is");
    return 0;
}

static int check_roles(struct check *c, struct tns_error *err)
{
    return tns__roles_check(c->st, false, err);
}

static int check_objects(struct check *c, struct tns_error *err)
{
    static const char *const options[] = {
        [TNS_SETUP_DATASET] = "dataset",          [TNS_SETUP_PORTAL] = "discovery_portal",
        [TNS_SETUP_INITIATORS] = "tn_initiators", [TNS_SETUP_CHAP] = "chap_user",
        [TNS_SETUP_TARGET] = "target_iqn",        [TNS_SETUP_SERVICE] = "service",
    };
    unsigned i;
    int rc = tns__owner_load(c->st, false, err);

    if (rc == 0)
        rc = tns__iqns_wanted(c->st, &c->setup.iqns, err);
    if (rc == 0)
        rc = tns__setup_gather(&c->setup, err);
    if (rc)
        return rc;
    tns__setup_look(&c->setup);
    for (i = 0; i < TNS_SETUP_COUNT; i++) {
        const struct tns_setup_step *step = &c->setup.steps[i];

        if (step->action == TNS_SETUP_WRONG)
            return tns__error_set(err, TNS_E_CONFIG, "%s: %s", options[i], step->text);
        if (step->action == TNS_SETUP_CREATE)
            return tns__error_set(err, TNS_E_CONFIG, "%s: '%s' is not there on the NAS",
                                  options[i], step->object);
        if (i == TNS_SETUP_SERVICE && !c->setup.service.running)
            return tns__error_set(err, TNS_E_UNAVAILABLE,
                                  "the iSCSI service of the NAS does not "
                                  "run: start it under Shares, or run `tnctl setup`");
    }
    if (!c->setup.service.enabled)
        rc = warn(c, err, "the iSCSI service of the NAS does not start at boot");
    if (rc == 0 && c->setup.group &&
        c->setup.steps[TNS_SETUP_INITIATORS].action == TNS_SETUP_UPDATE)
        rc = tns__setup_do(&c->setup, TNS_SETUP_INITIATORS, err);
    return rc;
}

static int check_room(struct check *c, struct tns_error *err)
{
    if (c->setup.dataset->available_bytes < ROOM_LITTLE)
        return warn(c, err, "dataset: less than 1 GiB is available");
    return 0;
}

static bool offers(const json_t *targets, const char *iqn)
{
    size_t i;

    for (i = 0; i < json_array_size(targets); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(targets, i), "iqn"));

        if (name && strcmp(name, iqn) == 0)
            return true;
    }
    return false;
}

/* One portal that answers and offers the target is needed; the others are warned about. */
static int check_portals(struct check *c, struct tns_error *err)
{
    struct tns_storage *st = c->st;
    struct tns_chap chap = { .user = st->opt.chap_user,
                             .password = st->chap_password,
                             .mutual_user = st->opt.chap_mutual_user,
                             .mutual_password = st->chap_mutual_password };
    struct tns_error first = TNS_ERROR_INIT;
    char initiator[256];
    unsigned good = 0;
    size_t i;

    if (st->opt.n_portals == 0 ||
        tns__device_initiator_name(&st->node, initiator, sizeof(initiator), &first))
        return warn(c, err,
                    "whether this node reaches a portal was not tried: it has no "
                    "initiator name, or none is set");
    for (i = 0; i < st->opt.n_portals; i++) {
        _tns_json_ json_t *targets = NULL;
        struct tns_error local = TNS_ERROR_INIT;
        char text[600];

        if (tns__probe_discover(st->ctx, &st->opt.portals[i], &chap, initiator, &targets,
                                &local) == 0 &&
            !offers(targets, st->opt.target_iqn))
            tns__error_set(&local, TNS_E_CONFIG,
                           "target_iqn: portal %s does not offer '%s' to "
                           "initiator %s",
                           st->opt.portals[i].host, st->opt.target_iqn, initiator);
        if (local.code == 0) {
            good++;
            continue;
        }
        tns__error_copy(&first, &local);
        tns__fmt(text, sizeof(text), "portal %s: %s", st->opt.portals[i].host, local.text);
        if (warn(c, err, text))
            return -err->code;
    }
    return good ? 0 : tns__error_copy(err, &first);
}

/* Not an error: behind a router that rewrites addresses it may look like this. */
static int check_twins(struct check *c, struct tns_error *err)
{
    char text[TNS_TWIN_TEXT];
    int rc = tns__twins_find(c->st, text, err);

    return rc == 0 && text[0] ? warn(c, err, text) : rc;
}

/* Not an error: it may be installed later, and until then nothing is mapped. */
static int check_multipath(struct check *c, struct tns_error *err)
{
    const struct tns_options *opt = &c->st->opt;

    if (!opt->multipath || opt->qemu || tns__multipathd_check(&c->st->node, NULL) == 0)
        return 0;
    return warn(
        c, err,
        "use_multipath: multipathd does not run on this node, so that no volume can "
        "be mapped: install multipath-tools, or, with one path, set use_multipath 0");
}

static int check(struct check *c, json_t **ret, struct tns_error *err)
{
    static int (*const parts[])(struct check *, struct tns_error *) = {
        check_options, check_multipath, check_roles, check_objects,
        check_room,    check_portals,   check_twins,
    };
    size_t i;
    int rc = tns__session_caps(c->st->session, &c->caps, err);

    for (i = 0; rc == 0 && i < TNS_ARRAY_LEN(parts); i++)
        rc = parts[i](c, err);
    if (rc)
        return rc;
    *ret = tns__json_pack(err, "{s:s, s:s, s:O}", "release", c->caps->version, "version",
                          tns_version_string(), "warnings", c->warnings);
    return *ret ? 0 : -err->code;
}

int tns_storage_check(struct tns_storage *st, json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct check *c;
    json_t *answer = NULL;
    int rc = tns__enter(st, &guard, err);

    if (rc)
        return rc;
    c = tns__alloc(sizeof(*c));
    if (!c)
        return tns__error_nomem(&guard.error);
    c->st = c->setup.st = st;
    c->warnings = json_array();
    rc = c->warnings ? check(c, &answer, &guard.error) : tns__error_nomem(&guard.error);
    tns__setup_clear(&c->setup);
    json_decref(c->warnings);
    tns__free(c);
    if (rc == 0)
        *ret = answer;
    return rc;
}
