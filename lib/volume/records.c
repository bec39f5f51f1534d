/* SPDX-License-Identifier: Apache-2.0 */
/* A volume that was freed on another node leaves its record on each node that ever mapped it. */
#include "volume/records.h"

#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/names.h"
#include "volume/pin.h"
#include "volume/resolve.h"
#include "volume/volname.h"

#define AT_ONCE 64
/* of names in one question, with room for one volume more */
#define BYTES_AT_ONCE (TNS_NAMES_BYTES - TNS_CANDIDATES * (TNS_ZVOL_CAP + 2))

struct wanted {
    const char *linkname;
    char zvol[TNS_CANDIDATES][TNS_ZVOL_CAP]; /* the second one may be "" */
};

/* The zvols that may be the volume of a link's name, the reverse of tns__linkname. */
static bool zvols_of(const struct tns_storage *st, const char *linkname, struct wanted *ret)
{
    struct tns_volname name;
    char text[TNS_VOLNAME_CAP];
    char leaf[TNS_LEAF_CAP];
    char *at;

    ret->linkname = linkname;
    if (!tns__fmt(text, sizeof(text), "%.*s", (int)strcspn(linkname, "@"), linkname))
        return false;
    at = strchr(text, '+');
    if (at)
        *at = '/';
    if (tns__volname_parse(text, &name, NULL) ||
        tns__zvol_name(st->opt.dataset, name.leaf, ret->zvol[0], NULL))
        return false;
    ret->zvol[1][0] = '\0';
    /* a template of a release that cannot rename */
    return !name.is_base ||
           (tns__fmt(leaf, sizeof(leaf), "vm-%s", name.leaf + strlen("base-")) &&
            tns__zvol_name(st->opt.dataset, leaf, ret->zvol[1], NULL) == 0);
}

static bool is_listed(const struct tns_dataset_list *list, const struct wanted *w)
{
    size_t i;

    for (i = 0; i < list->n; i++)
        if (strcmp(list->items[i].id, w->zvol[0]) == 0 ||
            strcmp(list->items[i].id, w->zvol[1]) == 0)
            return true;
    return false;
}

/* With the storage's dataset in the same trip: where that is away, its volumes are not gone. */
static int ask(struct tns_storage *st, const struct wanted *w, size_t n,
               struct tns_dataset_list **ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    const char *ids[TNS_CANDIDATES * AT_ONCE + 1] = { NULL };
    struct tns_dataset_filter filter = { .ids = ids };
    struct tns_dataset *parent = NULL;
    struct tns_pin pin;
    size_t n_ids = 0;
    size_t i;
    int call;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    for (i = 0; i < n * TNS_CANDIDATES; i++)
        if (w[i / TNS_CANDIDATES].zvol[i % TNS_CANDIDATES][0])
            ids[n_ids++] = w[i / TNS_CANDIDATES].zvol[i % TNS_CANDIDATES];
    tns__dataset_list_put(b, &filter, ret);
    call = tns__dataset_get_put(b, st->opt.dataset, &parent);
    tns__pin_put(st, b, &pin);
    rc = tns__pin_judge(st, &pin, tns__batch_run(b, err), err);
    tns__dataset_free(parent);
    return tns__batch_parent(st, b, call, rc, err);
}

static int forget_gone(struct tns_storage *st, const struct wanted *w, size_t n,
                       unsigned *removed, struct tns_error *err)
{
    struct tns_dataset_list *list = NULL;
    size_t i;
    int rc = n ? ask(st, w, n, &list, err) : 0;

    for (i = 0; i < n && rc == 0; i++) {
        if (is_listed(list, &w[i]))
            continue;
        rc = tns__record_forget(&st->node, st->opt.storeid, w[i].linkname, err);
        if (rc)
            break;
        tns__log(st->ctx, LOG_INFO, "volume", "%s/%s is gone from the NAS, and its record",
                 st->opt.storeid, w[i].linkname);
        (*removed)++;
    }
    tns__dataset_list_free(list);
    return rc;
}

int tns__records_tidy(struct tns_storage *st, unsigned *ret_removed, struct tns_error *err)
{
    _tns_free_ struct wanted *w = tns__calloc(AT_ONCE, sizeof(*w));
    _tns_strv_ char **names = NULL;
    unsigned removed = 0;
    size_t n = 0;
    size_t bytes = 0;
    int rc = w ? tns__record_spare(&st->node, st->opt.storeid, &names, err)
               : tns__error_nomem(err);

    for (char **name = names; rc == 0 && *name; name++) {
        if (zvols_of(st, *name, &w[n])) {
            bytes += strlen(w[n].zvol[0]) + strlen(w[n].zvol[1]) + 4;
            n++;
        }
        if (n < AT_ONCE && bytes < BYTES_AT_ONCE && name[1])
            continue;
        rc = forget_gone(st, w, n, &removed, err);
        n = bytes = 0;
    }
    if (rc == 0)
        *ret_removed = removed;
    return rc;
}
