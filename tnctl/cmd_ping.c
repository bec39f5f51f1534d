/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl ping: does the NAS answer, as what, how fast, and do the clocks agree? */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/ctx.h"
#include "tnctl.h"

#define ROUNDS 5

struct pong {
    const struct tns_caps *caps;
    struct tns_session_info info;
    double rtt_ms;
    bool clock_known;
    double clock_ahead_s; /* the NAS's clock minus ours */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int measure(struct tns_session *s, double *ret_ms, struct tns_error *err)
{
    _tns_json_ json_t *params = json_array();
    double ms[ROUNDS];

    if (!params)
        return tns__error_nomem(err);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t began = tns__now_ns();
        int rc = tns__session_call(s, "system.version", params, TNS_CALL_READ, NULL, err);

        if (rc)
            return rc;
        ms[i] = (double)(tns__now_ns() - began) / 1e6;
    }
    qsort(ms, ROUNDS, sizeof ms[0], compare);
    *ret_ms = ms[ROUNDS / 2];
    return 0;
}

/* system.info wants more rights than a storage key needs: without them the clock stays unknown. */
static void ask_clock(struct tns_session *s, struct pong *p)
{
    _tns_json_ json_t *params = json_array();
    _tns_json_ json_t *info = NULL;
    const json_t *stamp;
    struct timespec before, after;

    clock_gettime(CLOCK_REALTIME, &before);
    if (!params || tns__session_call(s, "system.info", params, TNS_CALL_READ, &info, NULL))
        return;
    clock_gettime(CLOCK_REALTIME, &after);
    stamp = json_object_get(json_object_get(info, "datetime"), "$date");
    if (!json_is_integer(stamp))
        return;
    p->clock_known = true;
    p->clock_ahead_s = (double)json_integer_value(stamp) / 1e3 -
                       ((double)before.tv_sec + (double)after.tv_sec +
                        (double)(before.tv_nsec + after.tv_nsec) / 1e9) /
                           2;
}

static const char *dialect_name(enum tns_dialect dialect)
{
    switch (dialect) {
    case TNS_DIALECT_JSONRPC:
        return "jsonrpc";
    case TNS_DIALECT_DDP:
        return "ddp";
    case TNS_DIALECT_REST:
        return "rest";
    case TNS_DIALECT_UNKNOWN:
        break;
    }
    return "unknown";
}

static int print_json(const struct tnctl *ctl, const struct pong *p)
{
    _tns_json_ json_t *clock = p->clock_known ? json_real(p->clock_ahead_s) : json_null();
    _tns_json_ json_t *obj =
        json_pack("{s:s,s:i,s:s,s:s,s:i,s:s,s:b,s:f,s:O}", "version", p->caps->version,
                  "release", (int)p->caps->release, "dialect",
                  dialect_name(p->info.dialect), "host", p->info.host, "port",
                  (int)p->info.port, "fingerprint", p->info.fingerprint, "via_holder",
                  p->info.via_holder, "rtt_ms", p->rtt_ms, "clock_ahead_s", clock);

    return tnctl_print(ctl, obj);
}

static int print_text(const struct pong *p)
{
    printf("%s at %s port %u, %s, %s\n", p->caps->version, p->info.host, p->info.port,
           dialect_name(p->info.dialect),
           p->info.via_holder ? "through tnsessiond" : "own login");
    printf("round trip   %.2f ms (median of %d)\n", p->rtt_ms, ROUNDS);
    if (p->clock_known)
        printf("clock        the NAS is %.1f s %s this node\n",
               p->clock_ahead_s < 0 ? -p->clock_ahead_s : p->clock_ahead_s,
               p->clock_ahead_s < 0 ? "behind" : "ahead of");
    else
        printf("clock        not told (system.info needs the role READONLY_ADMIN)\n");
    printf("fingerprint  %s\n",
           p->info.fingerprint[0] ? p->info.fingerprint : "none (no TLS)");
    return fflush(stdout) == 0 ? TNCTL_OK : TNCTL_FAILED;
}

static int run(const struct tnctl *ctl, int argc, char *argv[])
{
    _tns_session_ struct tns_session *s = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    struct pong p = { 0 };
    int code = TNCTL_FAILED;

    if (argc > 1)
        return tnctl_usage("ping: takes no argument '%.40s'", argv[1]);
    s = tnctl_open(ctl, &code);
    if (!s)
        return code;
    if (tns__session_caps(s, &p.caps, &err) || measure(s, &p.rtt_ms, &err))
        return tnctl_fail(ctl, &err);
    ask_clock(s, &p);
    tns__session_info(s, &p.info);
    return ctl->json ? print_json(ctl, &p) : print_text(&p);
}

const struct tnctl_cmd tnctl_cmd_ping = {
    .name = "ping",
    .args = "",
    .help = "release, dialect, round trip, clock difference and certificate of the NAS",
    .run = run,
};
