/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of volume and snapshot names: anchored, byte by byte, nothing but the grammar. */
#include "volume/volname.h"

#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#define VMID_MIN 100u
#define VMID_MAX 999999999u
#define LABEL_MAX 64u
#define LUN_DIGITS_MAX 5u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} without ".."; the old plugin also took ':'. */
static bool label_ok(const char *s, size_t len, bool old_form)
{
    size_t i;

    if (len == 0 || len > LABEL_MAX || !is_alnum(s[0]))
        return false;

    for (i = 1; i < len; i++) {
        if (s[i] == '.' && s[i - 1] == '.')
            return false;
        if (!is_alnum(s[i]) && !strchr(old_form ? "._-:" : "._-", s[i]))
            return false;
    }
    return true;
}

/* Decimal without leading zeros, in PVE's range; *ret_len tells how many characters it
 * took. */
static bool vmid_ok(const char *s, size_t len, uint64_t *ret, size_t *ret_len)
{
    uint64_t value = 0;
    size_t i = 0;

    for (i = 0; i < len && is_digit(s[i]) && i < 10; i++)
        value = value * 10 + (uint64_t)(s[i] - '0');
    if (i == 0 || s[0] == '0' || value < VMID_MIN || value > VMID_MAX)
        return false;

    *ret = value;
    *ret_len = i;
    return true;
}

/* (vm|base)-<vmid>-<label> */
static bool leaf_split(const char *s, size_t len, bool old_form, struct tns_volname *ret)
{
    size_t skip = 0;
    size_t digits;
    uint64_t vmid;
    bool is_base = false;

    if (len > 3 && memcmp(s, "vm-", 3) == 0)
        skip = 3;
    if (len > 5 && memcmp(s, "base-", 5) == 0) {
        skip = 5;
        is_base = true;
    }
    if (skip == 0 || len >= TNS_LEAF_CAP || !vmid_ok(s + skip, len - skip, &vmid, &digits))
        return false;

    skip += digits;
    if (skip >= len || s[skip] != '-' || !label_ok(s + skip + 1, len - skip - 1, old_form))
        return false;

    memcpy(ret->leaf, s, len);
    ret->leaf[len] = '\0';
    ret->vmid = vmid;
    ret->is_base = is_base;
    return true;
}

/* vol-<leaf>-lun<digits>: the LUN number is a spelling only, so it is checked and
 * dropped. */
static bool old_split(const char *s, size_t len, struct tns_volname *ret)
{
    size_t end = len;

    while (end > 0 && is_digit(s[end - 1]))
        end--;
    if (end == len || len - end > LUN_DIGITS_MAX || end < 8)
        return false;
    if (memcmp(s, "vol-", 4) != 0 || memcmp(s + end - 4, "-lun", 4) != 0)
        return false;

    ret->old_form = true;
    return leaf_split(s + 4, end - 8, true, ret);
}

static bool part_split(const char *s, size_t len, struct tns_volname *ret)
{
    if (len > 4 && memcmp(s, "vol-", 4) == 0)
        return old_split(s, len, ret);
    return leaf_split(s, len, false, ret);
}

static bool volname_split(const char *text, struct tns_volname *ret)
{
    const char *slash = strchr(text, '/');
    struct tns_volname base = { 0 };

    if (!slash)
        return part_split(text, strlen(text), ret);

    if (!part_split(text, (size_t)(slash - text), &base) || !base.is_base)
        return false;
    if (!part_split(slash + 1, strlen(slash + 1), ret) || ret->old_form != base.old_form)
        return false;

    memcpy(ret->base, base.leaf, sizeof(ret->base));
    ret->base_vmid = base.vmid;
    return true;
}

int tns__volname_parse(const char *text, struct tns_volname *ret, struct tns_error *err)
{
    struct tns_volname name = { 0 };

    if (!text || strnlen(text, TNS_VOLNAME_CAP) >= TNS_VOLNAME_CAP)
        return tns__error_set(err, TNS_E_USAGE, "a volume name is missing or too long");
    if (!volname_split(text, &name))
        return tns__error_set(err, TNS_E_USAGE, "'%s' is no name of a volume", text);

    *ret = name;
    return 0;
}

int tns__leaf_parse(const char *text, struct tns_volname *ret, struct tns_error *err)
{
    struct tns_volname name = { 0 };

    if (!text || !leaf_split(text, strlen(text), false, &name))
        return tns__error_set(err, TNS_E_USAGE,
                              "'%s' is no name for a new volume: it must read "
                              "vm-<vmid>-<label>",
                              text ? text : "");
    *ret = name;
    return 0;
}

bool tns__volname_format(const struct tns_volname *name, char ret[TNS_VOLNAME_CAP])
{
    return tns__fmt(ret, TNS_VOLNAME_CAP, "%s%s%s", name->base, name->base[0] ? "/" : "",
                    name->leaf);
}

int tns__snapname_check(const char *snap, struct tns_error *err)
{
    size_t i;
    size_t len = snap ? strlen(snap) : 0;
    bool ok = len > 0 && len <= LABEL_MAX && (is_alnum(snap[0]) || snap[0] == '_');

    for (i = 1; ok && i < len; i++)
        ok = is_alnum(snap[i]) || strchr("._-", snap[i]);
    if (!ok)
        return tns__error_set(err, TNS_E_USAGE, "'%s' is no name of a snapshot",
                              snap ? snap : "");
    return 0;
}

static json_t *volname_json(const struct tns_volname *name, struct tns_error *err)
{
    const char *base = name->base[0] ? name->base : NULL;
    _tns_json_ json_t *base_vmid =
        base ? json_integer((json_int_t)name->base_vmid) : json_null();

    return tns__json_pack(err, "{s:s, s:s, s:I, s:s?, s:O, s:b, s:s, s:s, s:b}", "vtype",
                          "images", "name", name->leaf, "vmid", (json_int_t)name->vmid,
                          "basename", base, "basevmid", base_vmid, "isbase",
                          (int)name->is_base, "format", "raw", "zvol", name->leaf,
                          "old_form", (int)name->old_form);
}

int tns_volname_parse(const char *volname, json_t **ret, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_volname name;
    json_t *answer = NULL;
    int rc = tns__volname_parse(volname, &name, &local);

    if (rc == 0) {
        answer = volname_json(&name, &local);
        rc = answer ? 0 : -local.code;
    }
    if (rc)
        return tns__error_copy(err, &local);

    *ret = answer;
    return 0;
}
