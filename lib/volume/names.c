/* SPDX-License-Identifier: Apache-2.0 */
/* Names of zvols, extents and temporary clones, each within the NAS's limits. */
#include "volume/names.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

int tns__zvol_name(const char *dataset, const char *leaf, char ret[TNS_ZVOL_CAP],
                   struct tns_error *err)
{
    char name[TNS_ZVOL_CAP];

    if (!tns__fmt(name, sizeof(name), "%s/%s", dataset, leaf))
        return tns__error_set(
            err, TNS_E_USAGE,
            "%s/%s is longer than the %d bytes that a zvol's name may have: "
            "use a dataset with a shorter name",
            dataset, leaf, TNS_ZVOL_MAX);
    if (!tns__leaf_of(dataset, name))
        return tns__error_set(err, TNS_E_BUG, "%s is not directly below %s", name, dataset);

    memcpy(ret, name, sizeof(name));
    return 0;
}

bool tns__disk_name(const char *zvol, char ret[TNS_DISK_CAP])
{
    return tns__fmt(ret, TNS_DISK_CAP, "zvol/%s", zvol);
}

const char *tns__leaf_of(const char *dataset, const char *id)
{
    size_t len = strlen(dataset);

    if (strncmp(id, dataset, len) != 0 || id[len] != '/' || id[len + 1] == '\0')
        return NULL;
    return strchr(id + len + 1, '/') ? NULL : id + len + 1;
}

bool tns__extent_name(const char *zvol, char ret[TNS_EXTENT_CAP])
{
    const char *slash = strrchr(zvol, '/');
    const char *leaf = slash ? slash + 1 : zvol;
    char hash[9];

    return tns__sha256_hex(zvol, strlen(zvol), 4, hash) &&
           tns__fmt(ret, TNS_EXTENT_CAP, "%.55s-%s", leaf, hash);
}

bool tns__temp_leaf(const char *zvol, const char *snap, const char *node, char *ret,
                    size_t cap)
{
    char text[TNS_ZVOL_CAP + 200];
    char hash[33];

    return tns__fmt(text, sizeof(text), "%s@%s %s", zvol, snap, node) &&
           tns__sha256_hex(text, strlen(text), 16, hash) &&
           tns__fmt(ret, cap, TNS_TEMP_PREFIX "%s", hash);
}
