/* SPDX-License-Identifier: Apache-2.0 */
/* Length-prefixed frames between a process and the session holder. */

/*
 * Four bytes of length, big-endian, then that many bytes. Both ends never block on the socket itself.
 *
 *   holder  -> client   {"tnstor":1}                                   it lives
 *   client  -> holder   {"tnstor":1, options..., "left_ms":n}          then the key, raw
 *   holder  -> client   {"up":true, "host","port","fingerprint","dialect","version"}
 *                    or {"error":{...},"answered":bool}                and closes
 *   client  -> holder   {"id","method","params","flags"}
 *   holder  -> client   {"id","result"} or {"id","error":{...},"broken":bool,"job":n}
 */
#ifndef TNS_SESSION_PIPE_H
#define TNS_SESSION_PIPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tnstor.h"

#define TNS_PIPE_PROTOCOL 1
#define TNS_PIPE_MAX_HELLO (64u * 1024)
#define TNS_PIPE_MAX_CALL (1024u * 1024)
#define TNS_PIPE_MAX_REPLY (80u * 1024 * 1024)

struct tns_pipe {
    int fd; /* non-blocking; -1 when closed */
    unsigned char head[4];
    size_t head_have;
    char *body;
    size_t body_len, body_have;
    char *out;
    size_t out_len, out_at, out_cap;
    uint64_t queued, sent; /* bytes since the beginning: tells which frame has left */
};

/* Appends a frame to what is to be sent. */
int tns__pipe_queue(struct tns_pipe *p, const char *bytes, size_t len,
                    struct tns_error *err);
int tns__pipe_queue_json(struct tns_pipe *p, const json_t *value, struct tns_error *err);
/* Sends what the socket takes; 0 also when something is left, which out_len > out_at tells. */
int tns__pipe_flush(struct tns_pipe *p, struct tns_error *err);
/* Reads what is there: 1 and a whole frame (owned, NUL-terminated), 0 when there is none yet. */
int tns__pipe_take(struct tns_pipe *p, size_t max, char **ret, size_t *ret_len,
                   struct tns_error *err);
int tns__pipe_take_json(struct tns_pipe *p, size_t max, json_t **ret,
                        struct tns_error *err);
/* Wipes and frees: a hello carries the key. */
void tns__pipe_close(struct tns_pipe *p);

static inline bool tns__pipe_pending(const struct tns_pipe *p)
{
    return p->out_len > p->out_at;
}

/* Errors on their way through the holder keep everything that decides about a retry. */
json_t *tns__error_to_json(const struct tns_error *err);
void tns__error_from_json(const json_t *obj, struct tns_error *ret);

#endif
