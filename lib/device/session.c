/* SPDX-License-Identifier: Apache-2.0 */
/* Reading /sys/class/iscsi_session: which session leads to which target by which portal. */
#include "device/session.h"

#include <stdio.h>
#include <string.h>

#define SESSION_DIR "/sys/class/iscsi_session"
#define CONNECTION_DIR "/sys/class/iscsi_connection"

/* "session12" */
static bool sid_of(const char *name, unsigned *ret)
{
    uint64_t number;

    if (!tns__starts_with(name, "session") || !tns__parse_u64(name + 7, &number) ||
        number > UINT32_MAX)
        return false;
    *ret = (unsigned)number;
    return true;
}

/* ".../host3/session1/iscsi_session/session1" */
static bool host_of(const char *link, unsigned *ret)
{
    for (const char *at = strstr(link, "/host"); at; at = strstr(at + 1, "/host")) {
        uint64_t number;
        char digits[16];

        if (tns__fmt(digits, sizeof(digits), "%.*s", (int)strcspn(at + 5, "/"), at + 5) &&
            tns__parse_u64(digits, &number) && number <= UINT32_MAX) {
            *ret = (unsigned)number;
            return true;
        }
    }
    return false;
}

/* The portal as it was asked for: after a redirection the kernel's "address" is another one. */
static void read_portal(struct tns_node *node, struct tns__session *s)
{
    struct tns_error none = TNS_ERROR_INIT;
    char address[64], port[16], text[96];

    if (tns__sysroot_read(node->sr, address, sizeof(address), &none,
                          CONNECTION_DIR "/connection%u:0/persistent_address",
                          s->sid) < 0 ||
        tns__sysroot_read(node->sr, port, sizeof(port), &none,
                          CONNECTION_DIR "/connection%u:0/persistent_port", s->sid) < 0)
        return;
    snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, port);
    s->has_portal = tns__addr_parse(text, &s->portal, &none) == 0;
}

/* 1: a session to the target; 0: another target's, or one that is just going away. */
static int read_session(struct tns_node *node, const char *name, const char *target_iqn,
                        struct tns__session *ret, struct tns_error *err)
{
    struct tns_error gone = TNS_ERROR_INIT;
    char text[4096];
    struct tns__session s = { 0 };
    uint64_t id;
    int rc;

    if (!sid_of(name, &s.sid))
        return 0;
    rc = tns__sysroot_read(node->sr, text, sizeof(text), &gone,
                           SESSION_DIR "/%s/targetname", name);
    if (rc == 0 && strcmp(text, target_iqn) != 0)
        return 0;
    if (rc == 0)
        rc = tns__sysroot_read(node->sr, text, sizeof(text), &gone, SESSION_DIR "/%s/state",
                               name);
    s.is_up = rc == 0 && strcmp(text, "LOGGED_IN") == 0;
    if (rc == 0)
        rc = tns__sysroot_readlink(node->sr, text, sizeof(text), &gone, SESSION_DIR "/%s",
                                   name);
    if (rc < 0)
        return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &gone);
    if (!host_of(text, &s.host))
        return tns__error_set(err, TNS_E_DEVICE, "%s has no SCSI host", name);

    /* kernels that do not tell use one target per host, with number 0 */
    if (tns__sysroot_read_u64(node->sr, &id, NULL, SESSION_DIR "/%s/target_id", name) ==
            0 &&
        id < UINT16_MAX)
        s.target_id = (unsigned)id;
    read_portal(node, &s);
    *ret = s;
    return 1;
}

int tns__sessions_read(struct tns_node *node, const char *target_iqn,
                       struct tns__sessions *ret, struct tns_error *err)
{
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    struct tns__sessions found = { 0 };
    int rc = tns__sysroot_list(node->sr, &names, &mine, SESSION_DIR);

    /* the class is there with the module */
    if (rc < 0 && rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &mine);
    for (char **name = names; name && *name && found.n < TNS__SESSIONS_MAX; name++) {
        rc = read_session(node, *name, target_iqn, &found.s[found.n], err);
        if (rc < 0)
            return rc;
        found.n += (size_t)rc;
    }
    *ret = found;
    return 0;
}

const struct tns__session *tns__sessions_find(const struct tns__sessions *all,
                                              const struct tns_addr *portal)
{
    const struct tns__session *found = NULL;

    for (size_t i = 0; i < all->n; i++) {
        const struct tns__session *s = &all->s[i];

        /* of two to the same portal, the one that works */
        if (s->has_portal && tns__addr_equal(&s->portal, portal) && (!found || s->is_up))
            found = s;
    }
    return found;
}

size_t tns__sessions_up(const struct tns__sessions *all)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++)
        n += all->s[i].is_up;
    return n;
}

/* Below the session: targetH:C:T, and in it one directory H:C:T:L a device. */
int tns__session_has_devices(struct tns_node *node, const struct tns__session *s, bool *ret,
                             struct tns_error *err)
{
    _tns_strv_ char **targets = NULL;
    char prefix[32];
    int rc =
        tns__sysroot_list(node->sr, &targets, err, SESSION_DIR "/session%u/device", s->sid);

    if (rc < 0)
        return rc;
    *ret = false;
    snprintf(prefix, sizeof(prefix), "%u:", s->host);
    for (char **target = targets; *target; target++) {
        _tns_strv_ char **devices = NULL;

        if (!tns__starts_with(*target, "target"))
            continue;
        rc = tns__sysroot_list(node->sr, &devices, err, SESSION_DIR "/session%u/device/%s",
                               s->sid, *target);
        if (rc < 0)
            return rc;
        for (char **device = devices; *device; device++)
            *ret = *ret || tns__starts_with(*device, prefix);
    }
    return 0;
}
