/* SPDX-License-Identifier: Apache-2.0 */
/* Portal addresses, compared as numbers: "10.0.0.2" is never taken for "10.0.0.20". */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "device/device_priv.h"

#define ISCSI_PORT 3260

static int addr_bad(const char *text, struct tns_error *err)
{
    return tns__error_set(
        err, TNS_E_USAGE,
        "\"%s\" is not a portal: an IPv4 or IPv6 address, with :port if it is "
        "not 3260",
        text);
}

/* The one spelling that the system has for an address, so that equal addresses are equal text. */
static bool addr_set_host(struct tns_addr *addr, const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bin[sizeof(struct in6_addr)];
    int family;

    if (len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    family = memchr(host, ':', len) ? AF_INET6 : AF_INET;
    return inet_pton(family, text, bin) == 1 &&
           inet_ntop(family, bin, addr->host, sizeof(addr->host));
}

static bool addr_set_port(struct tns_addr *addr, const char *port)
{
    uint64_t number;

    if (!tns__parse_u64(port, &number) || number == 0 || number > 65535)
        return false;
    addr->port = (uint16_t)number;
    return true;
}

int tns__addr_parse(const char *text, struct tns_addr *ret, struct tns_error *err)
{
    struct tns_addr addr = { .port = ISCSI_PORT };
    const char *host = text, *port = NULL;
    const char *end = text + strlen(text);
    const char *colon = strchr(text, ':');

    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end || (end[1] != '\0' && end[1] != ':') ||
            !memchr(host, ':', (size_t)(end - host)))
            return addr_bad(text, err);
        port = end[1] ? end + 2 : NULL;
    } else if (colon && !strchr(colon + 1, ':')) {
        end = colon;
        port = colon + 1;
    }

    if (!addr_set_host(&addr, host, (size_t)(end - host)) ||
        (port && !addr_set_port(&addr, port)))
        return addr_bad(text, err);
    *ret = addr;
    return 0;
}

bool tns__addr_equal(const struct tns_addr *a, const struct tns_addr *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

void tns__addr_format(const struct tns_addr *addr, char ret[TNS__ADDR_TEXT])
{
    bool is_v6 = strchr(addr->host, ':');

    snprintf(ret, TNS__ADDR_TEXT, is_v6 ? "[%s]:%u" : "%s:%u", addr->host,
             (unsigned)addr->port);
}
