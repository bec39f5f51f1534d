/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint made our own: copied, checked and put into the forms that the wire needs. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/wire_priv.h"

bool tns__endpoint_is_loopback(const struct tns_endpoint *ep)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (!ep->host)
        return false;
    if (strcasecmp(ep->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, ep->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, ep->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* What may stand in a Host header and in a certificate: no white space, no control characters. */
static bool peer_host_ok(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-_.:%";
    size_t len = strlen(host);

    return len > 0 && len <= TNS_WIRE_MAX_HOST && strspn(host, allowed) == len &&
           host[0] != '-';
}

/* "AB:CD:...", 32 bytes, either case. */
static bool fingerprint_parse(const char *text, unsigned char ret[32])
{
    for (size_t i = 0; i < 32; i++, text += 2) {
        int high, low;

        if (i > 0 && *text++ != ':')
            return false;
        high = tns__hex_value(text[0]);
        low = high < 0 ? -1 : tns__hex_value(text[1]);
        if (low < 0)
            return false;
        ret[i] = (unsigned char)(high * 16 + low);
    }
    return *text == '\0';
}

static int peer_take_fingerprints(struct tns_peer *peer, const char *const *list,
                                  struct tns_error *err)
{
    for (; list && *list; list++) {
        if (peer->n_fingerprints == TNS_WIRE_MAX_FINGERPRINTS)
            return tns__error_set(err, TNS_E_CONFIG, "fingerprint: more than %d are given",
                                  TNS_WIRE_MAX_FINGERPRINTS);
        if (!fingerprint_parse(*list, peer->fingerprints[peer->n_fingerprints]))
            return tns__error_set(
                err, TNS_E_CONFIG,
                "fingerprint '%s' is not a SHA-256 in colon-hex (32 pairs, "
                "AB:CD:...)",
                *list);
        peer->n_fingerprints++;
    }
    return 0;
}

/* libwebsockets goes on silently without a CA file that it cannot read. */
static int peer_take_ca_file(struct tns_peer *peer, const char *ca_file,
                             struct tns_error *err)
{
    if (!ca_file)
        return 0;
    if (access(ca_file, R_OK) < 0)
        return tns__error_errno(err, TNS_E_CONFIG, errno, "CA file %s cannot be read",
                                ca_file);
    peer->ca_file = tns__strdup(ca_file);
    return peer->ca_file ? 0 : tns__error_nomem(err);
}

static void peer_spell(struct tns_peer *peer)
{
    const char *form = strchr(peer->host, ':') ? "[%s]%s" : "%s%s";
    bool usual = peer->port == (peer->tls ? 443 : 80);
    char port[8];

    snprintf(port, sizeof(port), ":%u", (unsigned)peer->port);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(peer->label, sizeof(peer->label), form, peer->host, port);
    snprintf(peer->host_header, sizeof(peer->host_header), form, peer->host,
             usual ? "" : port);
#pragma GCC diagnostic pop
}

int tns__peer_init(struct tns_peer *peer, const struct tns_endpoint *ep,
                   struct tns_error *err)
{
    int rc;

    *peer = (struct tns_peer){ 0 };
    if (!ep->host || !peer_host_ok(ep->host))
        return tns__error_set(err, TNS_E_CONFIG,
                              "host '%s' is neither a host name nor an address",
                              ep->host ? ep->host : "");
    if (ep->port == 0)
        return tns__error_set(err, TNS_E_CONFIG, "port 0 of host %s is no port", ep->host);

    strcpy(peer->host, ep->host);
    peer->port = ep->port;
    peer->tls = ep->tls;
    peer->insecure = ep->insecure;
    peer->prefer_ipv4 = ep->prefer_ipv4;
    peer_spell(peer);
    if (!ep->tls)
        return 0;

    rc = peer_take_fingerprints(peer, ep->fingerprints, err);
    if (rc == 0)
        rc = peer_take_ca_file(peer, ep->ca_file, err);
    return rc;
}

void tns__peer_clear(struct tns_peer *peer)
{
    tns__free(peer->ca_file);
    peer->ca_file = NULL;
}
