/* SPDX-License-Identifier: Apache-2.0 */
/* What each release can do, as one table: everything above asks here and never for a version. */
#include "session/session_priv.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

/* The first release that behaves so; 0 marks the end. */
struct row {
    unsigned since;
    enum tns_snap_ns snap_ns;
    bool public_rename;
    bool service_control;
    bool delete_extents_arg;
    bool product_id;
    bool create_drops_tags;
    bool delete_lies;
    bool close_cancels;
};

static const struct row rows[] = {
    { .since = 2212, .snap_ns = TNS_SNAP_ZFS },
    { .since = 2504, .snap_ns = TNS_SNAP_ZFS, .delete_extents_arg = true },
    { .since = 2510,
      .snap_ns = TNS_SNAP_POOL,
      .public_rename = true,
      .service_control = true,
      .delete_extents_arg = true,
      .product_id = true },
    { .since = 2600,
      .snap_ns = TNS_SNAP_RESOURCE,
      .public_rename = true,
      .service_control = true,
      .delete_extents_arg = true,
      .product_id = true,
      .create_drops_tags = true,
      .delete_lies = true,
      .close_cancels = true },
};

/* REST lost core.bulk after 23.10. */
#define REST_BULK_LAST 2310

unsigned tns__release_of(const char *version)
{
    const char *p = version;

    while (*p) {
        const char *before = p;

        p += strcspn(p, "0123456789");
        if (isdigit((unsigned char)p[0]) && isdigit((unsigned char)p[1]) && p[2] == '.' &&
            isdigit((unsigned char)p[3]) && (p == before || p[-1] == '-')) {
            unsigned major = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
            unsigned minor = (unsigned)(p[3] - '0');

            if (isdigit((unsigned char)p[4]))
                minor = minor * 10 + (unsigned)(p[4] - '0');
            return major * 100 + minor;
        }
        p += strspn(p, "0123456789");
    }
    return 0;
}

int tns__caps_from_version(const char *version, enum tns_dialect dialect,
                           struct tns_caps *ret, struct tns_error *err)
{
    const struct row *row = NULL;
    unsigned release = tns__release_of(version);
    struct tns_caps caps = { .release = release, .dialect = dialect };

    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++) {
        if (release >= rows[i].since)
            row = &rows[i];
    }
    if (!row)
        return tns__error_set(
            err, TNS_E_UNSUPPORTED,
            "the NAS runs '%.60s'; TrueNAS SCALE 22.12 or later is needed", version);
    if (!tns__fmt(caps.version, sizeof caps.version, "%s", version))
        return tns__error_set(err, TNS_E_PROTOCOL, "system.version answers %zu bytes",
                              strlen(version));
    caps.snap_ns = row->snap_ns;
    caps.public_rename = row->public_rename;
    caps.service_control = row->service_control;
    caps.delete_extents_arg = row->delete_extents_arg;
    caps.product_id = row->product_id;
    caps.create_drops_tags = row->create_drops_tags;
    caps.delete_lies = row->delete_lies;
    caps.close_cancels = row->close_cancels;
    caps.bulk = dialect != TNS_DIALECT_REST || release <= REST_BULK_LAST;
    *ret = caps;
    return 0;
}
