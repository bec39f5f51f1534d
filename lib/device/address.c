/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an address is one of this node's. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>

#include "device/device_priv.h"

/* In the kernel's spelling; "" for a family that is neither IPv4 nor IPv6. */
static void spell(const struct sockaddr *sa, char ret[INET6_ADDRSTRLEN])
{
    const void *bin = NULL;

    ret[0] = '\0';
    if (sa && sa->sa_family == AF_INET)
        bin = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    else if (sa && sa->sa_family == AF_INET6)
        bin = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    if (bin && !inet_ntop(sa->sa_family, bin, ret, INET6_ADDRSTRLEN))
        ret[0] = '\0';
}

int tns__device_owns_address(const char *text, bool *ret, struct tns_error *err)
{
    struct ifaddrs *all = NULL;
    struct tns_addr addr;
    int rc = tns__addr_parse(text, &addr, err);

    if (rc < 0)
        return rc;
    if (getifaddrs(&all) < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot tell this node's addresses");
    *ret = false;
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        char own[INET6_ADDRSTRLEN];

        spell(one->ifa_addr, own);
        *ret = *ret || strcmp(own, addr.host) == 0;
    }
    freeifaddrs(all);
    return 0;
}
