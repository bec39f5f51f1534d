/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a plan: no step without time for it, no blind repeat, no blind undo. */
#include "volume/plan.h"

#include <syslog.h>

#include "base/error.h"
#include "volume/pin.h"

/* Below this much budget no step is begun: it could not be brought to an end. */
#define STEP_MIN_MS 200
/* Undoing gets time of its own: the deadline may be what failed the step. */
#define UNDO_MS 5000u
#define VERIFY_MS 5000u

void (*tns__plan_hook)(const char *what, const char *step, int after);

static void hook(const char *what, const struct tns_step *step, int after)
{
    if (tns__plan_hook)
        tns__plan_hook(what, step->name, after);
}

/* After a lost reply: done, or safe to issue once more, or still unknown. */
static int step_read_back(struct tns_storage *st, const struct tns_step *step, void *op,
                          bool *ret_done, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    uint64_t deadline = st->ctx->deadline_ns;
    uint64_t least = tns__now_ns() + TNS_MS(VERIFY_MS);
    int rc;

    if (deadline < least)
        st->ctx->deadline_ns = least;
    /* The connection broke: another NAS may have the address now. */
    rc = tns__pin_check(st, &local);
    if (rc == 0)
        rc = step->verify(op, ret_done, &local);
    st->ctx->deadline_ns = deadline;
    if (rc == 0)
        return 0;
    tns__log(st->ctx, LOG_WARNING, "volume",
             "%s: whether it happened could not be read back: %s", step->name, local.text);
    if (rc == -TNS_E_IDENTITY) { /* says more than that the connection broke */
        tns__error_clear(err);
        tns__error_copy(err, &local);
        err->flags |= TNS_F_OUTCOME_UNKNOWN;
    }
    return -err->code;
}

/* A second attempt that never reached the NAS says nothing about the first one. */
static bool not_asked(const struct tns_error *err)
{
    return err->code == TNS_E_TIMEOUT || err->code == TNS_E_CANCELLED ||
           err->code == TNS_E_TRANSPORT;
}

/* Only with time left: what is not there yet may be under way, and a repeat that nobody can wait
 * for would tell nothing. */
static int step_again(struct tns_storage *st, const struct tns_step *step, void *op,
                      bool *ret_done, struct tns_error *err)
{
    int rc;

    if (tns__ctx_left_ms(st->ctx) < STEP_MIN_MS)
        return -err->code;
    tns__error_clear(err);
    rc = step->act(op, err);
    if (rc == 0)
        return 0;
    if (not_asked(err))
        err->flags |= TNS_F_OUTCOME_UNKNOWN;
    rc = step_read_back(st, step, op, ret_done, err);
    return rc ? rc : -err->code;
}

/* Never a blind repeat: what may have happened is looked at first, and once more after
 * the second attempt, whose refusal may be the first one's late success. */
static int step_attempt(struct tns_storage *st, const struct tns_step *step, void *op,
                        struct tns_error *err)
{
    bool done = false;
    int rc = step->act(op, err);

    if (rc == 0 || !step->verify || !(err->flags & TNS_F_OUTCOME_UNKNOWN))
        return rc;
    rc = step_read_back(st, step, op, &done, err);
    if (rc == 0 && !done)
        rc = step_again(st, step, op, &done, err);
    if (done) {
        tns__error_clear(err);
        return 0;
    }
    return rc;
}

static int step_run(struct tns_storage *st, const struct tns_step *step, void *op,
                    struct tns_error *err)
{
    int rc;

    if (tns__ctx_left_ms(st->ctx) < STEP_MIN_MS)
        return tns__error_set(err, TNS_E_TIMEOUT, "no time left for the step '%s'",
                              step->name);
    rc = tns__ctx_check(st->ctx, step->name, err);
    if (rc)
        return rc;

    return step_attempt(st, step, op, err);
}

/* The first error is what the user sees; what could not be undone is named behind it in
 * the log. */
static void plan_undo(struct tns_storage *st, const char *what,
                      const struct tns_step *steps, size_t n, void *op)
{
    uint64_t deadline = st->ctx->deadline_ns;
    tns_cancel_fn cancel_fn = st->ctx->cancel_fn;

    st->ctx->deadline_ns = tns__now_ns() + TNS_MS(UNDO_MS);
    st->ctx->cancel_fn = NULL;
    while (n-- > 0) {
        struct tns_error local = TNS_ERROR_INIT;

        if (!steps[n].undo || steps[n].undo(op, &local) == 0)
            continue;
        tns__log(st->ctx, LOG_ERR, "volume",
                 "%s: undoing '%s' failed, which `tnctl gc` will "
                 "repeat: %s",
                 what, steps[n].name, local.text);
        break; /* top-down: nothing below goes before what stands on it */
    }
    st->ctx->deadline_ns = deadline;
    st->ctx->cancel_fn = cancel_fn;
}

int tns__verify_repeat(void *op, bool *ret_done, struct tns_error *err)
{
    (void)op;
    (void)err;
    *ret_done = false;
    return 0;
}

int tns__plan_run(struct tns_storage *st, const char *what, const struct tns_step *steps,
                  size_t n, void *op, struct tns_error *err)
{
    uint64_t begun = tns__now_ns();
    size_t i;
    int rc = 0;

    for (i = 0; i < n; i++) {
        hook(what, &steps[i], 0);
        rc = step_run(st, &steps[i], op, err);
        if (rc)
            break;
        hook(what, &steps[i], 1);
    }
    if (rc && !(err->flags & TNS_F_OUTCOME_UNKNOWN))
        plan_undo(st, what, steps, i + 1, op);

    if (rc)
        tns__log(st->ctx, LOG_NOTICE, "volume", "%s: %s: failed at '%s': %s",
                 st->opt.storeid, what, steps[i].name, err->text);
    else
        tns__log(st->ctx, LOG_INFO, "volume", "%s: %s: done in %llu ms", st->opt.storeid,
                 what, (unsigned long long)((tns__now_ns() - begun) / 1000000u));
    return rc;
}
