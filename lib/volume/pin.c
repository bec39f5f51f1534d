/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's GUID goes along when a pair fails over or a NAS gets another address; a NAS
 * that was replaced or restored, or that took the address over, has another one. */
#include "volume/pin.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "base/text.h"

#define PIN_DIR "/etc/pve/priv/tnstor"
#define PIN_FILE PIN_DIR "/pool-%s"

/* A connection leads to one NAS as long as it lives, and the session holder gives nobody another
 * one unseen; but the pool may be made anew behind it. REST, which has no connection, asks each
 * time. */
#define FRESH_MS 300000u

/* ---- the record ---- */

/* "" when there is none, or when it is about a pool that the section names no more. */
static int pin_read(struct tns_storage *st, char guid[32], struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    char text[300];
    const char *blank;
    int rc =
        tns__sysroot_read(st->sr, text, sizeof(text), &local, PIN_FILE, st->opt.storeid);

    guid[0] = '\0';
    if (rc == -TNS_E_NOTFOUND)
        return 0;
    if (rc)
        return tns__error_copy(err, &local);
    text[strcspn(text, "\n")] = '\0';
    blank = strchr(text, ' ');
    if (blank && (size_t)(blank - text) == strlen(st->opt.pool) &&
        tns__starts_with(text, st->opt.pool))
        tns__fmt(guid, 32, "%s", blank + 1);
    return 0;
}

/* Where it cannot be written, without /etc/pve or its quorum, another time will do. */
static void pin_write(struct tns_storage *st, const char *guid)
{
    struct tns_error local = TNS_ERROR_INIT;
    char text[300];
    int rc = tns__sysroot_mkdir(st->sr, 0700, &local, PIN_DIR);

    if (rc == 0 && tns__fmt(text, sizeof(text), "%s %s\n", st->opt.pool, guid))
        rc = tns__sysroot_replace(st->sr, text, strlen(text), 0600, &local, PIN_FILE,
                                  st->opt.storeid);
    if (rc)
        tns__log(st->ctx, LOG_DEBUG, "volume", "the pool's GUID is not kept: %s",
                 local.text);
}

int tns__pin_forget(struct tns_storage *st, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__sysroot_unlink(st->sr, &local, PIN_FILE, st->opt.storeid);

    return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &local);
}

int tns__pin_compare(struct tns_storage *st, const char *guid, struct tns_error *err)
{
    char pinned[32];
    int rc = pin_read(st, pinned, err);

    if (rc)
        return rc;
    if (pinned[0] && strcmp(pinned, guid) != 0)
        return tns__error_set(
            err, TNS_E_IDENTITY,
            "pool '%s' has GUID %s, and storage '%s' was made on one with "
            "GUID %s: this is another NAS, or the pool was made anew; "
            "nothing is touched. If it is to be used, remove " PIN_FILE,
            st->opt.pool, guid, st->opt.storeid, pinned, st->opt.storeid);
    if (!pinned[0])
        pin_write(st, guid);
    st->pin_ns = tns__now_ns();
    return 0;
}

/* ---- the question ---- */

static uint64_t connects(const struct tns_storage *st)
{
    struct tns_session_counters c = { 0 };

    tns__session_counters(st->session, &c);
    return c.connects;
}

static bool is_fresh(const struct tns_storage *st)
{
    struct tns_session_info info;

    tns__session_info(st->session, &info);
    return info.dialect != TNS_DIALECT_REST && st->pin_ns &&
           st->pin_connects == connects(st) &&
           tns__now_ns() - st->pin_ns < TNS_MS(FRESH_MS);
}

void tns__pin_put(struct tns_storage *st, struct tns_batch *b, struct tns_pin *pin)
{
    *pin = (struct tns_pin){ .asked = !is_fresh(st), .connects = connects(st) };
    if (pin->asked)
        tns__pool_list_put(b, st->opt.pool, &pin->pools);
}

/* A pool that is not there is another error's matter. */
static int judge(struct tns_storage *st, const struct tns_pool_list *pools,
                 struct tns_error *err)
{
    int rc = pools->n == 1 ? tns__pin_compare(st, pools->items[0].guid, err) : 0;

    if (rc == 0)
        st->pin_connects = connects(st);
    return rc;
}

int tns__pin_judge(struct tns_storage *st, struct tns_pin *pin, int rc,
                   struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int judged = 0;

    if (pin->pools)
        judged = judge(st, pin->pools, &local);
    else if ((rc == 0 || rc == -TNS_E_NOTFOUND) && !pin->asked &&
             pin->connects != connects(st))
        judged = tns__pin_check(st, &local);
    tns__pool_list_free(pin->pools);
    pin->pools = NULL;
    if (judged == 0)
        return rc;
    tns__error_clear(err);
    return tns__error_copy(err, &local);
}

int tns__pinned_list(struct tns_storage *st, const struct tns_dataset_filter *filter,
                     struct tns_dataset_list **ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    struct tns_dataset_list *list = NULL;
    struct tns_pin pin;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__dataset_list_put(b, filter, &list);
    tns__pin_put(st, b, &pin);
    rc = tns__pin_judge(st, &pin, tns__batch_run(b, err), err);
    if (rc == 0) {
        *ret = list;
        return 0;
    }
    tns__dataset_list_free(list);
    if (rc != -TNS_E_NOTFOUND)
        return rc;
    tns__error_clear(err); /* by itself, it finds out why */
    return tns__dataset_list(st->session, filter, ret, err);
}

/* By itself, in a trip of its own. */
static int ask(struct tns_storage *st, struct tns_error *err)
{
    struct tns_pool *pool = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__pool_get(st->session, st->opt.pool, &pool, &local);

    if (rc == 0)
        rc = tns__pin_compare(st, pool->guid, &local);
    if (rc == 0)
        st->pin_connects = connects(st);
    tns__pool_free(pool);
    return rc == -TNS_E_NOTFOUND ? 0 : tns__error_copy(err, &local);
}

int tns__pin_check(struct tns_storage *st, struct tns_error *err)
{
    return is_fresh(st) ? 0 : ask(st, err);
}

/* Before its first question was answered nothing is known that could be done to the wrong
 * NAS: that question goes before every change. */
static int prove(void *user, struct tns_error *err)
{
    struct tns_storage *st = user;

    return st->pin_ns ? ask(st, err) : 0;
}

void tns__pin_guard(struct tns_storage *st)
{
    tns__session_on_reconnect(st->session, prove, st);
}
