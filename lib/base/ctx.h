/* SPDX-License-Identifier: Apache-2.0 */
/* What every layer carries along: the log, the cancel callback, the deadline. */
#ifndef TNS_BASE_CTX_H
#define TNS_BASE_CTX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tnstor.h"

/*
 * One per handle, single-threaded. deadline_ns is on the monotonic clock; public functions set it
 * when they are entered, everything below spends the same budget.
 */
struct tns_ctx {
    tns_log_fn log_fn;
    void *log_user;
    int log_level; /* syslog level; more verbose lines are not formatted at all */
    tns_cancel_fn cancel_fn;
    void *cancel_user;
    uint64_t deadline_ns;
    pid_t owner_pid;
};

void tns__ctx_init(struct tns_ctx *ctx);

/* 0, or -TNS_E_FORKED when this process is not the one that made the handle. */
int tns__ctx_check_pid(const struct tns_ctx *ctx, struct tns_error *err);

/* ---- clock ---- */

uint64_t tns__now_ns(void);
#define TNS_MS(ms) (1000000u * (uint64_t)(ms))

/* Starts a budget of timeout_ms unless an earlier deadline is already running; returns the
 * deadline that was there, to be put back by the caller. */
uint64_t tns__ctx_begin(struct tns_ctx *ctx, unsigned timeout_ms);

/* Milliseconds left, rounded up; 0 when the deadline passed. Never negative. */
int tns__ctx_left_ms(const struct tns_ctx *ctx);

/* 0, or -TNS_E_TIMEOUT / -TNS_E_CANCELLED with a text that names what was waited for. */
int tns__ctx_check(const struct tns_ctx *ctx, const char *what, struct tns_error *err);

/*
 * poll() on one fd until it is ready, the deadline passes or the cancel callback says stop. EINTR
 * asks the callback; so does every slice of 250 ms, since Perl's flag may be set without EINTR.
 * Returns the revents (> 0), or -code.
 */
int tns__ctx_poll(const struct tns_ctx *ctx, int fd, short events, const char *what,
                  struct tns_error *err);

/* Waits at most ms, less when the deadline is nearer. Only for back-off, never for events. */
int tns__ctx_backoff(const struct tns_ctx *ctx, unsigned ms, const char *what,
                     struct tns_error *err);

/* ---- log ---- */

/* Levels are LOG_* of syslog.h. The text passes the redactor before it leaves. */
void tns__log(const struct tns_ctx *ctx, int level, const char *component, const char *fmt,
              ...) __attribute__((format(printf, 4, 5)));

#endif
