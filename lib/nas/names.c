/* SPDX-License-Identifier: Apache-2.0 */
/* Names that go to the NAS, checked here so that a bad one never leaves. */
#include "nas/nas_priv.h"

#include <string.h>

#define DATASET_MAX 255 /* ZFS: the whole name, snapshot included */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_-.: ", c));
}

/* One component of len characters; neither empty, nor dots only, nor with a blank at an end. */
static bool is_component(const char *s, size_t len)
{
    if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
        return false;
    if (s[0] == ' ' || s[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(s[i]))
            return false;
    }
    return true;
}

int tns__name_dataset(const char *id, struct tns_error *err)
{
    bool good = id && *id && strlen(id) <= DATASET_MAX;

    for (const char *p = id; good; p++) {
        size_t len = strcspn(p, "/");

        good = is_component(p, len);
        p += len;
        if (!*p)
            break;
    }
    return good ? 0
                : tns__error_set(err, TNS_E_USAGE, "'%.80s' is no name of a dataset",
                                 id ? id : "");
}

int tns__name_snapshot(const char *name, struct tns_error *err)
{
    if (name && strlen(name) <= DATASET_MAX && is_component(name, strlen(name)))
        return 0;
    return tns__error_set(err, TNS_E_USAGE, "'%.80s' is no name of a snapshot",
                          name ? name : "");
}

int tns__name_full(const char *dataset, const char *name, char **ret, struct tns_error *err)
{
    char *full;
    int rc = tns__name_dataset(dataset, err);

    if (rc == 0)
        rc = tns__name_snapshot(name, err);
    if (rc)
        return rc;
    if (strlen(dataset) + 1 + strlen(name) > DATASET_MAX)
        return tns__error_set(err, TNS_E_USAGE,
                              "the name %.80s@%.80s is longer than %d bytes", dataset, name,
                              DATASET_MAX);
    full = tns__asprintf("%s@%s", dataset, name);
    if (!full)
        return tns__error_nomem(err);
    *ret = full;
    return 0;
}

int tns__name_text(const char *text, size_t max, const char *what, struct tns_error *err)
{
    if (!text || strlen(text) > max)
        return tns__error_set(err, TNS_E_USAGE,
                              "the %s is missing or longer than %zu bytes", what, max);
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == '"' || *p == 0x7f)
            return tns__error_set(err, TNS_E_USAGE,
                                  "the %s '%.80s' has a character that is not allowed",
                                  what, text);
    }
    return 0;
}
