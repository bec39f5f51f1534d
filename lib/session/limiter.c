/* SPDX-License-Identifier: Apache-2.0 */
/* The login limiter: one window of logins for all processes of the node. */

/*
 * A NAS answers 20 logins a minute and address, good ones included, and then
 * refuses the whole node; so all processes of the node keep one window in a locked file.
 *
 * A login takes its place when it begins, and keeps it for one window after it was answered: the
 * NAS counts at some moment in between, which nobody here knows. The place of a process that died
 * in between ends one window, and the longest login there is, after it began.
 */
#include "session/session_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

#define MAGIC 0x314d494c534e54ull /* "TNSLIM1" */
#define PLACES 64
#define LOGIN_LONGEST_MS 60000u

struct place {
    uint64_t id;      /* 0: free                              */
    uint64_t until;   /* monotonic ns: free again             */
    uint64_t pending; /* 1 until the login was answered       */
};

struct window {
    uint64_t magic;
    uint64_t next_id;
    uint64_t closed_until;
    struct place places[PLACES];
};

static int load(int fd, struct window *w, struct tns_error *err)
{
    uint64_t now = tns__now_ns(), far = now + TNS_MS(600000);
    ssize_t n = pread(fd, w, sizeof *w, 0);

    if (n < 0)
        return tns__error_errno(err, TNS_E_DEVICE, errno, "cannot read the login limiter");
    /* A file of another boot holds times that are far ahead: it counts as new. */
    if ((size_t)n != sizeof *w || w->magic != MAGIC || w->closed_until > far) {
        *w = (struct window){ .magic = MAGIC, .next_id = 1 };
        return 0;
    }
    for (size_t i = 0; i < PLACES; i++) {
        if (w->places[i].until <= now || w->places[i].until > far)
            w->places[i] = (struct place){ 0 };
    }
    return 0;
}

static int store(int fd, const struct window *w, struct tns_error *err)
{
    ssize_t n = pwrite(fd, w, sizeof *w, 0);

    if (n != (ssize_t)sizeof *w)
        return tns__error_errno(err, TNS_E_DEVICE, n < 0 ? errno : ENOSPC,
                                "cannot write the login limiter");
    return 0;
}

/* When `cost` places will be free among the first `max`; `now` when they are. A login under way is
 * taken to be answered any moment: whoever waits for its place looks again anyhow. */
static uint64_t free_at(const struct window *w, const struct tns_login_slot *slot,
                        uint64_t now)
{
    uint64_t times[PLACES] = { 0 };
    unsigned used = 0, over;

    for (size_t i = 0; i < PLACES; i++) {
        uint64_t until = w->places[i].until;
        unsigned at = used;

        if (!w->places[i].id)
            continue;
        if (w->places[i].pending)
            until = now + TNS_MS(slot->window_ms);
        while (at > 0 && times[at - 1] > until) {
            times[at] = times[at - 1];
            at--;
        }
        times[at] = until;
        used++;
    }
    if (used + slot->cost <= slot->max)
        return w->closed_until > now ? w->closed_until : now;
    over = used + slot->cost - slot->max;
    return times[over - 1] > w->closed_until ? times[over - 1] : w->closed_until;
}

static void occupy(struct window *w, struct tns_login_slot *slot, uint64_t until)
{
    unsigned left = slot->cost;

    slot->id = w->next_id++;
    for (size_t i = 0; i < PLACES && left; i++) {
        if (w->places[i].id)
            continue;
        w->places[i] = (struct place){ .id = slot->id, .until = until, .pending = 1 };
        left--;
    }
}

/* One look into the file: when there is room, and the places themselves if they are wanted. */
static int look(const struct tns_ctx *ctx, struct tns_login_slot *slot, bool take,
                uint64_t *ret_at, struct tns_error *err)
{
    _tns_close_ int fd = -1;
    struct window w;
    uint64_t now;
    int rc = tns__rundir_lock(ctx, slot->dirfd, slot->name, &fd, err);

    if (!rc)
        rc = load(fd, &w, err);
    if (rc)
        return rc;
    now = tns__now_ns();
    *ret_at = free_at(&w, slot, now);
    if (*ret_at > now || !take)
        return 0;
    occupy(&w, slot, now + TNS_MS(slot->window_ms) + TNS_MS(LOGIN_LONGEST_MS));
    return store(fd, &w, err);
}

static int busy(uint64_t wait_ms, struct tns_error *err)
{
    int rc =
        tns__error_set(err, TNS_E_BUSY,
                       "this node has used up the logins that the NAS accepts per minute; "
                       "the next one is possible in %u s",
                       (unsigned)((wait_ms + 999) / 1000));

    if (err)
        err->retry_after_ms = (uint32_t)wait_ms;
    return rc;
}

static int wait_for_room(const struct tns_ctx *ctx, struct tns_login_slot *slot, bool take,
                         struct tns_error *err)
{
    if (slot->max > PLACES)
        slot->max = PLACES;
    if (slot->cost > slot->max)
        return tns__error_set(err, TNS_E_CONFIG, "login_max: must be at least %u",
                              slot->cost);
    for (;;) {
        struct tns_error why = TNS_ERROR_INIT;
        uint64_t at = 0, now, wait_ms;
        int rc;

        slot->id = 0;
        rc = look(ctx, slot, take, &at, err);
        now = tns__now_ns();
        if (rc || slot->id || (!take && at <= now))
            return rc;
        wait_ms = at > now ? (at - now) / TNS_MS(1) + 1 : 1;
        if (wait_ms >= (uint64_t)tns__ctx_left_ms(ctx))
            return busy(wait_ms, err);
        tns__log(ctx, 6, "session", "waiting %u ms for a login", (unsigned)wait_ms);
        rc = tns__ctx_backoff(ctx, (unsigned)wait_ms + tns__backoff_ms(20, 0, 20),
                              "a free login of this node", &why);
        /* the deadline came a moment before the place: who waits is told when to come again */
        if (rc == -TNS_E_TIMEOUT)
            return busy(wait_ms, err);
        if (rc)
            return tns__error_copy(err, &why);
    }
}

int tns__limiter_room(const struct tns_ctx *ctx, struct tns_login_slot *slot,
                      struct tns_error *err)
{
    return wait_for_room(ctx, slot, false, err);
}

int tns__limiter_take(const struct tns_ctx *ctx, struct tns_login_slot *slot,
                      struct tns_error *err)
{
    return wait_for_room(ctx, slot, true, err);
}

/* Changes the file on behalf of a login that is over; nothing to be done when that fails. */
static void amend(struct tns_login_slot *slot, uint64_t closed_ms)
{
    _tns_close_ int fd = -1;
    struct tns_ctx ctx;
    struct window w;
    uint64_t now;

    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, 2000);
    if (tns__rundir_lock(&ctx, slot->dirfd, slot->name, &fd, NULL) || load(fd, &w, NULL))
        return;
    now = tns__now_ns();
    for (size_t i = 0; i < PLACES; i++) {
        if (slot->id && w.places[i].id == slot->id)
            w.places[i] =
                (struct place){ .id = slot->id, .until = now + TNS_MS(slot->window_ms) };
    }
    if (closed_ms)
        w.closed_until = now + TNS_MS(closed_ms);
    store(fd, &w, NULL);
}

void tns__limiter_done(struct tns_login_slot *slot)
{
    amend(slot, 0);
    slot->id = 0;
}

unsigned tns__limiter_close(struct tns_login_slot *slot)
{
    unsigned ms = slot->window_ms;

    amend(slot, ms);
    slot->id = 0;
    return ms;
}
