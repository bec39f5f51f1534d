/* SPDX-License-Identifier: Apache-2.0 */
/* Judging what is there: pure, from the lists alone. */
#include "volume/classify.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/make.h"
#include "volume/pin.h"
#include "volume/staging.h"
#include "volume/tag.h"
#include "volume/tempclone.h"

static const char *const class_names[] = {
    [TNS_CLASS_READY] = "ready",
    [TNS_CLASS_CREATING] = "creating",
    [TNS_CLASS_COMPLETE] = "complete",
    [TNS_CLASS_HALF_MADE] = "half-made",
    [TNS_CLASS_DELETING] = "deleting",
    [TNS_CLASS_HALF_FREED] = "half-freed",
    [TNS_CLASS_NEEDED] = "needed",
    [TNS_CLASS_RENAMING] = "renaming",
    [TNS_CLASS_HALF_RENAMED] = "half-renamed",
    [TNS_CLASS_NO_EXTENT] = "missing-extent",
    [TNS_CLASS_NO_MAPPING] = "missing-mapping",
    [TNS_CLASS_DISABLED] = "disabled",
    [TNS_CLASS_TWICE] = "conflict",
    [TNS_CLASS_LOCKED] = "locked",
    [TNS_CLASS_TEMP] = "temporary",
    [TNS_CLASS_TEMP_IDLE] = "temporary-idle",
    [TNS_CLASS_STAGING] = "staging",
    [TNS_CLASS_STAGING_LEFT] = "staging-left",
    [TNS_CLASS_ORPHAN_EXTENT] = "orphan-extent",
    [TNS_CLASS_ORPHAN_MAPPING] = "orphan-mapping",
    [TNS_CLASS_FOREIGN] = "foreign",
    [TNS_CLASS_MOVED] = "moved",
    [TNS_CLASS_OLD_PLUGIN] = "old-plugin",
    [TNS_CLASS_UNTAGGED] = "untagged",
};

const char *tns__class_name(enum tns_class c)
{
    return class_names[c];
}

#define judged(text, class, ...) (tns__fmt((text), 300, __VA_ARGS__), (class))

static bool is_alive(const struct tns_scene *scene, const struct tns_dataset *ds)
{
    return tns__at_work(scene->st, ds, scene->now_s);
}

/* ---- ours ---- */

static enum tns_class published(const struct tns_scene *scene, const struct tns_dataset *ds,
                                char text[300])
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_extent *extent = NULL;
    const struct tns_mapping *mapping = NULL;
    const struct tns_target *target = NULL;
    size_t i;

    if (tns__export_find(ds->id, scene->extents, scene->mappings, scene->targets, &extent,
                         &mapping, &target, &err))
        return judged(text, TNS_CLASS_TWICE, "%s", err.text);
    if (ds->locked)
        return judged(text, TNS_CLASS_LOCKED, "encrypted and locked");
    if (!extent)
        return judged(text, TNS_CLASS_NO_EXTENT, "has no extent");
    if (!mapping)
        return judged(text, TNS_CLASS_NO_MAPPING, "extent '%s' is not mapped",
                      extent->name);
    for (i = 0; i < scene->mappings->n; i++) {
        const struct tns_mapping *other = &scene->mappings->items[i];

        if (other->id != mapping->id && other->target_id == mapping->target_id &&
            other->lun == mapping->lun)
            return judged(text, TNS_CLASS_TWICE, "LUN %lld is given out twice",
                          (long long)mapping->lun);
    }
    if (!target || !tns__target_is_ours(scene->st, target))
        return judged(text, TNS_CLASS_TWICE, "published on target '%s', which is not ours",
                      target ? target->name : "?");
    if (!extent->enabled)
        return judged(text, TNS_CLASS_DISABLED,
                      "extent '%s' is disabled: a rollback was cut "
                      "short, or an administrator did it",
                      extent->name);
    return judged(text, TNS_CLASS_READY, "published as LUN %lld of '%s'",
                  (long long)mapping->lun, target->name);
}

static enum tns_class temporary(const struct tns_scene *scene, const struct tns_dataset *ds,
                                char text[300])
{
    const char *node = tns__dataset_tag(ds, TNS_TAG_NODE);
    bool ready = tns__tag_state(ds) == TNS_STATE_READY;

    if (!ready && is_alive(scene, ds))
        return judged(text, TNS_CLASS_TEMP, "being made or removed on node '%s'",
                      node ? node : "?");
    if (node && strcmp(node, scene->st->opt.node) == 0)
        return judged(text, TNS_CLASS_TEMP_IDLE, "this node's clone of snapshot '%s'",
                      tns__dataset_tag(ds, TNS_TAG_SNAPSHOT));
    return judged(text, TNS_CLASS_TEMP, "node '%s' reads from snapshot '%s'",
                  node ? node : "?", tns__dataset_tag(ds, TNS_TAG_SNAPSHOT));
}

/* A clone that came between the look of a free and its end; any one will do. */
static const char *clone_of(const struct tns_scene *scene, const struct tns_dataset *ds)
{
    size_t len = strlen(ds->id);
    size_t i;

    for (i = 0; i < scene->datasets->n; i++) {
        const struct tns_dataset *other = &scene->datasets->items[i];

        if (other->origin && strncmp(other->origin, ds->id, len) == 0 &&
            other->origin[len] == '@' && !tns__is_temp(scene->st, other))
            return other->id;
    }
    return NULL;
}

static enum tns_class deleting(const struct tns_scene *scene, const struct tns_dataset *ds,
                               char text[300])
{
    const char *clone = clone_of(scene, ds);

    if (is_alive(scene, ds))
        return judged(text, TNS_CLASS_DELETING, "being deleted");
    if (clone)
        return judged(text, TNS_CLASS_NEEDED,
                      "to be deleted, but %s was cloned from it meanwhile: free that or "
                      "promote it",
                      clone);
    return judged(text, TNS_CLASS_HALF_FREED, "its deletion was cut short");
}

static enum tns_class mine(const struct tns_scene *scene, const struct tns_dataset *ds,
                           char text[300])
{
    enum tns_class as_is;

    switch (tns__tag_state(ds)) {
    case TNS_STATE_CREATING:
        if (is_alive(scene, ds))
            return judged(text, TNS_CLASS_CREATING, "being created");
        as_is = published(scene, ds, text);
        if (as_is == TNS_CLASS_READY)
            return judged(text, TNS_CLASS_COMPLETE, "created, but not marked as ready");
        return judged(text, TNS_CLASS_HALF_MADE, "its creation was cut short");
    case TNS_STATE_DELETING:
        return deleting(scene, ds, text);
    default:
        break;
    }
    if (tns__dataset_tag(ds, TNS_TAG_NEXT)) {
        if (is_alive(scene, ds))
            return judged(text, TNS_CLASS_RENAMING, "being renamed");
        return judged(text, TNS_CLASS_HALF_RENAMED,
                      "its renaming from %s to %s was cut short",
                      tns__dataset_tag(ds, TNS_TAG_SELF),
                      tns__dataset_tag(ds, TNS_TAG_NEXT));
    }
    return published(scene, ds, text);
}

/* ---- all ---- */

static enum tns_class untagged(const struct tns_scene *scene, const struct tns_dataset *ds,
                               char text[300])
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_extent *extent = NULL;
    const struct tns_mapping *mapping = NULL;
    const struct tns_target *target = NULL;
    struct tns_volname name;

    if (tns__legacy_named(scene->st, ds, &name) &&
        tns__export_find(ds->id, scene->extents, scene->mappings, scene->targets, &extent,
                         &mapping, &target, &err) == 0 &&
        target && tns__target_is_ours(scene->st, target) &&
        !tns__dataset_is_shared(scene->st, scene->datasets))
        return judged(text, TNS_CLASS_OLD_PLUGIN,
                      "a volume without tags on our target: `tnctl "
                      "adopt` takes it over");
    return judged(text, TNS_CLASS_UNTAGGED, "not ours");
}

enum tns_class tns__classify_zvol(const struct tns_scene *scene,
                                  const struct tns_dataset *ds, char text[300])
{
    const char *leaf = tns__leaf_of(scene->st->opt.dataset, ds->id);

    if (leaf && tns__staging_is_ours(scene->st, leaf)) {
        if (tns__staging_alive(scene->st, leaf, scene->now_s - ds->creation_s))
            return judged(text, TNS_CLASS_STAGING, "being made");
        return judged(text, TNS_CLASS_STAGING_LEFT, "its making was cut short");
    }
    switch (tns__tag_whose(scene->st, ds)) {
    case TNS_WHOSE_MINE:
        return tns__is_temp(scene->st, ds) ? temporary(scene, ds, text)
                                           : mine(scene, ds, text);
    case TNS_WHOSE_OTHER:
        return judged(text, TNS_CLASS_FOREIGN, "belongs to storage '%s' of owner %s",
                      tns__dataset_tag(ds, TNS_TAG_STOREID),
                      tns__dataset_tag(ds, TNS_TAG_OWNER));
    case TNS_WHOSE_STALE:
        return judged(text, TNS_CLASS_MOVED,
                      "its tags name %s: `tnctl adopt --all` if it was "
                      "moved here",
                      tns__dataset_tag(ds, TNS_TAG_SELF));
    default:
        return untagged(scene, ds, text);
    }
}

static bool has_zvol(const struct tns_scene *scene, const char *zvol)
{
    size_t i;

    for (i = 0; i < scene->datasets->n; i++) {
        const struct tns_dataset *ds = &scene->datasets->items[i];

        /* Under its own name, or under the one that a rename moves it from or to. */
        if (strcmp(ds->id, zvol) == 0 || tns__tag_is(ds, TNS_TAG_SELF, zvol) ||
            tns__tag_is(ds, TNS_TAG_NEXT, zvol) || tns__tag_is(ds, TNS_TAG_WAS, zvol))
            return true;
    }
    return false;
}

bool tns__classify_extent(const struct tns_scene *scene, const struct tns_extent *extent,
                          enum tns_class *ret, char text[300])
{
    const char *zvol = extent->disk && tns__starts_with(extent->disk, "zvol/")
                           ? extent->disk + strlen("zvol/")
                           : NULL;

    if (!zvol || !tns__leaf_of(scene->st->opt.dataset, zvol) || has_zvol(scene, zvol))
        return false;
    *ret = tns__extent_is_ours(scene->st, extent) ? TNS_CLASS_ORPHAN_EXTENT
                                                  : TNS_CLASS_FOREIGN;
    tns__fmt(text, 300, "points at %s, which does not exist%s", zvol,
             *ret == TNS_CLASS_FOREIGN ? ", and is not ours" : "");
    return true;
}

bool tns__classify_mapping(const struct tns_scene *scene, const struct tns_mapping *mapping,
                           enum tns_class *ret, char text[300])
{
    size_t i;

    for (i = 0; i < scene->extents->n; i++)
        if (scene->extents->items[i].id == mapping->extent_id)
            return false;
    for (i = 0; i < scene->targets->n; i++) {
        const struct tns_target *t = &scene->targets->items[i];

        if (t->id != mapping->target_id || !tns__target_is_ours(scene->st, t))
            continue;
        *ret = TNS_CLASS_ORPHAN_MAPPING;
        tns__fmt(text, 300, "LUN %lld of '%s' has no extent", (long long)mapping->lun,
                 t->name);
        return true;
    }
    return false;
}

/* ---- the look ---- */

void tns__scene_clear(struct tns_scene *scene)
{
    tns__dataset_list_free(scene->datasets);
    tns__extent_list_free(scene->extents);
    tns__mapping_list_free(scene->mappings);
    tns__target_list_free(scene->targets);
    *scene = (struct tns_scene){ 0 };
}

int tns__scene_look(struct tns_storage *st, struct tns_scene *ret, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    struct tns_dataset_filter children = { .parent = st->opt.dataset, .with_tags = true };
    struct tns_scene scene = { .st = st };
    struct tns_dataset *parent = NULL;
    struct tns_pin pin;
    int parent_call;
    int rc;

    if (!b)
        return tns__error_nomem(err);
    rc = tns__owner_load(st, false, err);
    if (rc)
        return rc;
    tns__dataset_list_put(b, &children, &scene.datasets);
    parent_call = tns__dataset_get_put(b, st->opt.dataset, &parent);
    tns__extent_list_put(b, NULL, &scene.extents);
    tns__mapping_list_put(b, NULL, &scene.mappings);
    tns__target_list_put(b, &scene.targets);
    tns__pin_put(st, b, &pin);
    rc = tns__pin_judge(st, &pin, tns__batch_run(b, err), err);
    rc = tns__batch_parent(st, b, parent_call, rc, err);
    tns__dataset_free(parent);
    if (rc == 0)
        rc = tns__system_time(st->session, &scene.now_s, err);
    if (rc)
        tns__scene_clear(&scene);
    else
        *ret = scene;
    return rc;
}
