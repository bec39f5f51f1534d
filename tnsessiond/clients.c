/* SPDX-License-Identifier: Apache-2.0 */
/* The clients of a worker: reading their calls, answering them, and forgetting them. */
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>

#include "base/json.h"
#include "base/mem.h"
#include "worker.h"

/* An answer that nobody reads: such a client is gone in all but name. */
#define UNREAD_MAX (256u * 1024 * 1024)

void tnsd_client_add(struct worker *w, int fd, unsigned left_ms)
{
    struct client *c = tns__alloc(sizeof *c);

    if (!c) {
        close(fd);
        return;
    }
    c->pipe.fd = fd;
    c->until_ns = tns__now_ns() + TNS_MS(left_ms);
    c->next = w->clients;
    w->clients = c;
    w->busy_ns = tns__now_ns();
}

void tnsd_item_free(struct item *item)
{
    tns__call_clear(&item->call);
    json_decref(item->message);
    tns__free(item);
}

/* The calls of a client that went away are of no use, but those that the NAS has go on. */
void tnsd_client_free(struct worker *w, struct client *c)
{
    struct client **at = &w->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    while (c->queue) {
        struct item *item = c->queue;

        c->queue = item->next;
        tnsd_item_free(item);
    }
    for (struct upstream *up = w->ups; up; up = up->next) {
        for (struct item *item = up->items; item; item = item->next) {
            if (item->client != c)
                continue;
            item->client = NULL;
            item->orphan_ns = tns__now_ns();
        }
    }
    tns__pipe_close(&c->pipe);
    tns__free(c);
}

void tnsd_client_stop(struct client *c)
{
    if (c->closing)
        return;
    /* What is in the socket already was sent, and is served; see tnsd_client_read. */
    shutdown(c->pipe.fd, SHUT_RD);
    c->closing = true;
}

static void enqueue(struct client *c, struct item *item)
{
    struct item **at = &c->queue;

    while (*at)
        at = &(*at)->next;
    *at = item;
    c->queued++;
}

/* False when the message is none of the protocol. */
static bool read_call(struct client *c, json_t *message)
{
    struct item *item = tns__alloc(sizeof *item);
    const char *method;
    json_t *params = json_object_get(message, "params");
    int64_t id, flags;

    if (!item)
        return false;
    if (tns__json_int(message, "id", &id, "call", NULL) ||
        tns__json_int(message, "flags", &flags, "call", NULL) ||
        tns__json_str(message, "method", &method, "call", NULL) || !json_is_array(params)) {
        tns__free(item);
        return false;
    }
    *item = (struct item){ .client = c,
                           .id = id,
                           .message = json_incref(message),
                           .call = { .method = method,
                                     .params = params,
                                     .flags = (unsigned)flags,
                                     .error = TNS_ERROR_INIT } };
    enqueue(c, item);
    return true;
}

bool tnsd_client_read(struct client *c)
{
    while (c->queued + c->submitted < TNSD_AHEAD) {
        _tns_json_ json_t *message = NULL;
        int rc = tns__pipe_take_json(&c->pipe, TNS_PIPE_MAX_CALL, &message, NULL);

        if (rc == 0)
            return true;
        /* Once stopped, the end of what was sent is no goodbye. */
        if (rc < 0)
            return c->closing && (c->queued || c->submitted || tns__pipe_pending(&c->pipe));
        if (!read_call(c, message))
            return false;
    }
    return true;
}

static void send_json(struct client *c, const json_t *message)
{
    struct tns_error why = TNS_ERROR_INIT;

    if (!message || tns__pipe_queue_json(&c->pipe, message, &why) ||
        tns__pipe_flush(&c->pipe, &why) || c->pipe.out_len - c->pipe.out_at > UNREAD_MAX) {
        tnsd_log(LOG_INFO, "client: %s", why.code ? why.text : "cannot be answered");
        shutdown(c->pipe.fd, SHUT_RDWR);
        c->closing = true;
        c->pipe.out_at = c->pipe.out_len = 0;
    }
}

void tnsd_client_welcome(struct client *c, const struct upstream *up)
{
    const struct tns_session *s = up->session;
    _tns_json_ json_t *message =
        json_pack("{s:b,s:s,s:i,s:s,s:i,s:s}", "up", 1, "host", s->at_host, "port",
                  (int)s->at_port, "fingerprint", s->fingerprint, "dialect",
                  (int)s->caps.dialect, "version", s->caps.version);

    c->welcomed = true;
    c->serial = up->serial;
    send_json(c, message);
}

void tnsd_client_answer(struct client *c, struct item *item, bool broken)
{
    _tns_json_ json_t *message = NULL;
    json_t *error;

    if (item->call.error.code) {
        error = tns__error_to_json(&item->call.error);
        if (error)
            message = json_pack("{s:I,s:o,s:b,s:I}", "id", item->id, "error", error,
                                "broken", broken, "job", (json_int_t)item->call.job_id);
    } else {
        message = json_pack("{s:I,s:O}", "id", item->id, "result", item->call.result);
    }
    send_json(c, message);
}

/* The first client with something queued goes to the end of the list: nobody waits behind the
 * long batch of another. */
struct item *tnsd_next_item(struct worker *w)
{
    for (struct client **at = &w->clients; *at; at = &(*at)->next) {
        struct client *c = *at;
        struct item *item = c->queue;

        if (!item || !c->welcomed)
            continue;
        c->queue = item->next;
        item->next = NULL;
        c->queued--;
        *at = c->next;
        while (*at)
            at = &(*at)->next;
        *at = c;
        c->next = NULL;
        return item;
    }
    return NULL;
}
