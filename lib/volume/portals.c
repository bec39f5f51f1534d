/* SPDX-License-Identifier: Apache-2.0 */
/* Portals and full names of targets. */
#include "volume/portals.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

void tns__portals_clear(struct tns__portals *p)
{
    tns__portal_list_free(p->portals);
    tns__iscsi_global_free(p->global);
    tns__initiator_list_free(p->initiators);
}

void tns__portals_put(struct tns_batch *b, void *user)
{
    struct tns__portals *p = user;

    tns__portal_list_put(b, &p->portals);
    tns__iscsi_global_get_put(b, &p->global);
    tns__initiator_list_put(b, &p->initiators);
}

int tns__target_iqn(const struct tns_storage *st, const struct tns__portals *p,
                    const struct tns_target *target, char *ret, size_t cap,
                    struct tns_error *err)
{
    bool whole = strncmp(target->name, "iqn.", 4) == 0;

    if (!tns__fmt(ret, cap, "%s%s%s", whole ? "" : p->global->basename, whole ? "" : ":",
                  target->name))
        return tns__error_set(err, TNS_E_PROTOCOL, "the name of target '%s' is too long",
                              target->name);
    (void)st;
    return 0;
}

static const struct tns_portal *portal_of(const struct tns__portals *p, int64_t id)
{
    size_t i;

    for (i = 0; i < p->portals->n; i++)
        if (p->portals->items[i].id == id)
            return &p->portals->items[i];
    return NULL;
}

/* A portal on every address is reached where the API is: at the host that the section
 * names. */
static bool is_any(const char *ip)
{
    return strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static void add(struct tns_addr ret[TNS_PORTALS_MAX], size_t *n, const char *ip,
                uint16_t port)
{
    struct tns_addr addr;
    size_t i;

    if (tns__addr_parse(ip, &addr, NULL) || *n == TNS_PORTALS_MAX)
        return;
    addr.port = port;
    for (i = 0; i < *n; i++)
        if (tns__addr_equal(&ret[i], &addr))
            return;
    ret[(*n)++] = addr;
}

static void add_portal(const struct tns_storage *st, const struct tns__portals *p,
                       const struct tns_portal *portal,
                       struct tns_addr ret[TNS_PORTALS_MAX], size_t *n)
{
    uint16_t port = p->global->listen_port ? p->global->listen_port : 3260;
    char **ip;

    for (ip = portal->ips; ip && *ip; ip++) {
        const char *host = json_string_value(json_object_get(st->opt.json, "api_host"));

        if (!is_any(*ip))
            add(ret, n, *ip, portal->port ? portal->port : port);
        else if (host)
            add(ret, n, host, portal->port ? portal->port : port);
    }
}

int tns__portals_choose(const struct tns_storage *st, const struct tns__portals *p,
                        const struct tns_target *target,
                        struct tns_addr ret[TNS_PORTALS_MAX], size_t *ret_n,
                        struct tns_error *err)
{
    size_t n = 0;
    size_t i;

    if (st->opt.n_portals > 0) {
        memcpy(ret, st->opt.portals, st->opt.n_portals * sizeof(*ret));
        *ret_n = st->opt.n_portals;
        return 0;
    }
    for (i = 0; i < target->n_groups; i++) {
        const struct tns_portal *portal = portal_of(p, target->groups[i].portal_id);

        if (portal)
            add_portal(st, p, portal, ret, &n);
    }
    if (n == 0)
        return tns__error_set(err, TNS_E_CONFIG,
                              "target '%s' has no portal that this node could "
                              "use: set discovery_portal",
                              target->name);
    *ret_n = n;
    return 0;
}
