/* SPDX-License-Identifier: Apache-2.0 */
/* Notes and the protected flag, kept as user properties beside the tags. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/adopt.h"
#include "volume/plan.h"
#include "volume/resolve.h"

/* The NAS takes no longer text in one property. */
#define NOTES_MAX 1024u

static int attribute_tag(const char *name, const char **ret, struct tns_error *err)
{
    if (name && strcmp(name, "notes") == 0)
        *ret = TNS_TAG_NOTES;
    else if (name && strcmp(name, "protected") == 0)
        *ret = TNS_TAG_PROTECTED;
    else
        return tns__error_set(err, TNS_E_UNSUPPORTED, "volumes have no attribute '%s'",
                              name ? name : "");
    return 0;
}

static int check_value(const char *tag, const char *value, struct tns_error *err)
{
    if (!value)
        return 0;
    if (strcmp(tag, TNS_TAG_PROTECTED) == 0 && strcmp(value, "0") != 0 &&
        strcmp(value, "1") != 0)
        return tns__error_set(err, TNS_E_USAGE, "protected is 0 or 1, not '%s'", value);
    if (strlen(value) > NOTES_MAX)
        return tns__error_set(err, TNS_E_USAGE,
                              "notes of %zu bytes are too long: %u is the most",
                              strlen(value), NOTES_MAX);
    return 0;
}

int tns_volume_get_attribute(struct tns_storage *st, const char *volname, const char *name,
                             json_t **ret, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    _tns_vol_ struct tns_vol *vol = NULL;
    const char *tag;
    const char *value;
    json_t *answer;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = attribute_tag(name, &tag, &guard.error);
    if (rc == 0)
        rc = tns__vol_resolve(st, volname, 0, &vol, &guard.error);
    if (rc == 0)
        rc = tns__vol_usable(st, vol, &guard.error);
    if (rc)
        return rc;
    value = tns__dataset_tag(vol->ds, tag);
    answer = value ? json_string(value) : json_null();
    if (!answer)
        return tns__error_nomem(&guard.error);
    *ret = answer;
    return 0;
}

struct attribute {
    struct tns_storage *st;
    const char *zvol;
    const json_t *tags;
};

static int act_set(void *op, struct tns_error *err)
{
    struct attribute *a = op;

    return tns__dataset_set_tags(a->st->session, a->zvol, a->tags, err);
}

static const struct tns_step set_steps[] = { { "set", act_set, tns__verify_repeat, NULL } };

static int set_attribute(struct tns_storage *st, const char *volname, const char *tag,
                         const char *value, struct tns_error *err)
{
    _tns_vol_ struct tns_vol *vol = NULL;
    _tns_json_ json_t *tags = NULL;
    struct attribute a = { .st = st };
    char what[TNS_ZVOL_CAP + 48];
    int rc = tns__vol_resolve(st, volname, 0, &vol, err);

    if (rc == 0)
        rc = tns__vol_usable(st, vol, err);
    if (rc)
        return rc;
    /* An old plugin's volume is adopted by this: half a set of tags would make it
     * nobody's. */
    tags = vol->whose == TNS_WHOSE_MINE ? json_object()
                                        : tns__adopt_tags(st, vol->zvol, volname, err);
    if (!tags)
        return err->code ? -err->code : tns__error_nomem(err);
    rc = tns__tags_put(tags, tag, value, err);
    if (rc)
        return rc;
    a.zvol = vol->zvol;
    a.tags = tags;
    tns__fmt(what, sizeof(what), "set %s of %s", tag, vol->zvol);
    return tns__plan_run(st, what, set_steps, TNS_ARRAY_LEN(set_steps), &a, err);
}

int tns_volume_set_attribute(struct tns_storage *st, const char *volname, const char *name,
                             const char *value, struct tns_error *err)
{
    _tns_guard_ struct tns_guard guard;
    const char *tag;
    int rc = tns__enter(st, &guard, err);

    if (rc == 0)
        rc = attribute_tag(name, &tag, &guard.error);
    if (rc == 0)
        rc = check_value(tag, value, &guard.error);
    if (rc == 0)
        rc = set_attribute(st, volname, tag, value, &guard.error);
    return rc;
}
