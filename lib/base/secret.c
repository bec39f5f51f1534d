/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets on pages of their own, and the list of live ones that the redactor knows. */
#include "base/secret.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret_priv.h"

struct tns_secret {
    struct tns_secret *next, *prev;
    size_t map_len;
    size_t len;
    char *bytes;
};

static pthread_mutex_t secret_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;
static struct tns_secret *secret_list;

static void secret_list_lock(void)
{
    pthread_mutex_lock(&secret_lock);
}

static void secret_list_unlock(void)
{
    pthread_mutex_unlock(&secret_lock);
}

/* Another thread may hold the lock while this one forks: take it over the fork, so that the
 * child never inherits it locked and the list half changed. */
static void secret_guard_fork(void)
{
    pthread_atfork(secret_list_lock, secret_list_unlock, secret_list_unlock);
}

static size_t secret_map_len(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (len / page + 1) * page;
}

/* Both are best effort: RLIMIT_MEMLOCK of a container may leave us nothing to lock. */
static void secret_protect(const struct tns_secret *s)
{
    (void)mlock(s->bytes, s->map_len);
    (void)madvise(s->bytes, s->map_len, MADV_DONTDUMP);
}

static void secret_link(struct tns_secret *s)
{
    pthread_once(&secret_once, secret_guard_fork);
    secret_list_lock();
    s->next = secret_list;
    if (s->next)
        s->next->prev = s;
    secret_list = s;
    secret_list_unlock();
}

static void secret_unlink(struct tns_secret *s)
{
    secret_list_lock();
    if (s->next)
        s->next->prev = s->prev;
    if (s->prev)
        s->prev->next = s->next;
    else
        secret_list = s->next;
    secret_list_unlock();
}

struct tns_secret *tns__secret_new(const char *bytes, size_t len)
{
    struct tns_secret *s = tns__alloc(sizeof(*s));
    void *map;

    if (!s)
        return NULL;

    s->len = len;
    s->map_len = secret_map_len(len);
    map =
        mmap(NULL, s->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        tns__free(s);
        return NULL;
    }

    s->bytes = map;
    secret_protect(s);
    if (len)
        memcpy(s->bytes, bytes, len);
    secret_link(s);
    return s;
}

void tns__secret_free(struct tns_secret *s)
{
    if (!s)
        return;

    secret_unlink(s);
    explicit_bzero(s->bytes, s->map_len);
    munmap(s->bytes, s->map_len);
    tns__free(s);
}

void tns__secret_freep(struct tns_secret **s)
{
    tns__secret_free(*s);
}

const char *tns__secret_bytes(const struct tns_secret *s)
{
    return s->bytes;
}

size_t tns__secret_len(const struct tns_secret *s)
{
    return s->len;
}

bool tns__secret_equal(const struct tns_secret *a, const struct tns_secret *b)
{
    unsigned char differs = 0;

    if (!a || !b || a->len != b->len)
        return a == b;

    /* no early way out: the time taken tells nothing about where they differ */
    for (size_t i = 0; i < a->len; i++)
        differs |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
    return differs == 0;
}

void tns__secret_each(tns__secret_fn fn, void *user)
{
    secret_list_lock();
    for (const struct tns_secret *s = secret_list; s; s = s->next)
        fn(s->bytes, s->len, user);
    secret_list_unlock();
}
