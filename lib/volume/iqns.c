/* SPDX-License-Identifier: Apache-2.0 */
/* Initiator groups: ours are extended, others' only read. */
#include "volume/iqns.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/resolve.h"

#define ADMIT_TRIES 6

static int iqn_add(struct tns_iqns *iqns, const char *iqn, size_t len,
                   struct tns_error *err)
{
    char text[256];
    size_t i;

    if (len == 0)
        return 0;
    if (!tns__fmt(text, sizeof(text), "%.*s", (int)len, iqn) ||
        (strncmp(text, "iqn.", 4) != 0 && strncmp(text, "eui.", 4) != 0 &&
         strncmp(text, "naa.", 4) != 0) ||
        strpbrk(text, " \t\r\n\"'"))
        return tns__error_set(err, TNS_E_CONFIG, "tn_initiators: '%.*s' is no iSCSI name",
                              (int)len, iqn);
    for (i = 0; i < iqns->n; i++)
        if (strcmp(iqns->text[i], text) == 0)
            return 0;
    if (iqns->n == TNS_IQNS_MAX)
        return tns__error_set(err, TNS_E_CONFIG, "tn_initiators: more than %d names",
                              TNS_IQNS_MAX);
    strcpy(iqns->text[iqns->n++], text);
    return 0;
}

static int iqns_from_text(struct tns_iqns *iqns, const char *text, struct tns_error *err)
{
    int rc = 0;

    while (rc == 0 && text && *text) {
        size_t len = strcspn(text, ", \t");

        rc = iqn_add(iqns, text, len, err);
        text += len + (text[len] != '\0');
    }
    return rc;
}

int tns__iqns_wanted(struct tns_storage *st, struct tns_iqns *ret, struct tns_error *err)
{
    const json_t *given = st->opt.initiators;
    struct tns_error quiet = TNS_ERROR_INIT;
    char own[256];
    size_t i;
    int rc = 0;

    ret->n = 0;
    if (json_is_string(given))
        rc = iqns_from_text(ret, json_string_value(given), err);
    for (i = 0; rc == 0 && i < json_array_size(given); i++) {
        const char *text = json_string_value(json_array_get(given, i));

        rc = text ? iqn_add(ret, text, strlen(text), err)
                  : tns__error_set(err, TNS_E_CONFIG, "tn_initiators: text is expected");
    }
    if (rc == 0 && tns__device_initiator_name(&st->node, own, sizeof(own), &quiet) == 0)
        rc = iqn_add(ret, own, strlen(own), err);
    return rc;
}

bool tns__group_is_ours(const struct tns_storage *st, const struct tns_initiator_group *g)
{
    char alias[160];

    return g->comment && tns__target_alias(st, alias, sizeof(alias)) &&
           strcmp(g->comment, alias) == 0;
}

bool tns__group_admits(const struct tns_initiator_group *g, const char *iqn)
{
    char **p = g->iqns;

    if (!p || !*p)
        return true;
    for (; *p; p++)
        if (strcasecmp(*p, iqn) == 0)
            return true;
    return false;
}

int tns__group_extend(struct tns_storage *st, const struct tns_initiator_group *g,
                      const struct tns_iqns *wanted, struct tns_error *err)
{
    const char *names[2 * TNS_IQNS_MAX + 1];
    size_t n = 0;
    size_t i;
    char **p;

    for (p = g->iqns; p && *p; p++) {
        if (n == TNS_IQNS_MAX)
            return tns__error_set(err, TNS_E_CONFIG,
                                  "initiator group %lld has too many names",
                                  (long long)g->id);
        names[n++] = *p;
    }
    for (i = 0; i < wanted->n; i++)
        if (n == 0 || !tns__group_admits(g, wanted->text[i]))
            names[n++] = wanted->text[i];
    names[n] = NULL;
    return tns__initiator_update(st->session, g->id, names, err);
}

/* The group that keeps this node out, ours if there is one; NULL when it may come in, or none is in the way. */
static const struct tns_initiator_group *
find_refusing(const struct tns_storage *st, const struct tns_initiator_list *groups,
              const struct tns_target *target, const char *iqn)
{
    const struct tns_initiator_group *refusing = NULL;
    size_t i;
    size_t k;

    for (i = 0; i < target->n_groups; i++) {
        int64_t id = target->groups[i].initiator_id;

        if (id == 0)
            return NULL;
        for (k = 0; k < groups->n; k++) {
            if (groups->items[k].id != id)
                continue;
            if (tns__group_admits(&groups->items[k], iqn))
                return NULL;
            if (!refusing || tns__group_is_ours(st, &groups->items[k]))
                refusing = &groups->items[k];
        }
    }
    return refusing;
}

static int groups_read(struct tns_storage *st, struct tns_initiator_list **ret,
                       struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);

    tns__initiator_list_free(*ret);
    *ret = NULL;
    if (!b)
        return tns__error_nomem(err);
    tns__initiator_list_put(b, ret);
    return tns__batch_run(b, err);
}

/* Nodes that start together read the same list, and the last one writes it without the others: who is not in
 * it afterwards adds itself again. So is a lost reply read back. */
static int admit(struct tns_storage *st, const struct tns_initiator_group *refusing,
                 const struct tns_target *target, const struct tns_iqns *own,
                 struct tns_error *err)
{
    struct tns_initiator_list *fresh = NULL;
    int rc = 0;
    unsigned tries;

    for (tries = 0; rc == 0 && refusing && tries < ADMIT_TRIES; tries++) {
        struct tns_error local = TNS_ERROR_INIT;

        rc = tns__group_extend(st, refusing, own, &local);
        if (rc && !(local.flags & TNS_F_OUTCOME_UNKNOWN)) {
            tns__error_copy(err, &local);
            break;
        }
        rc = groups_read(st, &fresh, err);
        if (rc == 0)
            refusing = find_refusing(st, fresh, target, own->text[0]);
    }
    if (rc == 0 && refusing)
        rc = tns__error_set(err, TNS_E_CONFLICT,
                            "initiator group %lld does not keep %s: somebody else is "
                            "changing it",
                            (long long)refusing->id, own->text[0]);
    tns__initiator_list_free(fresh);
    return rc;
}

int tns__initiator_admit(struct tns_storage *st, const struct tns_initiator_list *groups,
                         const struct tns_target *target, struct tns_error *err)
{
    struct tns_error quiet = TNS_ERROR_INIT;
    const struct tns_initiator_group *refusing;
    struct tns_iqns own = { .n = 1 };

    if (tns__device_initiator_name(&st->node, own.text[0], sizeof(own.text[0]), &quiet))
        return 0; /* the login will say so, and why */
    refusing = find_refusing(st, groups, target, own.text[0]);
    if (!refusing)
        return 0;
    if (tns__group_is_ours(st, refusing))
        return admit(st, refusing, target, &own, err);
    return tns__error_set(err, TNS_E_CONFIG,
                          "target '%s' does not admit this node: add %s to "
                          "initiator group %lld ('%s') on the NAS",
                          target->name, own.text[0], (long long)refusing->id,
                          refusing->comment ? refusing->comment : "");
}
