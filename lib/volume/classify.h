/* SPDX-License-Identifier: Apache-2.0 */
/* What every object below the dataset and on the targets is, judged from one look at
 * the NAS. */
#ifndef TNS_VOLUME_CLASSIFY_H
#define TNS_VOLUME_CLASSIFY_H

#include "nas/nas.h"
#include "volume/resolve.h"

enum tns_class {
    TNS_CLASS_READY,
    TNS_CLASS_CREATING,     /* somebody is at work                       */
    TNS_CLASS_COMPLETE,     /* creating, whole, its maker gone: promoted */
    TNS_CLASS_HALF_MADE,    /* creating, its maker gone: removed         */
    TNS_CLASS_DELETING,     /* somebody is at work                       */
    TNS_CLASS_HALF_FREED,   /* deleting, cut short: finished             */
    TNS_CLASS_NEEDED,       /* the same, but cloned meanwhile: waits for its clones */
    TNS_CLASS_RENAMING,     /* somebody is at work                       */
    TNS_CLASS_HALF_RENAMED, /* cut short: finished, or forgotten         */
    TNS_CLASS_NO_EXTENT,    /* ready, not published: published again     */
    TNS_CLASS_NO_MAPPING,
    TNS_CLASS_DISABLED, /* ready, its extent disabled: reported      */
    TNS_CLASS_TWICE,    /* two extents, mappings or volumes on a LUN: reported */
    TNS_CLASS_LOCKED,
    TNS_CLASS_TEMP,           /* a clone to read from, in use or another node's */
    TNS_CLASS_TEMP_IDLE,      /* this node's, idle: removed                */
    TNS_CLASS_STAGING,        /* being made by somebody                    */
    TNS_CLASS_STAGING_LEFT,   /* its maker gone: removed                   */
    TNS_CLASS_ORPHAN_EXTENT,  /* made by us, its zvol gone: removed       */
    TNS_CLASS_ORPHAN_MAPPING, /* on our target, its extent gone: removed */
    TNS_CLASS_FOREIGN,
    TNS_CLASS_MOVED, /* tags name another place: adopt --all      */
    TNS_CLASS_OLD_PLUGIN,
    TNS_CLASS_UNTAGGED,
};
const char *tns__class_name(enum tns_class c);

struct tns_scene {
    struct tns_storage *st;
    int64_t now_s; /* on the NAS */
    struct tns_dataset_list *datasets;
    struct tns_extent_list *extents;
    struct tns_mapping_list *mappings;
    struct tns_target_list *targets;
};
int tns__scene_look(struct tns_storage *st, struct tns_scene *ret, struct tns_error *err);
void tns__scene_clear(struct tns_scene *scene);

/* text: one line for people. */
enum tns_class tns__classify_zvol(const struct tns_scene *scene,
                                  const struct tns_dataset *ds, char text[300]);
/* False: this extent is no matter of its own. */
bool tns__classify_extent(const struct tns_scene *scene, const struct tns_extent *extent,
                          enum tns_class *ret, char text[300]);
bool tns__classify_mapping(const struct tns_scene *scene, const struct tns_mapping *mapping,
                           enum tns_class *ret, char text[300]);

#endif
