/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, cancellation and the fork guard: the only places where anything waits. */
#include "base/ctx.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* Perl's pending-signal flag may be set without an EINTR, so ask at least this often. */
#define CTX_SLICE_MS 250

void tns__ctx_init(struct tns_ctx *ctx)
{
    *ctx = (struct tns_ctx){ .log_level = LOG_INFO, .owner_pid = getpid() };
}

int tns__ctx_check_pid(const struct tns_ctx *ctx, struct tns_error *err)
{
    if (ctx->owner_pid == getpid())
        return 0;
    return tns__error_set(err, TNS_E_FORKED,
                          "this handle belongs to process %d: open a new one after fork",
                          (int)ctx->owner_pid);
}

uint64_t tns__now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t tns__ctx_begin(struct tns_ctx *ctx, unsigned timeout_ms)
{
    uint64_t before = ctx->deadline_ns;
    uint64_t mine = tns__now_ns() + TNS_MS(timeout_ms);

    if (before == 0 || mine < before)
        ctx->deadline_ns = mine;
    return before;
}

int tns__ctx_left_ms(const struct tns_ctx *ctx)
{
    uint64_t now = tns__now_ns();
    uint64_t left_ms;

    if (ctx->deadline_ns <= now)
        return 0;
    left_ms = (ctx->deadline_ns - now + 999999u) / 1000000u;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

static int ctx_timeout(const char *what, struct tns_error *err)
{
    return tns__error_set(err, TNS_E_TIMEOUT, "waiting for %s: the time allowed has passed",
                          what);
}

static int ctx_ask_cancel(const struct tns_ctx *ctx, const char *what,
                          struct tns_error *err)
{
    if (!ctx->cancel_fn || !ctx->cancel_fn(ctx->cancel_user))
        return 0;
    return tns__error_set(err, TNS_E_CANCELLED, "waiting for %s: cancelled", what);
}

int tns__ctx_check(const struct tns_ctx *ctx, const char *what, struct tns_error *err)
{
    int rc = ctx_ask_cancel(ctx, what, err);

    if (rc < 0)
        return rc;
    return tns__ctx_left_ms(ctx) > 0 ? 0 : ctx_timeout(what, err);
}

static int ctx_slice(int left_ms)
{
    return left_ms < CTX_SLICE_MS ? left_ms : CTX_SLICE_MS;
}

int tns__ctx_poll(const struct tns_ctx *ctx, int fd, short events, const char *what,
                  struct tns_error *err)
{
    struct pollfd pfd = { .fd = fd, .events = events };
    int rc;

    rc = TNS_BUG_ON(err, fd < 0);
    if (rc < 0)
        return rc;

    for (;;) {
        int left_ms = tns__ctx_left_ms(ctx);

        rc = poll(&pfd, 1, ctx_slice(left_ms));
        if (rc > 0)
            return pfd.revents;
        if (rc < 0 && errno != EINTR)
            return tns__error_errno(err, TNS_E_DEVICE, errno, "waiting for %s", what);

        rc = ctx_ask_cancel(ctx, what, err);
        if (rc < 0)
            return rc;
        if (left_ms == 0)
            return ctx_timeout(what, err);
    }
}

int tns__ctx_backoff(const struct tns_ctx *ctx, unsigned ms, const char *what,
                     struct tns_error *err)
{
    uint64_t until = tns__now_ns() + TNS_MS(ms);

    for (;;) {
        struct tns_ctx pause = { .deadline_ns = until };
        int left_ms, rc;

        rc = tns__ctx_check(ctx, what, err);
        if (rc < 0)
            return rc;
        left_ms = tns__ctx_left_ms(&pause);
        if (left_ms == 0)
            return 0;
        if (left_ms > tns__ctx_left_ms(ctx))
            left_ms = tns__ctx_left_ms(ctx);
        poll(NULL, 0, ctx_slice(left_ms));
    }
}
