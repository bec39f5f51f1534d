/* SPDX-License-Identifier: Apache-2.0 */
/* The plan that makes a volume, bottom-up: zvol with tags, extent, mapping, proof. */
#include "volume/make.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/export.h"
#include "volume/preflight.h"
#include "volume/staging.h"
#include "volume/tag.h"

void tns__make_clear(struct tns_make *m)
{
    tns__dataset_free(m->parent);
    tns__mapping_list_free(m->mappings);
    tns__target_list_free(m->targets);
    m->parent = NULL;
    m->mappings = NULL;
    m->targets = NULL;
}

int tns__make_init(struct tns_make *m, struct tns_storage *st, const char *what,
                   struct tns_error *err)
{
    const struct tns_caps *caps = NULL;
    char leaf[TNS_LEAF_CAP];
    int rc = tns__owner_load(st, true, err);

    m->st = st;
    m->what = what;
    m->got_name = false;
    if (rc == 0)
        rc = tns__session_caps(st->session, &caps, err);
    if (rc)
        return rc;
    if (!tns__uuid_new(m->op))
        return tns__error_set(err, TNS_E_DEVICE, "no random number from the kernel");
    m->nas_refuses_twins = caps->release >= 2510;
    m->asks_together = tns__dataset_takes_within(caps);
    m->staged = m->origin ? !tns__clone_takes_tags(caps) : caps->create_drops_tags;
    if (!m->staged)
        return 0;
    rc = tns__staging_leaf(st, m->op, leaf, err);
    return rc ? rc : tns__zvol_name(st->opt.dataset, leaf, m->staging, err);
}

/* ---- the zvol ---- */

static json_t *make_tags(struct tns_make *m, struct tns_error *err)
{
    _tns_json_ json_t *tags = tns__tags_new(m->st, m->staged ? m->staging : m->zvol,
                                            m->volname, m->op, "creating", err);
    int rc = tags ? 0 : -err->code;

    if (rc == 0 && m->staged)
        rc = tns__tags_put(tags, TNS_TAG_NEXT, m->zvol, err);
    if (rc == 0 && m->tag_snapshot) {
        char boot[9];

        tns__boot_id(m->st, boot);
        rc = tns__tags_put(tags, TNS_TAG_SNAPSHOT, m->tag_snapshot, err);
        if (rc == 0)
            rc = tns__tags_put(tags, TNS_TAG_NODE, m->st->opt.node, err);
    }
    return rc ? NULL : TNS_STEAL(tags);
}

void tns__make_queries_put(struct tns_batch *b, struct tns_make *m)
{
    if (!m->mappings && !tns__lun_remembered(m->st))
        tns__mapping_list_put(b, NULL, &m->mappings);
    if (!m->targets)
        tns__target_list_put(b, &m->targets);
}

static int ask_targets(struct tns_make *m, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = NULL;

    if (m->mappings && m->targets)
        return 0;
    b = tns__batch_new(m->st->session);
    if (!b)
        return tns__error_nomem(err);
    tns__make_queries_put(b, m);
    return tns__batch_run(b, err);
}

/* The NAS said no: where it was for want of room, our own numbers say more than its
 * words. */
static int create_failed(struct tns_make *m, const struct tns_batch *b, int parent_call,
                         const struct tns_error *create, struct tns_error *err)
{
    tns__error_clear(err);
    if (create->code == TNS_E_CAPACITY && m->parent &&
        tns__preflight(m->st, m->parent, m->zvol, m->size_bytes, 0, err))
        return -err->code;
    tns__error_copy(err, create);
    return tns__batch_parent(m->st, b, parent_call, -create->code, err);
}

static void zvol_is_made(struct tns_make *m)
{
    m->have_zvol = m->made_zvol = m->got_name = m->marked = true;
}

/* Creation goes first in the batch, and its outcome is what counts. */
static int create_new(struct tns_make *m, const json_t *tags, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(m->st->session);
    const struct tns_options *opt = &m->st->opt;
    struct tns_zvol_spec spec = { .id = m->staged ? m->staging : m->zvol,
                                  .volsize_bytes = m->size_bytes,
                                  .volblocksize_bytes = m->blocksize_bytes,
                                  .sparse = opt->sparse,
                                  .compression = opt->compression,
                                  .sync = opt->sync,
                                  .tags = m->staged ? NULL : (json_t *)(uintptr_t)tags };
    const struct tns_error *create;
    int parent_call = -1;
    int call;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    call = tns__zvol_create_put(b, &spec);
    if (!m->parent)
        parent_call = tns__dataset_get_put(b, opt->dataset, &m->parent);
    tns__make_queries_put(b, m);
    rc = tns__batch_run(b, err);
    create = tns__batch_error(b, call);
    if (create->code)
        return create_failed(m, b, parent_call, create, err);
    if (m->staged)
        m->have_staging = true;
    else
        zvol_is_made(m);
    /* by now a thick one has taken its room, which the NAS judged */
    if (rc == 0 && parent_call >= 0)
        rc = tns__preflight(m->st, m->parent, m->zvol, opt->sparse ? m->size_bytes : 0,
                            opt->sparse ? 0 : m->size_bytes, err);
    return rc;
}

static int create_clone(struct tns_make *m, const json_t *tags, struct tns_error *err)
{
    int rc =
        tns__snapshot_clone(m->st->session, m->origin, m->origin_snap,
                            m->staged ? m->staging : m->zvol, m->staged ? NULL : tags, err);

    if (rc == 0 && m->staged)
        m->have_staging = true;
    else if (rc == 0)
        zvol_is_made(m);
    return rc;
}

static int act_zvol(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    _tns_json_ json_t *tags = NULL;

    if (m->have_zvol)
        return 0;
    tags = make_tags(m, err);
    if (!tags)
        return -err->code;
    return m->origin ? create_clone(m, tags, err) : create_new(m, tags, err);
}

static int find_dataset(struct tns_make *m, const char *id, struct tns_dataset_list **ret,
                        struct tns_error *err)
{
    const char *ids[] = { id, NULL };
    struct tns_dataset_filter filter = { .ids = ids, .with_tags = true };

    return tns__dataset_list(m->st->session, &filter, ret, err);
}

/* The staging name is this operation's alone; under the final name its op must be on it. */
static int verify_zvol(void *op, bool *ret_done, struct tns_error *err)
{
    struct tns_make *m = op;
    struct tns_dataset_list *found = NULL;
    int rc = find_dataset(m, m->staged ? m->staging : m->zvol, &found, err);

    if (rc)
        return rc;
    *ret_done =
        found->n == 1 && (m->staged || tns__tag_is(&found->items[0], TNS_TAG_OP, m->op));
    if (*ret_done && m->staged)
        m->have_staging = true;
    else if (*ret_done)
        zvol_is_made(m);
    tns__dataset_list_free(found);
    return 0;
}

int tns__make_still_ours(struct tns_make *m, struct tns_error *err)
{
    struct tns_dataset_list *found = NULL;
    int rc = find_dataset(m, m->zvol, &found, err);

    if (rc)
        return rc;
    m->lost = found->n != 1 || !tns__tag_is(&found->items[0], TNS_TAG_OP, m->op);
    tns__dataset_list_free(found);
    if (!m->lost)
        return 0;
    m->made_zvol = m->have_staging = m->made_extent = m->made_mapping = false;
    return tns__error_set(err, TNS_E_CONFLICT, "%s was taken over by another process",
                          m->zvol);
}

int tns__make_may_undo(struct tns_make *m, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    int rc;

    if (!m->marked || m->checked)
        return 0;
    rc = tns__make_still_ours(m, &local);
    m->checked = rc == 0 || m->lost;
    m->unsure = !m->checked;
    return m->checked ? 0 : tns__error_copy(err, &local);
}

/* Before it has its final name nobody but this operation knows of it. */
static int undo_zvol(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    int rc = m->made_zvol ? tns__make_may_undo(m, err) : 0;

    if (rc == 0 && m->made_zvol)
        rc = tns__zvol_remove(m->st, m->zvol, err);
    else if (rc == 0 && m->have_staging)
        rc = tns__zvol_remove(m->st, m->staging, err);
    if (rc == 0)
        m->made_zvol = m->have_zvol = m->have_staging = m->marked = false;
    return rc;
}

/* ---- tags and final name, where creation dropped the tags ---- */

static int act_tag(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    _tns_json_ json_t *tags = NULL;

    if (!m->have_staging || m->have_zvol)
        return 0;
    tags = make_tags(m, err);
    return tags ? tns__dataset_set_tags(m->st->session, m->staging, tags, err) : -err->code;
}

static int act_rename(void *op, struct tns_error *err)
{
    struct tns_make *m = op;
    int rc;

    if (!m->have_staging || m->have_zvol)
        return 0;
    rc = tns__dataset_rename(m->st->session, m->staging, m->zvol, err);
    if (rc == 0)
        zvol_is_made(m);
    return rc;
}

static int verify_rename(void *op, bool *ret_done, struct tns_error *err)
{
    struct tns_make *m = op;
    struct tns_dataset_list *found = NULL;
    int rc = find_dataset(m, m->zvol, &found, err);

    if (rc)
        return rc;
    *ret_done = found->n == 1 && tns__tag_is(&found->items[0], TNS_TAG_OP, m->op);
    if (*ret_done)
        zvol_is_made(m);
    tns__dataset_list_free(found);
    return 0;
}

/* ---- readonly, for temporary clones ---- */

static int act_readonly(void *op, struct tns_error *err)
{
    struct tns_make *m = op;

    return m->readonly ? tns__dataset_set_readonly(m->st->session, m->zvol, true, err) : 0;
}

/* ---- the whole ---- */

static const struct tns_step zvol_steps[] = {
    { "zvol", act_zvol, verify_zvol, undo_zvol },
    { "tag", act_tag, tns__verify_repeat, NULL },
    { "rename", act_rename, verify_rename, NULL },
    { "readonly", act_readonly, tns__verify_repeat, NULL },
};

/* What became of the volume says more than what the plan failed with. */
static int run_failed(struct tns_make *m, const struct tns_error *why,
                      struct tns_error *err)
{
    if (m->lost && why->code != TNS_E_CONFLICT)
        return tns__error_set(err, TNS_E_CONFLICT,
                              "%s was taken over by another process, while this one "
                              "failed: %s",
                              m->zvol, why->text);
    tns__error_copy(err, why);
    if (m->unsure)
        err->flags |= TNS_F_OUTCOME_UNKNOWN;
    return -err->code;
}

static int run(struct tns_make *m, size_t skip, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_step steps[8];
    char what[TNS_VOLNAME_CAP + 32];
    size_t n = 0;
    size_t i;

    for (i = skip; i < TNS_ARRAY_LEN(zvol_steps); i++)
        if ((m->staged || (i != 1 && i != 2)) && (m->readonly || i != 3))
            steps[n++] = zvol_steps[i];
    for (i = 0; i < tns__make_export_count; i++)
        steps[n++] = tns__make_export_steps[i];

    tns__fmt(what, sizeof(what), "%s %s", m->what, m->volname);
    m->lost = m->checked = m->unsure = false;
    return tns__plan_run(m->st, what, steps, n, m, &local) ? run_failed(m, &local, err) : 0;
}

int tns__make_run(struct tns_make *m, struct tns_error *err)
{
    return run(m, 0, err);
}

int tns__make_export(struct tns_make *m, struct tns_error *err)
{
    int rc = ask_targets(m, err);

    m->have_zvol = true;
    return rc ? rc : run(m, TNS_ARRAY_LEN(zvol_steps), err);
}
