/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a worker: clients, their calls, and the session that the calls go over. */
#ifndef TNSESSIOND_WORKER_H
#define TNSESSIOND_WORKER_H

#include "tnsessiond.h"

/* Calls of one client that are read ahead; more wait in its socket. */
#define TNSD_AHEAD 8

struct client;
struct upstream;

/* One call of one client. It outlives the client: the NAS answers it all the same. */
struct item {
    struct item *next;
    struct client *client; /* NULL: gone, the answer is dropped */
    uint64_t orphan_ns;    /* since when                         */
    struct upstream *up;   /* NULL: not submitted yet */
    json_int_t id;
    json_t *message; /* holds method and params */
    struct tns_call call;
};

struct client {
    struct client *next;
    struct tns_pipe pipe;
    uint64_t until_ns; /* of its hello */
    bool welcomed;
    uint64_t serial; /* of the session it was welcomed to, the only one that serves it */
    bool closing;    /* reads no more; closed as soon as everything is answered and sent */
    struct item *queue; /* in order, not submitted yet */
    unsigned queued;
    unsigned submitted;
};

/* One session with the NAS. After an expiry the old one stays until its calls are answered. */
struct upstream {
    struct upstream *next;
    uint64_t serial;
    struct tns_session *session;
    struct item *items; /* submitted */
    unsigned n_items;
    bool retired;
    bool clogged; /* and its calls are not answered: they do not count as submitted */
    uint64_t ping_ns;
};

struct worker {
    const struct tnsd *d;
    struct tns_session_opts opts;
    int control; /* -1: the router is gone, or has let us go */
    int signal_fd;
    struct client *clients;
    struct upstream *ups; /* the first is the one in use, unless it is retired */
    uint64_t serial;      /* of the newest of them */
    unsigned submitted;
    uint64_t busy_ns;
    bool leaving;
    bool ending;
};

/* ---- clients.c ---- */

void tnsd_client_add(struct worker *w, int fd, unsigned left_ms);
/* Reads what a client sends; false when it is gone. */
bool tnsd_client_read(struct client *c);
void tnsd_client_welcome(struct client *c, const struct upstream *up);
void tnsd_client_answer(struct client *c, struct item *item, bool broken);
void tnsd_client_free(struct worker *w, struct client *c);
/* No new calls from it: what it still sends gets EPIPE, and so never left. */
void tnsd_client_stop(struct client *c);
/* Takes the next call to be submitted, fairly among the clients; NULL when there is none. */
struct item *tnsd_next_item(struct worker *w);
void tnsd_item_free(struct item *item);

/* ---- upstream.c ---- */

/* The session in use, logged in; connects within ms when there is none. NULL and *err. */
struct upstream *tnsd_upstream(struct worker *w, unsigned ms, struct tns_error *err);
/* Gives the item to the session that its client was welcomed to, or answers that it is gone. */
void tnsd_submit(struct worker *w, struct item *item);
/* Moves answers to the clients; frees upstreams that broke or are used up. */
void tnsd_pump(struct worker *w);
/* Calls without an answer, which somebody waits for or which change something. */
bool tnsd_is_waited_for(const struct upstream *up);
void tnsd_ping(struct worker *w);
void tnsd_upstream_free(struct worker *w, struct upstream *up);

#endif
