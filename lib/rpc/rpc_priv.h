/* SPDX-License-Identifier: Apache-2.0 */
/* Inside lib/rpc: what carries messages, what spells them, and the engine between the two. */
#ifndef TNS_RPC_RPC_PRIV_H
#define TNS_RPC_RPC_PRIV_H

#include "rpc/rpc.h"

/* ---- io: whole text messages in both directions; a websocket, or a test's script ---- */

struct tns_io;

struct tns_io_ops {
    /* A failure that carries TNS_F_RETRYABLE: nothing of the message left. */
    int (*send)(struct tns_io *io, const char *text, size_t len, struct tns_error *err);
    /* Waits at most timeout_ms; *ret_text NULL when nothing came. */
    int (*recv)(struct tns_io *io, int timeout_ms, char **ret_text, size_t *ret_len,
                struct tns_error *err);
    int (*ping)(struct tns_io *io, struct tns_error *err);
    int (*fd)(const struct tns_io *io);
    const char *(*fingerprint)(const struct tns_io *io);
    void (*close)(struct tns_io *io);
};

struct tns_io {
    const struct tns_io_ops *ops;
    bool private; /* nobody on the way can read it: secrets may be sent */
};

int tns__io_ws_open(struct tns_ctx *ctx, const struct tns_endpoint *ep, const char *path,
                    struct tns_io **ret, struct tns_error *err);

/* ---- codec: how a dialect spells a call, and what it answers ---- */

enum tns_frame_kind {
    TNS_FRAME_REPLY,   /* of call `id` */
    TNS_FRAME_EVENT,   /* a notification */
    TNS_FRAME_ODD,     /* nothing that was asked for: counted */
    TNS_FRAME_REFUSED, /* a request, unknown which, was not understood */
};

struct tns_frame {
    enum tns_frame_kind kind;
    uint64_t id;
    json_t *result; /* borrowed from the message; NULL with an error */
    json_t *error;
};

struct tns_codec {
    enum tns_dialect dialect;
    const char *name;
    json_t *(*encode)(uint64_t id, const char *method, json_t *params,
                      struct tns_error *err);
    void (*decode)(json_t *message, struct tns_frame *ret);
    /* The dialect's error object into our codes. */
    void (*explain)(const json_t *error, const char *method, struct tns_error *err);
};

extern const struct tns_codec tns__codec_jsonrpc;
extern const struct tns_codec tns__codec_ddp;

/* ---- mux.c: calls on one connection; takes io, also on failure ---- */

int tns__mux_open(struct tns_ctx *ctx, const struct tns_codec *codec, struct tns_io *io,
                  struct tns_rpc **ret, struct tns_error *err);
int tns__ddp_handshake(struct tns_ctx *ctx, struct tns_io *io, struct tns_error *err);

/* What a lost connection, or a passed deadline, means for one call. */
void tns__call_lost(struct tns_call *call, bool left, const struct tns_error *why);

/* ---- jobs.c ---- */

/* Parameters that ask core.get_jobs for one job. */
json_t *tns__job_query(int64_t job_id, struct tns_error *err);

/* ---- errmap.c ---- */

/* "Maximum number of concurrent calls": not executed, in whatever dialect it was said. */
#define TNS_REMOTE_TOO_MANY (-32000)

void tns__errmap_rest(struct tns_error *err, const char *method, int status,
                      const char *verb, const json_t *body);

#endif
