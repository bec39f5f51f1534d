/* SPDX-License-Identifier: Apache-2.0 */
/* Anchored grammars of all names that reach a path, an argv or a command of another program. */
#include <string.h>

#include "device/device_priv.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"

/* Between min and max characters, all of them in `set`, up to the very end. */
static bool is_made_of(const char *s, const char *set, size_t min, size_t max)
{
    size_t len = strnlen(s, max + 1);

    return len >= min && len <= max && strspn(s, set) == len;
}

static bool starts_in(const char *s, const char *set)
{
    return *s && strchr(set, *s);
}

bool tns__is_iqn(const char *s)
{
    return is_made_of(s, LOWER UPPER DIGITS ".:_-", 5, 223) &&
           (tns__starts_with(s, "iqn.") || tns__starts_with(s, "eui.") ||
            tns__starts_with(s, "naa."));
}

bool tns__is_wwid(const char *s)
{
    return is_made_of(s, HEX, 16, 40);
}

bool tns__is_naa(const char *s)
{
    return is_made_of(s, HEX, 32, 32) && s[0] == '6';
}

bool tns__is_devname(const char *s)
{
    return is_made_of(s, LOWER DIGITS "-", 2, 31) && starts_in(s, LOWER);
}

bool tns__is_storeid(const char *s)
{
    return is_made_of(s, LOWER UPPER DIGITS "._-", 1, 100) && starts_in(s, LOWER UPPER);
}

bool tns__is_linkname(const char *s)
{
    return is_made_of(s, LOWER UPPER DIGITS "._-+@", 1, 200) &&
           starts_in(s, LOWER UPPER DIGITS);
}

int tns__names_check(const char *storeid, const char *linkname, struct tns_error *err)
{
    if (!storeid || !tns__is_storeid(storeid))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not a storage id",
                              storeid ? storeid : "");
    if (!linkname || !tns__is_linkname(linkname))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not a name of a device link",
                              linkname ? linkname : "");
    return 0;
}

int tns__want_check(const struct tns_want *want, struct tns_error *err)
{
    int rc = tns__names_check(want->storeid, want->linkname, err);

    if (rc < 0)
        return rc;
    if (!want->target_iqn || !tns__is_iqn(want->target_iqn))
        return tns__error_set(err, TNS_E_USAGE,
                              "%s: \"%s\" is not the name of an iSCSI target",
                              want->linkname, want->target_iqn ? want->target_iqn : "");
    if (!tns__is_naa(want->naa))
        return tns__error_set(err, TNS_E_USAGE,
                              "%s: \"%s\" is not a NAA identifier of type 6",
                              want->linkname, want->naa);
    if (want->lun > 16383)
        return tns__error_set(err, TNS_E_USAGE, "%s: LUN %u is above 16383", want->linkname,
                              (unsigned)want->lun);
    if (want->size_bytes == 0)
        return tns__error_set(err, TNS_E_USAGE, "%s: the size to expect is not known",
                              want->linkname);
    return 0;
}
