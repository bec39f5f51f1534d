/* SPDX-License-Identifier: Apache-2.0 */
/* SendTargets: which targets a portal has, and where. */
#include <stdio.h>
#include <string.h>

#include "device/probe_priv.h"

#define TARGETS_MAX 4096u

struct discovery {
    struct tns__probe *probe;
    json_t *targets;
    bool is_broken; /* out of memory, or more than any NAS has */
};

/* "10.0.0.2:3260,1" without its portal group; what is no address (0.0.0.0 of another world, a host
 * name) cannot be compared with a portal and is left out. */
static int add_portal(json_t *portals, const char *text)
{
    struct tns_error none = TNS_ERROR_INIT;
    char address[TNS__ADDR_TEXT];
    struct tns_addr addr;

    if (!tns__fmt(address, sizeof(address), "%.*s", (int)strcspn(text, ","), text) ||
        tns__addr_parse(address, &addr, &none) < 0)
        return 0;
    tns__addr_format(&addr, address);
    return json_array_append_new(portals, json_string(address));
}

static int add_target(json_t *targets, const struct iscsi_discovery_address *da)
{
    _tns_json_ json_t *portals = json_array();

    if (!portals)
        return -1;
    for (const struct iscsi_target_portal *p = da->portals; p; p = p->next) {
        if (p->portal && add_portal(portals, p->portal) < 0)
            return -1;
    }
    return json_array_append_new(targets, json_pack("{s:s, s:O}", "iqn", da->target_name,
                                                    "portals", portals));
}

/* The list lives only as long as this callback. */
static void discovery_cb(struct iscsi_context *iscsi, int status, void *data, void *user)
{
    struct discovery *d = user;

    (void)iscsi;
    tns__probe_done(d->probe, status);
    if (status != SCSI_STATUS_GOOD)
        return;
    for (const struct iscsi_discovery_address *da = data; da && !d->is_broken;
         da = da->next) {
        if (!da->target_name || !tns__is_iqn(da->target_name))
            continue;
        d->is_broken =
            json_array_size(d->targets) >= TARGETS_MAX || add_target(d->targets, da) < 0;
    }
}

int tns__probe_discover(struct tns_ctx *ctx, const struct tns_addr *portal,
                        const struct tns_chap *chap, const char *initiator, json_t **ret,
                        struct tns_error *err)
{
    struct tns_chap one_way = chap ? *chap : (struct tns_chap){ 0 };
    const struct tns__peer peer = { .portal = portal,
                                    .chap = &one_way,
                                    .initiator = initiator };
    _tns_json_ json_t *targets = json_array();
    struct discovery d = { .targets = targets };
    _tns_probe_ struct tns__probe probe = { 0 };
    int rc;

    if (!targets)
        return tns__error_nomem(err);
    /* mutual CHAP is the proof of a target; the discovery of a NAS usually has no accounts at all */
    one_way.mutual_user = NULL;
    rc = tns__probe_open(&probe, ctx, &peer, err);
    if (rc < 0)
        return rc;

    d.probe = &probe;
    probe.is_done = false;
    if (iscsi_discovery_async(probe.iscsi, discovery_cb, &d) < 0)
        return tns__error_nomem(err);
    rc = tns__probe_wait(&probe, "SendTargets", err);
    if (rc < 0)
        return rc;
    if (probe.status != SCSI_STATUS_GOOD)
        return tns__error_set(err, TNS_E_TRANSPORT, "%s does not answer SendTargets",
                              probe.portal);
    if (d.is_broken)
        return tns__error_set(err, TNS_E_PROTOCOL, "%s lists too many targets",
                              probe.portal);
    *ret = TNS_STEAL(targets);
    return 0;
}
