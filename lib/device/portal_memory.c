/* SPDX-License-Identifier: Apache-2.0 */
/* Portals that failed a moment ago: left out while another one serves, so that nobody waits twice. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device/device_priv.h"

#define BAD_FOR_MS 60000u

static void memory_path(const struct tns_node *node, const struct tns_addr *addr, char *ret,
                        size_t cap)
{
    char host[sizeof(addr->host)];

    snprintf(host, sizeof(host), "%s", addr->host);
    for (char *p = host; *p; p++) {
        if (*p == ':')
            *p = '_';
    }
    snprintf(ret, cap, "%s/portals/%s_%u", tns__run_dir(node), host, (unsigned)addr->port);
}

bool tns__portal_is_bad(struct tns_node *node, const struct tns_addr *addr)
{
    struct tns_error none = TNS_ERROR_INIT;
    uint64_t now_ns = tns__now_ns(), until_ns;
    char path[256];

    memory_path(node, addr, path, sizeof(path));
    if (tns__sysroot_read_u64(node->sr, &until_ns, &none, "%s", path) < 0)
        return false;
    /* a number from before the last boot is from another clock */
    return until_ns > now_ns && until_ns - now_ns <= TNS_MS(BAD_FOR_MS);
}

void tns__portal_remember(struct tns_node *node, const struct tns_addr *addr, bool is_bad)
{
    struct tns_error none = TNS_ERROR_INIT;
    char path[256], text[32];

    memory_path(node, addr, path, sizeof(path));
    if (!is_bad) {
        tns__sysroot_unlink(node->sr, &none, "%s", path);
        return;
    }
    snprintf(text, sizeof(text), "%" PRIu64 "\n", tns__now_ns() + TNS_MS(BAD_FOR_MS));
    /* without the memory everything works, only slower */
    tns__sysroot_replace(node->sr, text, strlen(text), 0600, &none, "%s", path);
}
