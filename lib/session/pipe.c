/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over the holder's socket, without blocking and without a signal. */
#include "session/pipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

static int broken(struct tns_error *err, int sys)
{
    return sys ? tns__error_errno(err, TNS_E_TRANSPORT, sys, "session holder")
               : tns__error_set(err, TNS_E_TRANSPORT,
                                "the session holder closed the connection");
}

static int make_room(struct tns_pipe *p, size_t more, struct tns_error *err)
{
    size_t cap = p->out_cap ? p->out_cap : 4096;
    char *grown;

    if (p->out_at == p->out_len)
        p->out_at = p->out_len = 0;
    if (more > TNS_PIPE_MAX_REPLY + 4u || p->out_len > SIZE_MAX / 2 - more)
        return tns__error_set(err, TNS_E_USAGE,
                              "a message of %zu bytes for the session holder", more);
    while (cap < p->out_len + more)
        cap *= 2;
    if (cap == p->out_cap)
        return 0;
    grown = tns__alloc(cap);
    if (!grown)
        return tns__error_nomem(err);
    if (p->out) {
        memcpy(grown, p->out, p->out_len);
        explicit_bzero(p->out, p->out_len);
        tns__free(p->out);
    }
    p->out = grown;
    p->out_cap = cap;
    return 0;
}

int tns__pipe_queue(struct tns_pipe *p, const char *bytes, size_t len,
                    struct tns_error *err)
{
    uint32_t head = htonl((uint32_t)len);
    int rc = make_room(p, len + sizeof head, err);

    if (rc)
        return rc;
    memcpy(p->out + p->out_len, &head, sizeof head);
    memcpy(p->out + p->out_len + sizeof head, bytes, len);
    p->out_len += len + sizeof head;
    p->queued += len + sizeof head;
    return 0;
}

int tns__pipe_queue_json(struct tns_pipe *p, const json_t *value, struct tns_error *err)
{
    size_t len;
    _tns_free_ char *text = tns__json_dump(value, &len);

    return text ? tns__pipe_queue(p, text, len, err) : tns__error_nomem(err);
}

int tns__pipe_flush(struct tns_pipe *p, struct tns_error *err)
{
    while (tns__pipe_pending(p)) {
        ssize_t n = send(p->fd, p->out + p->out_at, p->out_len - p->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n < 0)
            return broken(err, errno);
        p->out_at += (size_t)n;
        p->sent += (uint64_t)n;
    }
    return 0;
}

/* Fills dst up to len: 1 when full, 0 when there is no more yet. */
static int fill(struct tns_pipe *p, void *dst, size_t len, size_t *have,
                struct tns_error *err)
{
    while (*have < len) {
        ssize_t n = recv(p->fd, (char *)dst + *have, len - *have, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n <= 0)
            return broken(err, n < 0 ? errno : 0);
        *have += (size_t)n;
    }
    return 1;
}

static int begin_body(struct tns_pipe *p, size_t max, struct tns_error *err)
{
    uint32_t head;

    memcpy(&head, p->head, sizeof head);
    p->body_len = ntohl(head);
    p->body_have = 0;
    if (p->body_len > max)
        return tns__error_set(err, TNS_E_PROTOCOL,
                              "session holder: a message of %zu bytes is over the limit",
                              p->body_len);
    p->body = tns__alloc(p->body_len + 1);
    return p->body ? 0 : tns__error_nomem(err);
}

int tns__pipe_take(struct tns_pipe *p, size_t max, char **ret, size_t *ret_len,
                   struct tns_error *err)
{
    int rc;

    if (!p->body) {
        rc = fill(p, p->head, sizeof p->head, &p->head_have, err);
        if (rc <= 0)
            return rc;
        rc = begin_body(p, max, err);
        if (rc)
            return rc;
    }
    rc = fill(p, p->body, p->body_len, &p->body_have, err);
    if (rc <= 0)
        return rc;
    *ret_len = p->body_len;
    *ret = TNS_STEAL(p->body);
    p->head_have = 0;
    return 1;
}

int tns__pipe_take_json(struct tns_pipe *p, size_t max, json_t **ret, struct tns_error *err)
{
    _tns_free_ char *text = NULL;
    size_t len;
    int rc = tns__pipe_take(p, max, &text, &len, err);

    if (rc <= 0)
        return rc;
    rc = tns__json_parse(text, len, &tns__json_default_limits, ret, err);
    return rc ? rc : 1;
}

void tns__pipe_close(struct tns_pipe *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->out)
        explicit_bzero(p->out, p->out_len);
    if (p->body)
        explicit_bzero(p->body, p->body_have);
    tns__free(p->out);
    tns__free(p->body);
    *p = (struct tns_pipe){ .fd = -1 };
}

json_t *tns__error_to_json(const struct tns_error *err)
{
    return json_pack("{s:i,s:i,s:i,s:i,s:I,s:I,s:s,s:s}", "code", err->code, "sys_errno",
                     err->sys_errno, "remote_code", err->remote_code, "remote_errno",
                     err->remote_errno, "flags", (json_int_t)err->flags, "retry_after_ms",
                     (json_int_t)err->retry_after_ms, "op", err->op, "text", err->text);
}

static int small_int(const json_t *obj, const char *key)
{
    return (int)json_integer_value(json_object_get(obj, key));
}

static const char *text_of(const json_t *obj, const char *key)
{
    const char *text = json_string_value(json_object_get(obj, key));

    return text ? text : "";
}

void tns__error_from_json(const json_t *obj, struct tns_error *ret)
{
    int code = small_int(obj, "code");

    *ret = (struct tns_error)TNS_ERROR_INIT;
    tns__error_set(ret, code > 0 ? code : TNS_E_PROTOCOL, "%s", text_of(obj, "text"));
    ret->sys_errno = small_int(obj, "sys_errno");
    ret->remote_code = small_int(obj, "remote_code");
    ret->remote_errno = small_int(obj, "remote_errno");
    ret->flags = (uint32_t)small_int(obj, "flags");
    ret->retry_after_ms =
        (uint32_t)json_integer_value(json_object_get(obj, "retry_after_ms"));
    tns__fmt(ret->op, sizeof ret->op, "%s", text_of(obj, "op"));
}
