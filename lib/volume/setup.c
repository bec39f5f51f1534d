/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up, the doing half: look, change the first thing that is missing, look again. */
#include "volume/setup.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/pin.h"
#include "volume/portals.h"
#include "volume/roles.h"

#define ROUNDS 24

static const char *const what_names[] = {
    [TNS_SETUP_DATASET] = "dataset",       [TNS_SETUP_PORTAL] = "portal",
    [TNS_SETUP_INITIATORS] = "initiators", [TNS_SETUP_CHAP] = "chap",
    [TNS_SETUP_TARGET] = "target",         [TNS_SETUP_SERVICE] = "service",
};

static const char *const action_names[] = {
    [TNS_SETUP_OK] = "ok",
    [TNS_SETUP_CREATE] = "create",
    [TNS_SETUP_UPDATE] = "update",
    [TNS_SETUP_WRONG] = "wrong",
};

void tns__setup_clear(struct tns_setup *s)
{
    tns__dataset_free(s->dataset);
    tns__portal_list_free(s->portals);
    tns__initiator_list_free(s->initiators);
    tns__auth_list_free(s->auths);
    tns__target_list_free(s->targets);
    tns__iscsi_global_free(s->global);
    s->dataset = NULL;
    s->portals = NULL;
    s->initiators = NULL;
    s->auths = NULL;
    s->targets = NULL;
    s->global = NULL;
}

/* A dataset that is missing is what set-up is for; a pool that is missing is not. */
static int dataset_missing(struct tns_setup *s, struct tns_error *err)
{
    struct tns_pool *pool = NULL;
    struct tns_error local = TNS_ERROR_INIT;
    int rc = tns__pool_get(s->st->session, s->st->opt.pool, &pool, &local);
    bool away = rc == 0 && (!pool->status || strcmp(pool->status, "OFFLINE") == 0);

    tns__pool_free(pool);
    if (away)
        return tns__error_set(err, TNS_E_UNAVAILABLE,
                              "pool '%s' is not imported on the NAS: "
                              "import it",
                              s->st->opt.pool);
    if (rc == -TNS_E_NOTFOUND)
        return tns__error_set(err, TNS_E_CONFIG, "dataset: the NAS has no pool '%s'",
                              s->st->opt.pool);
    return tns__error_copy(err, &local);
}

static int gather_judge(struct tns_setup *s, const struct tns_batch *b, int call, int last,
                        int rc, struct tns_error *err)
{
    const struct tns_error *dataset = tns__batch_error(b, call);
    int i;

    if (rc == 0 || (dataset->code != TNS_E_NOTFOUND && dataset->code != TNS_E_UNAVAILABLE))
        return rc;
    tns__error_clear(err);
    for (i = 0; i <= last; i++)
        if (i != call && tns__batch_error(b, i)->code)
            return tns__error_copy(err, tns__batch_error(b, i));
    return dataset_missing(s, err);
}

int tns__setup_gather(struct tns_setup *s, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(s->st->session);
    struct tns_pin pin;
    int call;
    int last;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    tns__setup_clear(s);
    call = tns__dataset_get_put(b, s->st->opt.dataset, &s->dataset);
    tns__portal_list_put(b, &s->portals);
    tns__initiator_list_put(b, &s->initiators);
    tns__auth_list_put(b, &s->auths);
    tns__target_list_put(b, &s->targets);
    last = tns__iscsi_global_get_put(b, &s->global);
    tns__pin_put(s->st, b, &pin);
    rc = tns__pin_judge(s->st, &pin, tns__batch_run(b, err), err);
    if (rc != -TNS_E_IDENTITY)
        rc = gather_judge(s, b, call, last, rc, err);
    if (rc == 0)
        rc = tns__service_get(s->st->session, "iscsitarget", &s->service, err);
    return rc;
}

/* ---- what each step does ---- */

static int do_portal(struct tns_setup *s, struct tns_error *err)
{
    const struct tns_options *opt = &s->st->opt;
    const char *ips[TNS_PORTALS_MAX + 1] = { "0.0.0.0", NULL };
    int64_t id;
    size_t i;

    for (i = 0; i < opt->n_portals; i++)
        ips[i] = opt->portals[i].host;
    ips[opt->n_portals ? opt->n_portals : 1] = NULL;
    return tns__portal_create(s->st->session, ips, s->alias, &id, err);
}

static int do_initiators(struct tns_setup *s, struct tns_error *err)
{
    const char *names[TNS_IQNS_MAX + 1];
    int64_t id;
    size_t i;

    if (s->group)
        return tns__group_extend(s->st, s->group, &s->iqns, err);
    for (i = 0; i < s->iqns.n; i++)
        names[i] = s->iqns.text[i];
    names[i] = NULL;
    return tns__initiator_create(s->st->session, names, s->alias, &id, err);
}

static int do_chap(struct tns_setup *s, struct tns_error *err)
{
    int64_t tag = 1;
    int64_t id;
    size_t i;

    for (i = 0; i < s->auths->n; i++)
        if (s->auths->items[i].tag >= tag)
            tag = s->auths->items[i].tag + 1;
    return tns__auth_create(s->st->session, tag, s->st->opt.chap_user, s->st->chap_password,
                            s->st->opt.chap_mutual_user, s->st->chap_mutual_password, &id,
                            err);
}

static int do_target(struct tns_setup *s, struct tns_error *err)
{
    struct tns_target_group group = { .portal_id = s->portal->id,
                                      .initiator_id = s->group ? s->group->id : 0,
                                      .auth_tag = s->auth ? s->auth->tag : 0 };
    char name[160];
    char alias[160];
    int64_t id;

    if (!tns__target_alias_free(s->st, s->targets, alias, sizeof(alias)))
        return tns__error_set(err, TNS_E_BUG, "no alias for a target");
    strcpy(group.authmethod, s->st->opt.chap_mutual_user ? "CHAP_MUTUAL"
                             : s->st->opt.chap_user      ? "CHAP"
                                                         : "NONE");
    tns__setup_target_name(s, name);
    return tns__target_create(s->st->session, name, alias, &group, 1, &id, err);
}

int tns__setup_do(struct tns_setup *s, enum tns_setup_what what, struct tns_error *err)
{
    switch (what) {
    case TNS_SETUP_DATASET:
        return tns__filesystem_create(s->st->session, s->st->opt.dataset, NULL, err);
    case TNS_SETUP_PORTAL:
        return do_portal(s, err);
    case TNS_SETUP_INITIATORS:
        return do_initiators(s, err);
    case TNS_SETUP_CHAP:
        return do_chap(s, err);
    case TNS_SETUP_TARGET:
        return do_target(s, err);
    case TNS_SETUP_SERVICE:
        return tns__service_start(s->st->session, "iscsitarget", true, err);
    default:
        return tns__error_set(err, TNS_E_BUG, "no such step of the set-up");
    }
}

/* ---- the loop ---- */

/* The first thing to do; COUNT when there is none. What is wrong is left, and so is
 * what needs it. */
static enum tns_setup_what first_missing(const struct tns_setup *s)
{
    bool wrong = false;
    unsigned i;

    for (i = 0; i < TNS_SETUP_COUNT; i++) {
        enum tns_setup_action action = s->steps[i].action;

        wrong |= action == TNS_SETUP_WRONG;
        if (action != TNS_SETUP_CREATE && action != TNS_SETUP_UPDATE)
            continue;
        if (i == TNS_SETUP_TARGET && (wrong || !s->portal))
            continue;
        return (enum tns_setup_what)i;
    }
    return TNS_SETUP_COUNT;
}

/* After a lost reply the next look tells whether it happened; twice the same is a
 * failure. */
static int round_once(struct tns_setup *s, bool *ret_again, enum tns_setup_what *last,
                      struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    enum tns_setup_what what;
    int rc = tns__setup_gather(s, err);

    if (rc)
        return rc;
    tns__setup_look(s);
    what = first_missing(s);
    *ret_again = what != TNS_SETUP_COUNT;
    if (!*ret_again)
        return 0;
    rc = tns__setup_do(s, what, &local);
    if (rc && (!(local.flags & TNS_F_OUTCOME_UNKNOWN) || *last == what))
        return tns__error_copy(err, &local);
    *last = what;
    s->done[what] = s->steps[what].action;
    strcpy(s->done_text[what], s->steps[what].text);
    tns__log(s->st->ctx, LOG_INFO, "volume", "%s: set-up: %s", s->st->opt.storeid,
             s->steps[what].text);
    return 0;
}

static int converge(struct tns_setup *s, struct tns_error *err)
{
    enum tns_setup_what last = TNS_SETUP_COUNT;
    bool again = true;
    unsigned i;
    int rc = 0;

    for (i = 0; rc == 0 && again && i < ROUNDS; i++)
        rc = round_once(s, &again, &last, err);
    if (rc == 0 && again)
        rc = tns__error_set(err, TNS_E_CONFLICT,
                            "the set-up of storage '%s' does not come to an "
                            "end: somebody else is changing the NAS",
                            s->st->opt.storeid);
    return rc;
}

/* ---- the answer ---- */

static json_t *steps_json(const struct tns_setup *s, struct tns_error *err)
{
    _tns_json_ json_t *array = json_array();
    unsigned i;

    for (i = 0; array && i < TNS_SETUP_COUNT; i++) {
        bool changed = s->done[i] != TNS_SETUP_OK && s->steps[i].action == TNS_SETUP_OK;
        json_t *row =
            tns__json_pack(err, "{s:s, s:s, s:s, s:s}", "what", what_names[i], "object",
                           s->steps[i].object, "action",
                           action_names[changed ? s->done[i] : s->steps[i].action], "text",
                           changed ? s->done_text[i] : s->steps[i].text);

        if (!row || json_array_append_new(array, row))
            return NULL;
    }
    return TNS_STEAL(array);
}

static json_t *portals_json(const struct tns_setup *s)
{
    struct tns__portals p = { .portals = s->portals, .global = s->global };
    struct tns_addr addrs[TNS_PORTALS_MAX];
    json_t *array = json_array();
    size_t n = 0;
    size_t i;

    if (!s->target || tns__portals_choose(s->st, &p, s->target, addrs, &n, NULL))
        return array;
    for (i = 0; array && i < n; i++) {
        bool v6 = strchr(addrs[i].host, ':') != NULL;
        char text[96];

        tns__fmt(text, sizeof(text), "%s%s%s:%u", v6 ? "[" : "", addrs[i].host,
                 v6 ? "]" : "", addrs[i].port);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

static json_t *setup_json(const struct tns_setup *s, struct tns_error *err)
{
    struct tns__portals p = { .portals = s->portals, .global = s->global };
    _tns_json_ json_t *steps = steps_json(s, err);
    _tns_json_ json_t *portals = portals_json(s);
    char name[160];
    char iqn[400];

    if (!steps || !portals)
        return NULL;
    tns__setup_target_name(s, name);
    tns__fmt(iqn, sizeof(iqn), "%s:%s", s->global->basename, name);
    if (s->target && tns__target_iqn(s->st, &p, s->target, iqn, sizeof(iqn), err))
        return NULL;
    return tns__json_pack(err, "{s:O, s:s, s:O}", "steps", steps, "target_iqn", iqn,
                          "portals", portals);
}

static int setup(struct tns_setup *s, int check_only, json_t **ret, struct tns_error *err)
{
    int rc = tns__owner_load(s->st, !check_only, err);

    if (rc == 0)
        rc = tns__iqns_wanted(s->st, &s->iqns, err);
    if (rc)
        return rc;
    tns__target_alias(s->st, s->alias, sizeof(s->alias));
    if (check_only) {
        rc = tns__setup_gather(s, err);
        if (rc == 0)
            tns__setup_look(s);
    } else {
        rc = tns__roles_check(s->st, true, err);
        if (rc == 0)
            rc = converge(s, err);
    }
    if (rc)
        return rc;
    *ret = setup_json(s, err);
    return *ret ? 0 : (err->code ? -err->code : tns__error_nomem(err));
}

int tns_storage_setup(struct tns_storage *st, int check_only, json_t **ret,
                      struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    struct tns_setup *s;
    json_t *answer = NULL;
    int rc = tns__enter(st, &guard, err);

    if (rc)
        return rc;
    s = tns__alloc(sizeof(*s));
    if (!s)
        return tns__error_nomem(&guard.error);
    s->st = st;
    rc = setup(s, check_only, &answer, &guard.error);
    tns__setup_clear(s);
    tns__free(s);
    if (rc)
        return tns__error_prefix(&guard.error, "setting storage '%s' up", st->opt.storeid);
    *ret = answer;
    return 0;
}
