/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a section: converted once, each wrong one refused by its name. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "volume/storage.h"

#define BLOCKSIZE_MIN 512u
#define BLOCKSIZE_MAX (128u * 1024u)
#define DATASET_MAX 120u

static const char *const secret_keys[] = { "api_key", "chap_password",
                                           "tn_chap_mutual_password" };

/* A string, also for what came as a number; NULL when absent or empty. */
static int opt_str(const struct tns_options *opt, const char *key, const char **ret,
                   struct tns_error *err)
{
    const json_t *value = json_object_get(opt->json, key);

    *ret = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return tns__error_set(err, TNS_E_CONFIG, "%s: text is expected", key);
    if (json_string_length(value) != strlen(json_string_value(value)))
        return tns__error_set(err, TNS_E_CONFIG, "%s: holds a NUL byte", key);
    if (json_string_length(value) > 0)
        *ret = json_string_value(value);
    return 0;
}

static int opt_bool(const struct tns_options *opt, const char *key, bool def, bool *ret,
                    struct tns_error *err)
{
    static const char *const yes[] = { "1", "yes", "on", "true" };
    static const char *const no[] = { "0", "no", "off", "false", "" };
    const json_t *value = json_object_get(opt->json, key);
    const char *text = json_string_value(value);
    size_t i;

    *ret = def;
    if (!value || json_is_null(value))
        return 0;
    if (json_is_boolean(value) ||
        (json_is_integer(value) && !(json_integer_value(value) >> 1))) {
        *ret = json_is_true(value) || json_integer_value(value) == 1;
        return 0;
    }
    for (i = 0; text && i < TNS_ARRAY_LEN(yes); i++)
        if (strcasecmp(text, yes[i]) == 0) {
            *ret = true;
            return 0;
        }
    for (i = 0; text && i < TNS_ARRAY_LEN(no); i++)
        if (strcasecmp(text, no[i]) == 0) {
            *ret = false;
            return 0;
        }
    return tns__error_set(err, TNS_E_CONFIG, "%s: 0 or 1 is expected", key);
}

static int opt_uint(const struct tns_options *opt, const char *key, uint64_t def,
                    uint64_t max, uint64_t *ret, struct tns_error *err)
{
    const json_t *value = json_object_get(opt->json, key);
    uint64_t number = def;
    bool ok = true;

    if (json_is_integer(value)) {
        ok = json_integer_value(value) >= 0;
        number = (uint64_t)json_integer_value(value);
    } else if (json_is_string(value)) {
        ok = tns__parse_u64(json_string_value(value), &number);
    } else if (value && !json_is_null(value)) {
        ok = false;
    }
    if (!ok || number > max)
        return tns__error_set(err, TNS_E_CONFIG, "%s: a number up to %llu is expected", key,
                              (unsigned long long)max);
    *ret = number;
    return 0;
}

static bool chars_in(const char *s, const char *more)
{
    for (; *s; s++) {
        bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                     (*s >= 'A' && *s <= 'Z');

        if (!alnum && !strchr(more, *s))
            return false;
    }
    return true;
}

static int parse_storeid(struct tns_options *opt, struct tns_error *err)
{
    int rc = opt_str(opt, "storeid", &opt->storeid, err);

    if (rc)
        return rc;
    if (!opt->storeid || strlen(opt->storeid) > 100 || !chars_in(opt->storeid, "-_.") ||
        strchr("-_.0123456789", opt->storeid[0]))
        return tns__error_set(err, TNS_E_CONFIG, "storeid: '%s' is no name of a storage",
                              opt->storeid ? opt->storeid : "");
    return 0;
}

/* No empty, "." or ".." part, nothing that ZFS would read as a snapshot, no blank. */
static bool dataset_ok(const char *s)
{
    const char *part = s;

    if (strlen(s) > DATASET_MAX || !chars_in(s, "_-./:"))
        return false;
    for (;; s++) {
        if (*s && *s != '/')
            continue;
        if (s == part || (s - part == 1 && part[0] == '.') ||
            (s - part == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (!*s)
            return true;
        part = s + 1;
    }
}

static int parse_dataset(struct tns_options *opt, struct tns_error *err)
{
    int rc = opt_str(opt, "dataset", &opt->dataset, err);

    if (rc)
        return rc;
    if (!opt->dataset || !dataset_ok(opt->dataset))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "dataset: '%s' is no name of a dataset (pool/name, at most %u "
            "characters)",
            opt->dataset ? opt->dataset : "", DATASET_MAX);
    memcpy(opt->pool_text, opt->dataset, strlen(opt->dataset) + 1);
    opt->pool_text[strcspn(opt->pool_text, "/")] = '\0';
    opt->pool = opt->pool_text;
    return 0;
}

/* "16K", "16384", "1M": a power of two; what the NAS cannot do is clamped, and told. */
static int parse_blocksize(struct tns_options *opt, struct tns_error *err)
{
    const char *text = NULL;
    char digits[16];
    uint64_t value;
    size_t len;
    int rc;

    if (json_is_integer(json_object_get(opt->json, "zvol_blocksize"))) {
        rc = opt_uint(opt, "zvol_blocksize", 0, UINT32_MAX, &value, err);
        if (rc)
            return rc;
    } else {
        rc = opt_str(opt, "zvol_blocksize", &text, err);
        if (rc || !text)
            return rc;
        len = strspn(text, "0123456789");
        value = 0;
        if (tns__fmt(digits, sizeof(digits), "%.*s", (int)len, text) &&
            tns__parse_u64(digits, &value) && value <= UINT32_MAX) {
            if (strcasecmp(text + len, "K") == 0 || strcasecmp(text + len, "KiB") == 0)
                value *= 1024;
            else if (strcasecmp(text + len, "M") == 0 || strcasecmp(text + len, "MiB") == 0)
                value *= 1024 * 1024;
            else if (text[len])
                value = 0;
        }
    }
    if (value < BLOCKSIZE_MIN || (value & (value - 1)))
        return tns__error_set(err, TNS_E_CONFIG,
                              "zvol_blocksize: a power of two like 16K is expected");
    opt->blocksize_clamped = value > BLOCKSIZE_MAX;
    opt->blocksize_bytes = opt->blocksize_clamped ? BLOCKSIZE_MAX : value;
    return 0;
}

static int add_portal(struct tns_options *opt, const char *key, const char *word,
                      size_t len, struct tns_error *err)
{
    char text[128];
    struct tns_addr addr;
    struct tns_error local = TNS_ERROR_INIT;
    size_t i;

    if (len == 0)
        return 0;
    if (!tns__fmt(text, sizeof(text), "%.*s", (int)len, word) ||
        tns__addr_parse(text, &addr, &local) != 0)
        return tns__error_set(err, TNS_E_CONFIG, "%s: '%.*s' is no address of a portal",
                              key, (int)len, word);
    for (i = 0; i < opt->n_portals; i++)
        if (tns__addr_equal(&opt->portals[i], &addr))
            return 0;
    if (opt->n_portals == TNS_PORTALS_MAX)
        return tns__error_set(err, TNS_E_CONFIG, "%s: more than %d portals", key,
                              TNS_PORTALS_MAX);
    opt->portals[opt->n_portals++] = addr;
    return 0;
}

static int parse_portals(struct tns_options *opt, const char *key, struct tns_error *err)
{
    const char *text;
    int rc = opt_str(opt, key, &text, err);

    while (rc == 0 && text && *text) {
        size_t len = strcspn(text, ", \t");

        rc = add_portal(opt, key, text, len, err);
        text += len + (text[len] != '\0');
    }
    return rc;
}

static int parse_target(struct tns_options *opt, struct tns_error *err)
{
    int rc = opt_str(opt, "target_iqn", &opt->target_iqn, err);

    if (rc || !opt->target_iqn)
        return rc;
    if (strncmp(opt->target_iqn, "iqn.", 4) != 0 || strlen(opt->target_iqn) > 223 ||
        !chars_in(opt->target_iqn, ".:-_"))
        return tns__error_set(err, TNS_E_CONFIG, "target_iqn: '%s' is no iSCSI name",
                              opt->target_iqn);
    return 0;
}

static int parse_choice(struct tns_options *opt, const char *key, const char *const words[],
                        const char **ret, struct tns_error *err)
{
    size_t i;
    int rc = opt_str(opt, key, ret, err);

    if (rc || !*ret)
        return rc;
    for (i = 0; words[i]; i++)
        if (strcasecmp(*ret, words[i]) == 0) {
            *ret = words[i];
            return 0;
        }
    return tns__error_set(err, TNS_E_CONFIG, "%s: '%s' is unknown", key, *ret);
}

static int parse_zfs(struct tns_options *opt, struct tns_error *err)
{
    /* As the NAS spells them. */
    static const char *const compressions[] = { "ON",     "OFF",    "LZ4",     "GZIP",
                                                "GZIP-1", "GZIP-9", "ZSTD",    "ZSTD-FAST",
                                                "ZLE",    "LZJB",   "INHERIT", NULL };
    static const char *const syncs[] = { "STANDARD", "ALWAYS", "DISABLED", "INHERIT",
                                         NULL };
    int rc = parse_blocksize(opt, err);

    if (rc == 0)
        rc = opt_bool(opt, "tn_sparse", true, &opt->sparse, err);
    if (rc == 0)
        rc = parse_choice(opt, "tn_compression", compressions, &opt->compression, err);
    if (rc == 0)
        rc = parse_choice(opt, "tn_sync", syncs, &opt->sync, err);
    if (rc == 0 && opt->compression && strcmp(opt->compression, "INHERIT") == 0)
        opt->compression = NULL;
    if (rc == 0 && opt->sync && strcmp(opt->sync, "INHERIT") == 0)
        opt->sync = NULL;
    return rc;
}

static int parse_switches(struct tns_options *opt, struct tns_error *err)
{
    static const struct {
        const char *key;
        bool def;
        size_t offset;
    } rows[] = {
        { "use_multipath", true, offsetof(struct tns_options, multipath) },
        { "logout_on_free", false, offsetof(struct tns_options, logout_on_free) },
        { "tn_rollback_removes_newer", false, offsetof(struct tns_options, removes_newer) },
        { "enable_live_snapshots", true, offsetof(struct tns_options, live_snapshots) },
        { "enable_bulk_operations", true, offsetof(struct tns_options, bulk) },
    };
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < TNS_ARRAY_LEN(rows); i++)
        rc = opt_bool(opt, rows[i].key, rows[i].def,
                      (bool *)(void *)((char *)opt + rows[i].offset), err);
    return rc;
}

static int parse_initiator(struct tns_options *opt, struct tns_error *err)
{
    static const char *const kinds[] = { "kernel", "qemu", NULL };
    const char *kind;
    int rc = parse_choice(opt, "tn_initiator", kinds, &kind, err);

    if (rc)
        return rc;
    opt->qemu = kind && strcmp(kind, "qemu") == 0;
    opt->initiators = json_object_get(opt->json, "tn_initiators");
    if (opt->initiators && !json_is_array(opt->initiators) &&
        !json_is_string(opt->initiators))
        return tns__error_set(err, TNS_E_CONFIG,
                              "tn_initiators: a list of iSCSI names is "
                              "expected");
    rc = opt_str(opt, "chap_user", &opt->chap_user, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_chap_mutual_user", &opt->chap_mutual_user, err);
    if (rc == 0 && opt->chap_mutual_user && !opt->chap_user)
        rc = tns__error_set(err, TNS_E_CONFIG, "tn_chap_mutual_user: needs chap_user, too");
    return rc;
}

static int parse_node(struct tns_options *opt, struct tns_error *err)
{
    const char *owner;
    int rc = opt_str(opt, "tn_owner", &owner, err);

    if (rc)
        return rc;
    if (owner && (strlen(owner) != 36 || strspn(owner, "0123456789abcdef-") != 36))
        return tns__error_set(err, TNS_E_CONFIG,
                              "tn_owner: a UUID in lower case is expected");
    opt->owner = owner;

    rc = opt_str(opt, "tn_node", &opt->node, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_run_dir", &opt->run_dir, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_sysroot", &opt->sysroot, err);
    if (rc)
        return rc;
    opt->holder = json_string_value(json_object_get(opt->json, "tn_holder"));
    if (!opt->run_dir)
        opt->run_dir = "/run/tnstor";
    if (!opt->sysroot)
        opt->sysroot = "/";
    if (!opt->node) {
        if (gethostname(opt->node_text, sizeof(opt->node_text) - 1) != 0)
            return tns__error_set(err, TNS_E_DEVICE, "this node has no host name");
        opt->node_text[strcspn(opt->node_text, ".")] = '\0';
        opt->node = opt->node_text;
    }
    if (strlen(opt->node) > 63 || !chars_in(opt->node, "-_."))
        return tns__error_set(err, TNS_E_CONFIG, "tn_node: '%s' is no name of a node",
                              opt->node);
    return 0;
}

static int check_transport(struct tns_options *opt, struct tns_error *err)
{
    static const char *const modes[] = { "iscsi", "nvme-tcp", NULL };
    const char *mode;
    int rc = parse_choice(opt, "transport_mode", modes, &mode, err);

    if (rc == 0 && mode && strcmp(mode, "nvme-tcp") == 0)
        rc = tns__error_set(err, TNS_E_UNSUPPORTED,
                            "storage '%s' has transport_mode nvme-tcp, "
                            "which this version cannot serve: iSCSI only",
                            opt->storeid);
    return rc;
}

/* A copy without what is secret, so that nothing here can print it. */
static json_t *copy_without_secrets(const json_t *json)
{
    _tns_json_ json_t *shallow = json_copy((json_t *)(uintptr_t)json);
    size_t i;

    if (!shallow)
        return NULL;
    for (i = 0; i < TNS_ARRAY_LEN(secret_keys); i++)
        json_object_del(shallow, secret_keys[i]);
    return json_deep_copy(shallow);
}

int tns__options_parse(const json_t *json, struct tns_options *ret, struct tns_error *err)
{
    static int (*const parts[])(struct tns_options *, struct tns_error *) = {
        parse_storeid, check_transport, parse_dataset,   parse_target,
        parse_zfs,     parse_switches,  parse_initiator, parse_node,
    };
    size_t i;
    int rc = 0;

    if (!json_is_object(json))
        return tns__error_set(err, TNS_E_USAGE, "the options of a storage are an object");
    ret->json = copy_without_secrets(json);
    if (!ret->json)
        return tns__error_nomem(err);

    for (i = 0; rc == 0 && i < TNS_ARRAY_LEN(parts); i++)
        rc = parts[i](ret, err);
    if (rc == 0)
        rc = parse_portals(ret, "discovery_portal", err);
    if (rc == 0)
        rc = parse_portals(ret, "portals", err);
    return rc;
}

void tns__options_clear(struct tns_options *opt)
{
    json_decref(opt->json);
    opt->json = NULL;
}

int tns__options_session(const struct tns_options *opt, const json_t *json,
                         struct tns_session_opts *ret, struct tns_error *err)
{
    struct tns_session_opts out = { .run_dir = opt->run_dir };
    uint64_t port;
    uint64_t retry;
    int rc = opt_str(opt, "api_host", &out.hosts, err);

    if (rc == 0)
        rc = opt_str(opt, "api_transport", &out.transport, err);
    if (rc == 0)
        rc = opt_str(opt, "api_scheme", &out.scheme, err);
    if (rc == 0)
        rc = opt_uint(opt, "api_port", 0, 65535, &port, err);
    if (rc == 0)
        rc = opt_bool(opt, "api_insecure", false, &out.insecure, err);
    if (rc == 0)
        rc = opt_bool(opt, "prefer_ipv4", true, &out.prefer_ipv4, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_fingerprint", &out.fingerprints, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_ca_file", &out.ca_file, err);
    if (rc == 0)
        rc = opt_str(opt, "tn_user", &out.user, err);
    if (rc == 0)
        rc = opt_uint(opt, "api_retry_max", 0, 100, &retry, err);
    if (rc)
        return rc;

    out.port = (uint16_t)port;
    out.retry_max = (unsigned)retry;
    out.key = json_string_value(json_object_get(json, "api_key"));
    out.key_len = json_string_length(json_object_get(json, "api_key"));
    out.no_holder = opt->holder && !*opt->holder;
    out.holder_path = out.no_holder ? NULL : opt->holder;
    *ret = out;
    return 0;
}
