/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in: every portal for itself, side by side; a dead one costs the living ones little. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <syslog.h>

#include "base/broken.h"
#include "device/lock.h"
#include "device/session.h"

#define PORTALS_MAX 32u
#define LOGIN_MS 20000u
/* How long the others may take once one portal serves. */
#define LAGGARDS_MS 3000u
#define CLEANUP_MS 3000u

struct login_job {
    struct tns_node *node;
    const struct tns_want *want;
    const struct tns_addr *portal;
    struct tns_ctx ctx;
    atomic_bool *stop;
    int event_fd;
    atomic_bool is_over;
    struct tns_error err;
    pthread_t thread;
    bool has_thread;
};

struct login {
    struct login_job jobs[PORTALS_MAX];
    size_t n;
    atomic_bool stop;
    int event_fd;
};

static int login_portal(struct tns_node *node, const struct tns_ctx *ctx,
                        const struct tns_want *want, const struct tns_addr *portal,
                        struct tns_error *err)
{
    static const char *const more[] = { "--login", NULL };
    struct tns_ctx cleanup = { .owner_pid = ctx->owner_pid };
    bool is_made = false;
    int rc = tns__node_record_prepare(node, ctx, want, portal, &is_made, err);

    if (rc < 0)
        return rc;
    rc = tns__iscsiadm_node(node, ctx, want->target_iqn, portal, more, err);
    if (rc == 0 || !is_made)
        return rc;
    /* what this attempt added goes with it, even when its time is over */
    tns__ctx_begin(&cleanup, CLEANUP_MS);
    tns__node_record_delete(node, &cleanup, want->target_iqn, portal);
    return rc;
}

/* ---- threads: nothing here may call into the host program, neither log nor cancel ---- */

static int job_is_stopped(void *user)
{
    return atomic_load((atomic_bool *)user);
}

static void *job_main(void *arg)
{
    struct login_job *job = arg;

    login_portal(job->node, &job->ctx, job->want, job->portal, &job->err);
    atomic_store(&job->is_over, true);
    eventfd_write(job->event_fd, 1);
    return NULL;
}

static void job_start(struct login *login, struct tns_node *node,
                      const struct tns_want *want, const struct tns_addr *portal)
{
    struct login_job *job = &login->jobs[login->n++];
    int rc;

    *job = (struct login_job){ .node = node,
                               .want = want,
                               .portal = portal,
                               .ctx = *node->ctx,
                               .event_fd = login->event_fd,
                               .err = TNS_ERROR_INIT };
    job->ctx.log_fn = NULL;
    job->ctx.cancel_fn = job_is_stopped;
    job->ctx.cancel_user = &login->stop;
    tns__ctx_begin(&job->ctx, LOGIN_MS);
    rc = pthread_create(&job->thread, NULL, job_main, job);
    job->has_thread = rc == 0;
    if (rc != 0) {
        tns__error_errno(&job->err, TNS_E_DEVICE, rc, "cannot start a thread");
        atomic_store(&job->is_over, true);
    }
}

static size_t jobs_over(const struct login *login, bool *ret_any_good)
{
    size_t n = 0;

    for (size_t i = 0; i < login->n; i++) {
        const struct login_job *job = &login->jobs[i];

        if (!atomic_load(&job->is_over))
            continue;
        n++;
        *ret_any_good = *ret_any_good || job->err.code == 0;
    }
    return n;
}

/* Until all are over, or one serves and the others had their time, or the caller's time is up. */
static void login_wait(struct login *login, const struct tns_ctx *ctx, bool any_good)
{
    struct tns_ctx until = *ctx;
    bool is_short = false;

    while (jobs_over(login, &any_good) < login->n) {
        struct tns_error none = TNS_ERROR_INIT;
        eventfd_t count;

        if (any_good && !is_short) {
            tns__ctx_begin(&until, LAGGARDS_MS);
            is_short = true;
        }
        if (tns__ctx_poll(&until, login->event_fd, POLLIN, "the iSCSI login", &none) < 0)
            break;
        eventfd_read(login->event_fd, &count);
    }
    atomic_store(&login->stop, true);
}

static void login_start_all(struct login *login, struct tns_node *node,
                            const struct tns_want *want,
                            const struct tns_addr *const portals[], size_t n)
{
    sigset_t all, before;

    /* no signal of the host program shall pick one of these threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < n && i < PORTALS_MAX; i++)
        job_start(login, node, want, portals[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int login_side_by_side(struct tns_node *node, const struct tns_want *want,
                              const struct tns_addr *const portals[], size_t n, bool any_up,
                              unsigned *ret_failed, struct tns_error *err)
{
    _tns_free_ struct login *login = tns__alloc(sizeof(*login));
    _tns_close_ int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (!login)
        return tns__error_nomem(err);
    if (event_fd < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno,
                                "cannot make an event descriptor");
    login->event_fd = event_fd;

    login_start_all(login, node, want, portals, n);
    login_wait(login, node->ctx, any_up);
    for (size_t i = 0; i < login->n; i++) {
        const struct login_job *job = &login->jobs[i];

        if (job->has_thread)
            pthread_join(job->thread, NULL);
        *ret_failed += job->err.code != 0;
        tns__portal_remember(node, job->portal, job->err.code != 0);
        if (job->err.code) {
            tns__log(node->ctx, LOG_WARNING, TNS_LOG_DEVICE, "%s", job->err.text);
            tns__error_copy(err, &job->err);
        }
    }
    return 0;
}

/* Without multipath one session is enough: the first portal that works. */
static void login_first(struct tns_node *node, const struct tns_want *want,
                        const struct tns_addr *const portals[], size_t n,
                        unsigned *ret_failed, struct tns_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct tns_error mine = TNS_ERROR_INIT;
        struct tns_ctx ctx = *node->ctx;
        unsigned left_ms = (unsigned)tns__ctx_left_ms(&ctx);

        tns__ctx_begin(&ctx, left_ms / (unsigned)(n - i));
        login_portal(node, &ctx, want, portals[i], &mine);
        tns__portal_remember(node, portals[i], mine.code != 0);
        if (mine.code == 0)
            return;
        ++*ret_failed;
        tns__log(node->ctx, LOG_WARNING, TNS_LOG_DEVICE, "%s", mine.text);
        tns__error_copy(err, &mine);
    }
}

/* ---- which portals, and when ---- */

/* The wanted portals without a session; those that failed a moment ago only when nothing else is up
 * (they count as failed). */
static size_t portals_missing(struct tns_node *node, const struct tns_want *want,
                              const struct tns__sessions *sessions,
                              const struct tns_addr *ret[PORTALS_MAX], unsigned *ret_failed)
{
    size_t up = tns__sessions_up(sessions), n = 0;

    if (!want->multipath && up > 0)
        return 0;
    for (size_t i = 0; i < want->n_portals && n < PORTALS_MAX; i++) {
        const struct tns_addr *portal = &want->portals[i];
        const struct tns__session *s = tns__sessions_find(sessions, portal);

        if (s)
            *ret_failed += !s->is_up; /* the kernel tries to get it back by itself */
        else if (up > 0 && tns__portal_is_bad(node, portal))
            ++*ret_failed;
        else if (!tns__is_broken("portals") || (n == 0 && up == 0))
            ret[n++] = portal;
    }
    return n;
}

static int login_missing(struct tns_node *node, const struct tns_want *want,
                         const struct tns__sessions *sessions, unsigned *ret_failed,
                         struct tns_error *why)
{
    const struct tns_addr *missing[PORTALS_MAX];
    size_t n = portals_missing(node, want, sessions, missing, ret_failed);

    if (n == 0)
        return 0;
    tns__node_record_tidy(node, want->target_iqn);
    if (want->multipath)
        return login_side_by_side(node, want, missing, n, tns__sessions_up(sessions) > 0,
                                  ret_failed, why);
    login_first(node, want, missing, n, ret_failed, why);
    return 0;
}

static int no_session(const struct tns_want *want, const struct tns_error *why,
                      struct tns_error *err)
{
    if (why->code)
        return tns__error_copy(err, why);
    if (want->n_portals == 0)
        return tns__error_set(err, TNS_E_CONFIG, "%s: the target %s has no portal",
                              want->linkname, want->target_iqn);
    return tns__error_set(
        err, TNS_E_TRANSPORT,
        "no iSCSI session to %s is up: the kernel is trying to get it back",
        want->target_iqn);
}

int tns__sessions_ensure(struct tns_node *node, const struct tns_want *want,
                         struct tns__sessions *ret, unsigned *ret_failed,
                         struct tns_error *err)
{
    struct tns_error why = TNS_ERROR_INIT;
    const struct tns_addr *missing[PORTALS_MAX];
    _tns_close_ int lock = -1;
    unsigned failed = 0;
    int rc = tns__sessions_read(node, want->target_iqn, ret, err);

    if (rc < 0)
        return rc;
    if (portals_missing(node, want, ret, missing, &failed) > 0) {
        failed = 0;
        rc = tns__lock_target(node, want->target_iqn, &lock, err);
        /* another process may have been in the middle of it */
        if (rc == 0)
            rc = tns__sessions_read(node, want->target_iqn, ret, err);
        if (rc == 0)
            rc = login_missing(node, want, ret, &failed, &why);
        if (rc == 0)
            rc = tns__sessions_read(node, want->target_iqn, ret, err);
        if (rc < 0)
            return rc;
    }
    if (tns__sessions_up(ret) == 0)
        return no_session(want, &why, err);
    *ret_failed = failed;
    return 0;
}

static int leave_portal(struct tns_node *node, const struct tns_want *want,
                        const struct tns_addr *portal, struct tns_error *err)
{
    static const char *const more[] = { "--logout", NULL };
    int rc = tns__iscsiadm_node(node, node->ctx, want->target_iqn, portal, more, err);

    if (rc == 0)
        tns__node_record_delete(node, node->ctx, want->target_iqn, portal);
    return rc;
}

int tns__sessions_leave(struct tns_node *node, const struct tns_want *want,
                        struct tns_error *err)
{
    struct tns__sessions sessions = { .n = 0 };
    struct tns_error none = TNS_ERROR_INIT;
    _tns_close_ int lock = -1, end = -1;
    int rc = tns__lock_target(node, want->target_iqn, &lock, err);

    /* somebody is mapping: his disk will be left on it */
    if (rc == 0 && tns__lock_end(node, want->target_iqn, &end, &none) < 0)
        return 0;
    if (rc == 0)
        rc = tns__sessions_read(node, want->target_iqn, &sessions, err);
    for (size_t i = 0; i < sessions.n && rc == 0; i++) {
        bool in_use = false;

        rc = tns__session_has_devices(node, &sessions.s[i], &in_use, err);
        if (in_use)
            return 0;
    }
    if (rc == 0)
        tns__node_record_tidy(node, want->target_iqn);
    for (size_t i = 0; i < want->n_portals && rc == 0; i++) {
        if (tns__sessions_find(&sessions, &want->portals[i]))
            rc = leave_portal(node, want, &want->portals[i], err);
    }
    return rc;
}
