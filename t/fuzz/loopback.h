/* SPDX-License-Identifier: Apache-2.0 */
/* A server on loopback for fuzzers: reads a request, says what it was given, hangs up. */
#ifndef TNS_T_FUZZ_LOOPBACK_H
#define TNS_T_FUZZ_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Called with the request's head; writes to fd what it wants. */
typedef void (*loopback_fn)(int fd, const char *request, const uint8_t *data, size_t size);

static struct {
    int fd;
    uint16_t port;
    loopback_fn fn;
    /* A copy: the server may still be speaking when the client has heard enough. */
    pthread_mutex_t lock;
    uint8_t *data;
    size_t size;
} loopback = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline uint8_t *loopback_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static inline void loopback_set(const uint8_t *data, size_t size)
{
    pthread_mutex_lock(&loopback.lock);
    free(loopback.data);
    loopback.data = loopback_copy(data, size);
    loopback.size = size;
    pthread_mutex_unlock(&loopback.lock);
}

static inline void loopback_write(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

static inline void loopback_serve(int fd)
{
    char request[8192] = "", rest[4096];
    size_t n = 0, size;
    uint8_t *data;

    while (n + 1 < sizeof(request) && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);

        if (got <= 0)
            return;
        n += (size_t)got;
        request[n] = '\0';
    }
    pthread_mutex_lock(&loopback.lock);
    size = loopback.size;
    data = loopback_copy(loopback.data, size);
    pthread_mutex_unlock(&loopback.lock);
    loopback.fn(fd, request, data, size);
    free(data);
    shutdown(fd, SHUT_WR);
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        ;
}

static inline void *loopback_thread(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(loopback.fd, NULL, NULL);

        if (fd < 0)
            continue;
        loopback_serve(fd);
        close(fd);
    }
    return NULL;
}

static inline void loopback_start(loopback_fn fn)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    pthread_t thread;

    loopback.fn = fn;
    loopback.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(loopback.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
        listen(loopback.fd, 16) < 0 ||
        getsockname(loopback.fd, (struct sockaddr *)&sin, &len) < 0 ||
        pthread_create(&thread, NULL, loopback_thread, NULL) != 0)
        abort();
    loopback.port = ntohs(sin.sin_port);
}

#endif
