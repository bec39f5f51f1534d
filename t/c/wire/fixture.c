/* SPDX-License-Identifier: Apache-2.0 */
/* The server and the client's context that most tests of lib/wire begin with. */
#include "wire/fixture.h"

#include <stdlib.h>

void fix_start(struct fix *f, enum srv_cert cert, srv_fn fn, void *arg)
{
    memset(f, 0, sizeof(*f));
    f->err = (struct tns_error)TNS_ERROR_INIT;
    f->srv = srv_start(cert, fn, arg);
    tst_ctx_init(&f->ctx, 5000);
    f->ep = (struct tns_endpoint){
        .host = "localhost",
        .port = srv_port(f->srv),
        .tls = cert != SRV_PLAIN,
        .ca_file = cert != SRV_PLAIN ? srv_ca_file(f->srv) : NULL,
    };
}

void fix_stop(struct fix *f)
{
    srv_stop(f->srv);
}

void fix_trust_print(struct fix *f, const char *print)
{
    f->prints[0] = print;
    f->ep.fingerprints = f->prints;
    f->ep.ca_file = NULL;
}

void fix_deadline(struct fix *f, unsigned ms)
{
    f->ctx.deadline_ns = 0;
    tns__ctx_begin(&f->ctx, ms);
}

struct tns_ws *fix_open(struct fix *f)
{
    struct tns_ws *ws = NULL;

    tst_ok(tns__ws_open(&f->ctx, &f->ep, "/api/current", &ws, &f->err), &f->err);
    return ws;
}

void serve_echo(struct srv_conn *c, void *arg)
{
    size_t cap = 1 << 20, len;
    char *buf = malloc(cap);
    int opcode;

    (void)arg;
    if (srv_upgrade(c))
        while ((opcode = srv_frame_in(c, buf, cap, &len)) >= 0 && opcode != 8)
            if (!srv_frame(c, opcode == 9 ? 0x8a : 0x80 | opcode, buf, len))
                break;
    free(buf);
}
