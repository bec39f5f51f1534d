/* SPDX-License-Identifier: Apache-2.0 */
/* A server and a client's context that most tests of lib/wire begin with. */
#ifndef TNS_T_WIRE_FIXTURE_H
#define TNS_T_WIRE_FIXTURE_H

#include <string.h>
#include <syslog.h>

#include "base/mem.h"
#include "common/tst.h"
#include "wire/server.h"
#include "wire/wire_priv.h"

struct fix {
    struct srv *srv;
    struct tns_ctx ctx;
    struct tns_endpoint ep;
    const char *prints[3];
    struct tns_error err;
};

/* Trusting the server by its CA; the deadline is 5 s. */
void fix_start(struct fix *f, enum srv_cert cert, srv_fn fn, void *arg);
void fix_stop(struct fix *f);
/* Trust by fingerprint instead. */
void fix_trust_print(struct fix *f, const char *print);
/* Starts the clock anew. */
void fix_deadline(struct fix *f, unsigned ms);
struct tns_ws *fix_open(struct fix *f);

/* Upgrades, then sends every text back until the client goes. */
void serve_echo(struct srv_conn *c, void *arg);

#endif
