/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes of a node tell each other about a NAS: its dialect, and a refused key. */
#include "session/session_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* After a refusal: one minute, doubled each time, at most ten. A changed key is tried at once. */
#define REFUSED_FIRST_S 60u
#define REFUSED_MAX_S 600u

static bool memo_name(const struct tns_endpoint *ep, char ret[40])
{
    char text[320], hex[17];

    return tns__fmt(text, sizeof text, "%s|%u|%d", ep->host, ep->port, ep->tls) &&
           tns__sha256_hex(text, strlen(text), 8, hex) &&
           tns__fmt(ret, 40, "dialect-%s", hex);
}

bool tns__memo_read(int dirfd, const struct tns_endpoint *ep, struct tns_memo *ret)
{
    char name[40], text[64];
    unsigned dialect, api;
    int end = 0;

    if (!memo_name(ep, name) || tns__rundir_read(dirfd, name, text, sizeof text, NULL))
        return false;
    if (sscanf(text, "dialect %1u api %6u\n%n", &dialect, &api, &end) != 2 || text[end])
        return false;
    if (dialect < TNS_DIALECT_JSONRPC || dialect > TNS_DIALECT_REST)
        return false;
    *ret = (struct tns_memo){ .dialect = (enum tns_dialect)dialect, .api = api };
    return true;
}

void tns__memo_write(int dirfd, const struct tns_endpoint *ep, const struct tns_memo *memo)
{
    char name[40], text[64];

    if (memo_name(ep, name) && tns__fmt(text, sizeof text, "dialect %u api %u\n",
                                        (unsigned)memo->dialect, memo->api))
        tns__rundir_write(dirfd, name, text, NULL);
}

void tns__memo_forget(int dirfd, const struct tns_endpoint *ep)
{
    char name[40];

    if (memo_name(ep, name))
        unlinkat(dirfd, name, 0);
}

/* Times are monotonic: the record dies with the boot, as /run does. */
static bool refused_read(int dirfd, const char *digest, uint64_t *ret_since_s,
                         unsigned *ret_times)
{
    char name[40], text[64];
    unsigned long long since;
    unsigned times;

    if (!tns__fmt(name, sizeof name, "refused-%s", digest) ||
        tns__rundir_read(dirfd, name, text, sizeof text, NULL))
        return false;
    if (sscanf(text, "since %llu times %4u", &since, &times) != 2 ||
        since > tns__now_ns() / TNS_MS(1000))
        return false;
    *ret_since_s = since;
    *ret_times = times;
    return true;
}

static unsigned refused_for_s(unsigned times)
{
    unsigned wait = REFUSED_FIRST_S;

    while (times-- > 1 && wait < REFUSED_MAX_S)
        wait *= 2;
    return wait < REFUSED_MAX_S ? wait : REFUSED_MAX_S;
}

int tns__refused_check(int dirfd, const char *digest, struct tns_error *err)
{
    uint64_t now = tns__now_ns() / TNS_MS(1000), since, until;
    unsigned times;
    int rc;

    if (!refused_read(dirfd, digest, &since, &times))
        return 0;
    until = since + refused_for_s(times);
    if (now >= until)
        return 0;
    rc = tns__error_set(
        err, TNS_E_AUTH,
        "the NAS refused this API key %u s ago; it is tried again in %u s, or as "
        "soon as another key is configured",
        (unsigned)(now - since), (unsigned)(until - now));
    if (err)
        err->retry_after_ms = (uint32_t)((until - now) * 1000);
    return rc;
}

void tns__refused_note(int dirfd, const char *digest)
{
    char name[40], text[64];
    uint64_t since;
    unsigned times = 0;

    if (!refused_read(dirfd, digest, &since, &times))
        times = 0;
    if (tns__fmt(name, sizeof name, "refused-%s", digest) &&
        tns__fmt(text, sizeof text, "since %llu times %u\n",
                 (unsigned long long)(tns__now_ns() / TNS_MS(1000)),
                 times < 1000 ? times + 1 : times))
        tns__rundir_write(dirfd, name, text, NULL);
}

void tns__refused_forget(int dirfd, const char *digest)
{
    char name[40];

    if (tns__fmt(name, sizeof name, "refused-%s", digest))
        unlinkat(dirfd, name, 0);
}
