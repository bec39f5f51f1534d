/* SPDX-License-Identifier: Apache-2.0 */
/* Tags: the ZFS user properties that say whose a zvol is and what is being done to it. */
#ifndef TNS_VOLUME_TAG_H
#define TNS_VOLUME_TAG_H

#include <jansson.h>

#include "nas/nas.h"
#include "volume/storage.h"

#define TNS_TAG(name) "org.tnstor:" name
#define TNS_TAG_OWNER TNS_TAG("owner")
#define TNS_TAG_STOREID TNS_TAG("storeid")
#define TNS_TAG_VOLNAME TNS_TAG("volname")
#define TNS_TAG_OP TNS_TAG("op")
#define TNS_TAG_STATE TNS_TAG("state")
#define TNS_TAG_SELF TNS_TAG("self")
#define TNS_TAG_NEXT TNS_TAG("next")
#define TNS_TAG_SCHEMA TNS_TAG("schema")
/* The zvol name it had before its last rename: a repeated request finds by it that it
 * was done. */
#define TNS_TAG_WAS TNS_TAG("was")
/* Who works on it, while state is creating or deleting or `next` is there: node, boot,
 * pid, start of the process, and since when by the node's clock. */
#define TNS_TAG_BY TNS_TAG("by")
/* Of temporary clones: the snapshot, the node and its boot. */
#define TNS_TAG_SNAPSHOT TNS_TAG("snapshot")
#define TNS_TAG_NODE TNS_TAG("node")
#define TNS_TAG_NOTES TNS_TAG("notes")
#define TNS_TAG_PROTECTED TNS_TAG("protected")

#define TNS_SCHEMA 1

enum tns_whose {
    TNS_WHOSE_MINE = 1,
    TNS_WHOSE_OTHER,    /* valid tags of another owner or storage                     */
    TNS_WHOSE_STALE,    /* tags that name another zvol: replicated, moved, inherited   */
    TNS_WHOSE_UNTAGGED, /* no tag at all: perhaps the old plugin's                     */
};

enum tns_state {
    TNS_STATE_NONE = 0,
    TNS_STATE_CREATING,
    TNS_STATE_READY,
    TNS_STATE_DELETING,
    TNS_STATE_UNKNOWN,
};

/* st->owner must have been loaded. */
enum tns_whose tns__tag_whose(const struct tns_storage *st, const struct tns_dataset *ds);
enum tns_state tns__tag_state(const struct tns_dataset *ds);
/* Does this tag hold that text? */
bool tns__tag_is(const struct tns_dataset *ds, const char *tag, const char *text);
/* 0, or TNS_E_CONFLICT when a newer version of this software wrote the tags. */
int tns__tag_schema(const struct tns_dataset *ds, struct tns_error *err);

/* The complete set for a new zvol. next NULL: none. Owned. */
json_t *tns__tags_new(struct tns_storage *st, const char *self, const char *volname,
                      const char *op, const char *state, struct tns_error *err);
/* Sets tag `key` in an update; value NULL removes it. */
int tns__tags_put(json_t *tags, const char *key, const char *value, struct tns_error *err);

/* "node boot pid start since" of this process. */
int tns__by_make(struct tns_storage *st, char *ret, size_t cap, struct tns_error *err);
/* False only when nobody can be working under that mark any more: it was this node, and
 * the process or its boot has gone; or it is older than any operation may take. age_s:
 * since the zvol was made, 0 when that says nothing; now_s: on the NAS. */
bool tns__by_alive(struct tns_storage *st, const char *by, int64_t age_s, int64_t now_s);
/* May somebody still be creating, deleting or renaming this zvol? */
bool tns__at_work(struct tns_storage *st, const struct tns_dataset *ds, int64_t now_s);
/* The same; the NAS is asked what time it is. */
int tns__at_work_ask(struct tns_storage *st, const struct tns_dataset *ds, bool *ret,
                     struct tns_error *err);
/* This node's boot id, cut to 8 characters; "0" when unknown. */
void tns__boot_id(struct tns_storage *st, char ret[9]);

/* No operation lives longer: PVE's locks end after two minutes. */
#define TNS_OP_MAX_S 180
/* By as much a node's clock may differ from the NAS's. */
#define TNS_CLOCK_SKEW_S 420

#endif
