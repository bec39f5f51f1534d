/* SPDX-License-Identifier: Apache-2.0 */
/* The session holder: what its files share. */

/*
 * One process, the router, owns the socket and reads who a client wants to be;
 * for each (endpoints, credential) it forks a worker that holds the one session and serves all its
 * clients over it:
 *
 *   client --connect--> router --descriptor--> worker ==one session==> NAS
 *
 * A worker that dies takes no other with it, and no key is in a process that does not need it.
 */
#ifndef TNSESSIOND_H
#define TNSESSIOND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "session/inside.h"
#include "session/pipe.h"

struct tnsd {
    const char *run_dir;
    int dirfd;
    int listen_fd;
    int signal_fd;
    unsigned idle_ms;
    bool foreground;
    bool owns_socket; /* not systemd: removed when we leave */
    int log_level;
};

/* ---- log.c ---- */

void tnsd_log_open(const struct tnsd *d);
void tnsd_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For the log callback of a session. */
void tnsd_log_session(void *user, int level, const char *component, const char *msg);

/* ---- hello.c: what a client says first ---- */

struct tnsd_hello {
    json_t *options;
    struct tns_secret *key;
    char digest[17];
    unsigned left_ms;
};

int tnsd_hello_read(json_t *options, char *key, size_t key_len, struct tnsd_hello *ret,
                    struct tns_error *err);
void tnsd_hello_clear(struct tnsd_hello *h);
/* The options of a session of our own; strings borrowed from the hello. */
void tnsd_hello_opts(const struct tnsd *d, const struct tnsd_hello *h,
                     struct tns_session_opts *ret);
/* Tells a client that it cannot be served; answered: the NAS said so. */
void tnsd_refuse(struct tns_pipe *pipe, const struct tns_error *why, bool answered);

/* ---- router.c ---- */

int tnsd_route(struct tnsd *d);

/* ---- worker.c ---- */

#define TNSD_LEAVING 'L' /* worker to router: send me nobody any more */

/* Serves until idle; control is its end of the pair that descriptors come over. */
int tnsd_work(const struct tnsd *d, const struct tnsd_hello *hello, int first_client,
              int control);

static inline unsigned tnsd_ms_until(uint64_t when_ns)
{
    uint64_t now = tns__now_ns();

    return when_ns > now ? (unsigned)((when_ns - now) / 1000000u + 1) : 0;
}

#endif
