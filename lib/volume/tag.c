/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing tags; a tag counts only on the zvol that it names itself. */
#include "volume/tag.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

bool tns__tag_is(const struct tns_dataset *ds, const char *tag, const char *text)
{
    const char *value = tns__dataset_tag(ds, tag);

    return value && strcmp(value, text) == 0;
}

/* Releases show inherited properties as local, and replicas carry their source's: only
 * a tag that names this very zvol, or the name it is being renamed to, is about this
 * zvol. */
static bool tag_names(const struct tns_dataset *ds)
{
    return tns__tag_is(ds, TNS_TAG_SELF, ds->id) || tns__tag_is(ds, TNS_TAG_NEXT, ds->id);
}

enum tns_whose tns__tag_whose(const struct tns_storage *st, const struct tns_dataset *ds)
{
    if (!tns__dataset_tag(ds, TNS_TAG_OWNER) && !tns__dataset_tag(ds, TNS_TAG_SELF))
        return TNS_WHOSE_UNTAGGED;
    if (!tag_names(ds))
        return TNS_WHOSE_STALE;
    if (st->owner[0] && tns__tag_is(ds, TNS_TAG_OWNER, st->owner) &&
        tns__tag_is(ds, TNS_TAG_STOREID, st->opt.storeid))
        return TNS_WHOSE_MINE;
    return TNS_WHOSE_OTHER;
}

enum tns_state tns__tag_state(const struct tns_dataset *ds)
{
    const char *state = tns__dataset_tag(ds, TNS_TAG_STATE);

    if (!state)
        return TNS_STATE_NONE;
    if (strcmp(state, "ready") == 0)
        return TNS_STATE_READY;
    if (strcmp(state, "creating") == 0)
        return TNS_STATE_CREATING;
    if (strcmp(state, "deleting") == 0)
        return TNS_STATE_DELETING;
    return TNS_STATE_UNKNOWN;
}

int tns__tag_schema(const struct tns_dataset *ds, struct tns_error *err)
{
    const char *text = tns__dataset_tag(ds, TNS_TAG_SCHEMA);
    uint64_t schema;

    if (!text || (tns__parse_u64(text, &schema) && schema <= TNS_SCHEMA))
        return 0;
    return tns__error_set(err, TNS_E_CONFLICT,
                          "%s was tagged by a newer version of this "
                          "software (schema %s): upgrade this node first",
                          ds->id, text);
}

int tns__tags_put(json_t *tags, const char *key, const char *value, struct tns_error *err)
{
    json_t *text = value ? json_string(value) : json_null();

    if (!text || json_object_set_new(tags, key, text) != 0)
        return tns__error_nomem(err);
    return 0;
}

json_t *tns__tags_new(struct tns_storage *st, const char *self, const char *volname,
                      const char *op, const char *state, struct tns_error *err)
{
    char by[160];

    if (tns__by_make(st, by, sizeof(by), err))
        return NULL;
    return tns__json_pack(err, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", TNS_TAG_OWNER,
                          st->owner, TNS_TAG_STOREID, st->opt.storeid, TNS_TAG_VOLNAME,
                          volname, TNS_TAG_OP, op, TNS_TAG_STATE, state, TNS_TAG_SELF, self,
                          TNS_TAG_SCHEMA, "1", TNS_TAG_BY, by);
}
