/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up, the looking half: each object is found, missing, ours to extend, or wrong. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/setup.h"

#define say(s, what, act, fmt_object, obj, ...)                                            \
    do {                                                                                   \
        (s)->steps[what].action = (act);                                                   \
        tns__fmt((s)->steps[what].object, sizeof((s)->steps[what].object), fmt_object,     \
                 obj);                                                                     \
        tns__fmt((s)->steps[what].text, sizeof((s)->steps[what].text), __VA_ARGS__);       \
    } while (0)

static void look_dataset(struct tns_setup *s)
{
    const char *name = s->st->opt.dataset;

    if (!s->dataset)
        say(s, TNS_SETUP_DATASET, TNS_SETUP_CREATE, "%s", name, "dataset %s is made", name);
    else if (s->dataset->type != TNS_DATASET_FILESYSTEM)
        say(s, TNS_SETUP_DATASET, TNS_SETUP_WRONG, "%s", name,
            "%s is a zvol, not a dataset: choose another one", name);
    else if (s->dataset->locked)
        say(s, TNS_SETUP_DATASET, TNS_SETUP_WRONG, "%s", name,
            "%s is encrypted and locked: unlock it on the NAS", name);
    else
        say(s, TNS_SETUP_DATASET, TNS_SETUP_OK, "%s", name, "dataset %s is there", name);
}

static bool portal_has(const struct tns_portal *p, const char *ip)
{
    char **at;

    for (at = p->ips; at && *at; at++)
        if (strcmp(*at, ip) == 0 || strcmp(*at, "0.0.0.0") == 0 || strcmp(*at, "::") == 0)
            return true;
    return false;
}

/* The target's own portal first; else one that listens on the section's address; else
 * any. */
static const struct tns_portal *find_portal(const struct tns_setup *s)
{
    const struct tns_options *opt = &s->st->opt;
    size_t i;
    size_t k;

    for (i = 0; s->target && i < s->target->n_groups; i++)
        for (k = 0; k < s->portals->n; k++)
            if (s->portals->items[k].id == s->target->groups[i].portal_id &&
                (opt->n_portals == 0 ||
                 portal_has(&s->portals->items[k], opt->portals[0].host)))
                return &s->portals->items[k];
    for (k = 0; k < s->portals->n; k++)
        if (opt->n_portals == 0 || portal_has(&s->portals->items[k], opt->portals[0].host))
            return &s->portals->items[k];
    return NULL;
}

static void look_portal(struct tns_setup *s)
{
    const struct tns_options *opt = &s->st->opt;
    const char *ip = opt->n_portals ? opt->portals[0].host : "0.0.0.0";
    uint16_t port = s->global->listen_port ? s->global->listen_port : 3260;

    s->portal = find_portal(s);
    if (!s->portal)
        say(s, TNS_SETUP_PORTAL, TNS_SETUP_CREATE, "%s", ip, "a portal on %s is made", ip);
    else
        say(s, TNS_SETUP_PORTAL, TNS_SETUP_OK, "%s", ip, "portal %lld listens on %s",
            (long long)s->portal->id, ip);
    if (s->portal && s->portal->port)
        port = s->portal->port;
    if (opt->n_portals && opt->portals[0].port != port)
        say(s, TNS_SETUP_PORTAL, TNS_SETUP_WRONG, "%s", ip,
            "discovery_portal names port %u, but "
            "the NAS listens on %u",
            opt->portals[0].port, port);
}

/* The group of the target that is there, or ours by its comment. */
static const struct tns_initiator_group *find_group(const struct tns_setup *s)
{
    size_t i;

    for (i = 0; i < s->initiators->n; i++) {
        const struct tns_initiator_group *g = &s->initiators->items[i];

        if (s->target ? s->target->n_groups && s->target->groups[0].initiator_id == g->id
                      : tns__group_is_ours(s->st, g))
            return g;
    }
    return NULL;
}

static const char *missing_iqn(const struct tns_setup *s)
{
    size_t i;

    for (i = 0; i < s->iqns.n; i++)
        if (!tns__group_admits(s->group, s->iqns.text[i]))
            return s->iqns.text[i];
    return NULL;
}

static void look_initiators(struct tns_setup *s)
{
    const char *missing;

    s->group = find_group(s);
    if (!s->group && s->target) {
        say(s, TNS_SETUP_INITIATORS, TNS_SETUP_OK, "%s", s->target->name,
            "target '%s' admits every initiator", s->target->name);
        return;
    }
    if (!s->group) {
        if (s->iqns.n == 0)
            say(s, TNS_SETUP_INITIATORS, TNS_SETUP_OK, "%s", "",
                "no initiator name is known: the "
                "target will admit every one");
        else
            say(s, TNS_SETUP_INITIATORS, TNS_SETUP_CREATE, "%s", s->iqns.text[0],
                "a group of %zu initiators is made", s->iqns.n);
        return;
    }
    missing = missing_iqn(s);
    if (!missing)
        say(s, TNS_SETUP_INITIATORS, TNS_SETUP_OK, "group %lld", (long long)s->group->id,
            "group %lld admits us", (long long)s->group->id);
    else if (tns__group_is_ours(s->st, s->group))
        say(s, TNS_SETUP_INITIATORS, TNS_SETUP_UPDATE, "group %lld",
            (long long)s->group->id, "%s is added to group %lld", missing,
            (long long)s->group->id);
    else
        say(s, TNS_SETUP_INITIATORS, TNS_SETUP_WRONG, "group %lld", (long long)s->group->id,
            "group %lld is not ours and lacks %s: add it on the NAS",
            (long long)s->group->id, missing);
}

static void look_chap(struct tns_setup *s)
{
    const char *user = s->st->opt.chap_user;
    const char *peer = s->st->opt.chap_mutual_user ? s->st->opt.chap_mutual_user : "";
    size_t i;

    s->auth = NULL;
    if (!user) {
        say(s, TNS_SETUP_CHAP, TNS_SETUP_OK, "%s", "", "no CHAP is asked for");
        return;
    }
    for (i = 0; i < s->auths->n && !s->auth; i++) {
        const struct tns_iscsi_auth *a = &s->auths->items[i];
        bool used =
            !s->target || (s->target->n_groups && s->target->groups[0].auth_tag == a->tag);

        if (a->user && strcmp(a->user, user) == 0 &&
            strcmp(a->peer_user ? a->peer_user : "", peer) == 0 && used)
            s->auth = a;
    }
    if (s->auth)
        say(s, TNS_SETUP_CHAP, TNS_SETUP_OK, "%s", user, "CHAP user '%s' is there", user);
    else if (s->target)
        say(s, TNS_SETUP_CHAP, TNS_SETUP_WRONG, "%s", user,
            "target '%s' does not ask for CHAP "
            "user '%s': set its authentication group on the NAS",
            s->target->name, user);
    else
        say(s, TNS_SETUP_CHAP, TNS_SETUP_CREATE, "%s", user, "CHAP user '%s' is made",
            user);
}

static void look_target(struct tns_setup *s)
{
    const char *wanted = s->st->opt.chap_mutual_user ? "CHAP_MUTUAL"
                         : s->st->opt.chap_user      ? "CHAP"
                                                     : "NONE";
    const struct tns_target_group *g = NULL;
    char name[160];

    tns__setup_target_name(s, name);
    if (!s->target) {
        say(s, TNS_SETUP_TARGET, TNS_SETUP_CREATE, "%s", name, "target '%s' is made", name);
        if (s->st->opt.target_iqn &&
            !tns__starts_with(s->st->opt.target_iqn, s->global->basename))
            say(s, TNS_SETUP_TARGET, TNS_SETUP_WRONG, "%s", name,
                "target_iqn does not begin with "
                "'%s', as every target of this NAS does",
                s->global->basename);
        return;
    }
    if (s->target->n_groups)
        g = &s->target->groups[0];
    if (!g)
        say(s, TNS_SETUP_TARGET, TNS_SETUP_WRONG, "%s", name,
            "target '%s' has no portal group: "
            "give it one on the NAS",
            name);
    else if (strcmp(g->authmethod, wanted) != 0)
        say(s, TNS_SETUP_TARGET, TNS_SETUP_WRONG, "%s", name,
            "target '%s' authenticates by %s, but "
            "the storage is set for %s",
            name, g->authmethod, wanted);
    else
        say(s, TNS_SETUP_TARGET, TNS_SETUP_OK, "%s", name, "target '%s' is there", name);
}

static void look_service(struct tns_setup *s)
{
    const char *name = "iscsitarget";

    if (s->service.running && s->service.enabled)
        say(s, TNS_SETUP_SERVICE, TNS_SETUP_OK, "%s", name, "the iSCSI service runs");
    else
        say(s, TNS_SETUP_SERVICE, TNS_SETUP_UPDATE, "%s", name,
            "the iSCSI service is started, and "
            "with every boot");
}

void tns__setup_target_name(const struct tns_setup *s, char ret[160])
{
    const char *iqn = s->st->opt.target_iqn;
    size_t base = strlen(s->global->basename);
    char *p;

    if (s->target)
        tns__fmt(ret, 160, "%s", s->target->name);
    else if (iqn && tns__starts_with(iqn, s->global->basename) && iqn[base] == ':')
        tns__fmt(ret, 160, "%.119s", iqn + base + 1);
    else
        tns__fmt(ret, 160, "tnstor-%.80s", s->st->opt.storeid);
    for (p = ret; !s->target && *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
        else if (*p == '_')
            *p = '-';
    }
}

void tns__setup_look(struct tns_setup *s)
{
    s->target = tns__target_first(s->st, s->targets);
    look_dataset(s);
    look_portal(s);
    look_initiators(s);
    look_chap(s);
    look_target(s);
    look_service(s);
}
