/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses within the deadline: getaddrinfo runs in a thread that can be abandoned. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/wire_priv.h"

#define CACHE_SLOTS 16
#define CACHE_TTL_NS TNS_MS(60000)

tns_getaddrinfo_fn tns__resolve_getaddrinfo = getaddrinfo;

/* ---- the cache, one per process ---- */

struct cache_slot {
    char host[TNS_WIRE_MAX_HOST + 1];
    bool prefer_ipv4;
    uint64_t until_ns;
    struct tns_addrs addrs;
};

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cache_slot cache[CACHE_SLOTS];

static bool cache_get(const char *host, bool prefer_ipv4, struct tns_addrs *ret)
{
    uint64_t now = tns__now_ns();
    bool found = false;

    pthread_mutex_lock(&cache_lock);
    for (size_t i = 0; i < CACHE_SLOTS && !found; i++) {
        const struct cache_slot *s = &cache[i];

        found = s->until_ns > now && s->prefer_ipv4 == prefer_ipv4 &&
                strcasecmp(s->host, host) == 0;
        if (found)
            *ret = s->addrs;
    }
    pthread_mutex_unlock(&cache_lock);
    return found;
}

/* The slot that runs out first makes room. */
static void cache_put(const char *host, bool prefer_ipv4, const struct tns_addrs *addrs)
{
    struct cache_slot *oldest = &cache[0];

    pthread_mutex_lock(&cache_lock);
    for (size_t i = 1; i < CACHE_SLOTS; i++)
        if (cache[i].until_ns < oldest->until_ns)
            oldest = &cache[i];
    snprintf(oldest->host, sizeof(oldest->host), "%s", host);
    oldest->prefer_ipv4 = prefer_ipv4;
    oldest->until_ns = tns__now_ns() + CACHE_TTL_NS;
    oldest->addrs = *addrs;
    pthread_mutex_unlock(&cache_lock);
}

void tns__resolve_forget(void)
{
    pthread_mutex_lock(&cache_lock);
    memset(cache, 0, sizeof(cache));
    pthread_mutex_unlock(&cache_lock);
}

/* ---- the question, shared by the one who asks and the thread that finds out ---- */

struct question {
    atomic_int holders;
    int ready_fd; /* eventfd, readable when the answer is there */
    int result;   /* of getaddrinfo */
    int sys_errno;
    tns_getaddrinfo_fn resolver;
    char host[TNS_WIRE_MAX_HOST + 1];
    char service[8];
    bool prefer_ipv4;
    struct tns_addrs addrs;
};

static void question_drop(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    if (q->ready_fd >= 0)
        close(q->ready_fd);
    tns__free(q);
}

static void question_dropp(struct question **q)
{
    if (*q)
        question_drop(*q);
}

static void question_take(struct question *q, const struct addrinfo *list, int family)
{
    for (const struct addrinfo *ai = list; ai && q->addrs.n < TNS_WIRE_MAX_ADDRS;
         ai = ai->ai_next) {
        if (family != AF_UNSPEC && ai->ai_family != family)
            continue;
        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, q->addrs.addr[q->addrs.n],
                        sizeof(q->addrs.addr[0]), NULL, 0, NI_NUMERICHOST) == 0)
            q->addrs.n++;
    }
}

/* A detached thread: it may outlive its asker by minutes, so it touches nothing but the question. */
static void *question_thread(void *arg)
{
    static const uint64_t one = 1;
    struct question *q = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;

    q->result = q->resolver(q->host, q->service, &hints, &list);
    q->sys_errno = q->result == EAI_SYSTEM ? errno : 0;
    if (q->result == 0 && q->prefer_ipv4) {
        question_take(q, list, AF_INET);
        question_take(q, list, AF_INET6);
    } else if (q->result == 0) {
        question_take(q, list, AF_UNSPEC);
    }
    if (list)
        freeaddrinfo(list);

    while (write(q->ready_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    question_drop(q);
    return NULL;
}

static int question_ask(struct question *q, struct tns_error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);

    /* The host program's signals are handled in the host program's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&q->holders, 1);
    rc = pthread_create(&thread, &attr, question_thread, q);
    if (rc)
        atomic_fetch_sub(&q->holders, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc ? tns__error_errno(err, TNS_E_NOMEM, rc, "cannot start the name resolver")
              : 0;
}

static struct question *question_new(const char *host, uint16_t port, bool prefer_ipv4)
{
    struct question *q = tns__alloc(sizeof(*q));

    if (!q)
        return NULL;
    atomic_store(&q->holders, 1);
    q->resolver = tns__resolve_getaddrinfo;
    q->prefer_ipv4 = prefer_ipv4;
    snprintf(q->host, sizeof(q->host), "%s", host);
    snprintf(q->service, sizeof(q->service), "%u", (unsigned)port);
    q->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q;
}

static int question_verdict(const struct question *q, struct tns_error *err)
{
    int rc;

    if (q->result == 0 && q->addrs.n > 0)
        return 0;
    if (q->result == EAI_SYSTEM)
        return tns__error_errno(err, TNS_E_TRANSPORT, q->sys_errno,
                                "cannot look up the address of host %s", q->host);
    if (q->result == 0 || q->result == EAI_NONAME || q->result == EAI_NODATA)
        return tns__error_set(err, TNS_E_TRANSPORT,
                              "host %s is not known: check its name and DNS", q->host);
    rc = tns__error_set(err, TNS_E_TRANSPORT, "cannot look up the address of host %s: %s",
                        q->host, gai_strerror(q->result));
    if (err && q->result == EAI_AGAIN)
        err->flags |= TNS_F_RETRYABLE;
    return rc;
}

static int resolve_ask(struct tns_ctx *ctx, const char *host, uint16_t port,
                       bool prefer_ipv4, struct tns_addrs *ret, struct tns_error *err)
{
    __attribute__((cleanup(question_dropp))) struct question *q = NULL;
    char what[TNS_WIRE_MAX_HOST + 40];
    int rc;

    q = question_new(host, port, prefer_ipv4);
    if (!q)
        return tns__error_nomem(err);
    if (q->ready_fd < 0)
        return tns__error_errno(err, TNS_E_NOMEM, errno, "cannot start the name resolver");
    rc = question_ask(q, err);
    if (rc < 0)
        return rc;

    snprintf(what, sizeof(what), "the address of host %s (DNS)", host);
    rc = tns__ctx_poll(ctx, q->ready_fd, POLLIN, what, err);
    if (rc < 0)
        return rc;
    rc = question_verdict(q, err);
    if (rc == 0)
        *ret = q->addrs;
    return rc;
}

/* Addresses, and "localhost", which by RFC 6761 is never asked of anybody. */
static bool resolve_at_once(const char *host, struct tns_addrs *ret)
{
    unsigned char bin[sizeof(struct in6_addr)];

    *ret = (struct tns_addrs){ .n = 1 };
    if (strcasecmp(host, "localhost") == 0) {
        ret->n = 2;
        strcpy(ret->addr[0], "127.0.0.1");
        strcpy(ret->addr[1], "::1");
        return true;
    }
    if (inet_pton(AF_INET, host, bin) != 1 && inet_pton(AF_INET6, host, bin) != 1)
        return false;
    snprintf(ret->addr[0], sizeof(ret->addr[0]), "%s", host);
    return true;
}

int tns__resolve_all(struct tns_ctx *ctx, const char *host, uint16_t port, bool prefer_ipv4,
                     struct tns_addrs *ret, struct tns_error *err)
{
    struct tns_addrs found;
    int rc = 0;

    if (strlen(host) > TNS_WIRE_MAX_HOST)
        return tns__error_set(err, TNS_E_CONFIG,
                              "host name %.40s... is longer than %d characters", host,
                              TNS_WIRE_MAX_HOST);
    if (!resolve_at_once(host, &found) && !cache_get(host, prefer_ipv4, &found)) {
        found = (struct tns_addrs){ 0 };
        rc = resolve_ask(ctx, host, port, prefer_ipv4, &found, err);
        if (rc == 0)
            cache_put(host, prefer_ipv4, &found);
    }
    if (rc == 0)
        *ret = found;
    return rc;
}

int tns__resolve(struct tns_ctx *ctx, const char *host, uint16_t port, bool prefer_ipv4,
                 char ret_addr[64], struct tns_error *err)
{
    struct tns_addrs all;
    int rc = tns__resolve_all(ctx, host, port, prefer_ipv4, &all, err);

    if (rc == 0)
        strcpy(ret_addr, all.addr[0]);
    return rc;
}
