/* SPDX-License-Identifier: Apache-2.0 */
/* The record that iscsiadm keeps of a portal: never started at boot, never scanned, and with a CHAP
 * secret that no command line has ever seen. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "device/session.h"

#define RECORD_MAX 65536u
#define RECORDS_MAX 16u
#define VALUE_MAX 256

/* One setting, and what it must be; a secret's place is held by a token until it is swapped. */
struct setting {
    const char *name, *value;
    const struct tns_secret *secret;
    char token[48];
};

struct settings {
    struct setting s[12];
    size_t n;
};

/* Files of the records of one portal: one for each interface that the administrator made. */
struct files {
    char path[RECORDS_MAX][512];
    const char *dir[RECORDS_MAX]; /* the one of tns__record_dirs */
    size_t n;
};

static void set(struct settings *all, const char *name, const char *value)
{
    all->s[all->n++] = (struct setting){ .name = name, .value = value };
}

/* A value that is swapped in later. The token is as unique as a UUID, so that nothing else in the
 * record can be taken for it. */
static int set_secret(struct settings *all, const char *name,
                      const struct tns_secret *secret, struct tns_error *err)
{
    struct setting *s = &all->s[all->n++];
    char uuid[37];

    if (!tns__uuid_new(uuid))
        return tns__error_set(err, TNS_E_DEVICE, "the kernel gives no random numbers");
    *s = (struct setting){ .name = name, .secret = secret };
    snprintf(s->token, sizeof(s->token), "tnstor-%s", uuid);
    s->value = s->token;
    if (tns__is_broken("chap-argv"))
        s->value = tns__secret_bytes(secret);
    return 0;
}

static bool is_plain(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
            return false;
    }
    return len > 0 && len < VALUE_MAX;
}

/* The record is text, one setting a line, and white space around a value is not kept. */
static int chap_check(const char *user, const struct tns_secret *password,
                      struct tns_error *err)
{
    if (!is_plain(user, strlen(user)) || user[0] == '-')
        return tns__error_set(err, TNS_E_CONFIG,
                              "the CHAP user name has a blank in it, or begins "
                              "with a dash");
    if (!password || !is_plain(tns__secret_bytes(password), tns__secret_len(password)))
        return tns__error_set(err, TNS_E_CONFIG,
                              "the CHAP password of %s is empty, or has a blank "
                              "in it",
                              user);
    return 0;
}

static int set_chap(struct settings *all, const struct tns_chap *chap,
                    struct tns_error *err)
{
    int rc;

    set(all, "node.session.auth.authmethod", chap->user ? "CHAP" : "None");
    if (!chap->user)
        return 0;
    rc = chap_check(chap->user, chap->password, err);
    if (rc == 0 && chap->mutual_user)
        rc = chap_check(chap->mutual_user, chap->mutual_password, err);
    if (rc < 0)
        return rc;

    set(all, "node.session.auth.username", chap->user);
    rc = set_secret(all, "node.session.auth.password", chap->password, err);
    if (rc < 0 || !chap->mutual_user)
        return rc;
    set(all, "node.session.auth.username_in", chap->mutual_user);
    return set_secret(all, "node.session.auth.password_in", chap->mutual_password, err);
}

static int settings_make(struct settings *all, const struct tns_chap *chap,
                         struct tns_error *err)
{
    *all = (struct settings){ 0 };
    set(all, "node.startup", "manual");
    set(all, "node.session.scan", "manual");
    set(all, "node.session.initial_login_retry_max", "0");
    return set_chap(all, chap, err);
}

/* ---- files ---- */

static void files_add(struct files *files, const char *dir, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void files_add(struct files *files, const char *dir, const char *fmt, ...)
{
    va_list ap;
    int len;

    if (files->n == RECORDS_MAX)
        return;
    va_start(ap, fmt);
    len = vsnprintf(files->path[files->n], sizeof(files->path[0]), fmt, ap);
    va_end(ap);
    files->dir[files->n] = dir;
    files->n += len > 0 && (size_t)len < sizeof(files->path[0]);
}

/* <dir>/<address>,<port> is a file, <dir>/<address>,<port>,<group> a directory of one per interface.
 * True when the name is this portal's, and not one that only begins like it. */
static bool is_of_portal(const char *name, const struct tns_addr *portal)
{
    char begin[TNS__ADDR_TEXT];
    size_t len;

    snprintf(begin, sizeof(begin), "%s,%u", portal->host, (unsigned)portal->port);
    len = strlen(begin);
    return tns__starts_with(name, begin) && (name[len] == '\0' || name[len] == ',');
}

static void files_of_dir(struct tns_node *node, const char *dir, const char *target_iqn,
                         const struct tns_addr *portal, struct files *files)
{
    struct tns_error none = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;

    if (tns__sysroot_list(node->sr, &names, &none, "%s/%s", dir, target_iqn) < 0)
        return;
    for (char **name = names; *name; name++) {
        _tns_strv_ char **ifaces = NULL;
        struct tns_error plain = TNS_ERROR_INIT;

        if (!is_of_portal(*name, portal))
            continue;
        if (tns__sysroot_list(node->sr, &ifaces, &plain, "%s/%s/%s", dir, target_iqn,
                              *name) < 0)
            files_add(files, dir, "%s/%s/%s", dir, target_iqn, *name);
        for (char **iface = ifaces; iface && *iface; iface++)
            files_add(files, dir, "%s/%s/%s/%s", dir, target_iqn, *name, *iface);
    }
}

static void files_find(struct tns_node *node, const char *target_iqn,
                       const struct tns_addr *portal, struct files *ret)
{
    *ret = (struct files){ 0 };
    for (size_t i = 0; i < TNS_ARRAY_LEN(tns__record_dirs); i++)
        files_of_dir(node, tns__record_dirs[i], target_iqn, portal, ret);
}

/* ---- content ---- */

/* Where the value of "name = value" begins, and its length; NULL when the record has none. */
static const char *value_of(const char *text, const char *name, size_t *ret_len)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && strncmp(line + len, " = ", 3) == 0) {
            *ret_len = strcspn(line + len + 3, "\n");
            return line + len + 3;
        }
    }
    return NULL;
}

static bool has_setting(const char *text, const struct setting *s)
{
    const char *wanted = s->secret ? tns__secret_bytes(s->secret) : s->value;
    const char *value;
    size_t len;

    value = value_of(text, s->name, &len);
    return value && len == strlen(wanted) && memcmp(value, wanted, len) == 0;
}

static void slurp_free(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    tns__free(*text);
}
#define _slurp_free_ __attribute__((cleanup(slurp_free)))

/* Every record of the portal has every setting: nothing is to be done. */
static bool is_ready(struct tns_node *node, const struct files *files,
                     const struct settings *all)
{
    for (size_t i = 0; i < files->n; i++) {
        struct tns_error none = TNS_ERROR_INIT;
        _slurp_free_ char *text = NULL;

        if (tns__sysroot_slurp(node->sr, RECORD_MAX, &text, NULL, &none, "%s",
                               files->path[i]) < 0)
            return false;
        for (size_t k = 0; k < all->n; k++) {
            if (!has_setting(text, &all->s[k]))
                return false;
        }
    }
    return files->n > 0;
}

/* One token out, one secret in; false when the record does not have the token. */
static bool swap_one(const char *text, const struct setting *s, char **ret)
{
    size_t len, secret_len = tns__secret_len(s->secret), head;
    const char *value = value_of(text, s->name, &len);
    char *out;

    if (!value || len != strlen(s->token) || memcmp(value, s->token, len) != 0)
        return false;
    head = (size_t)(value - text);
    out = tns__alloc(strlen(text) - len + secret_len + 1);
    if (!out)
        return false;
    memcpy(out, text, head);
    memcpy(out + head, tns__secret_bytes(s->secret), secret_len);
    strcpy(out + head + secret_len, value + len);
    *ret = out;
    return true;
}

static int write_record(struct tns_node *node, const char *path, const char *dir,
                        const char *target_iqn, const char *text, struct tns_error *err)
{
    char uuid[37], temp[512];

    if (!tns__uuid_new(uuid))
        return tns__error_set(err, TNS_E_DEVICE, "the kernel gives no random numbers");
    snprintf(temp, sizeof(temp), "%s/%s/" TNS__RECORD_TEMP "%s", dir, target_iqn, uuid);
    return tns__sysroot_replace_by(node->sr, temp, text, strlen(text), 0600, err, "%s",
                                   path);
}

static int swap_file(struct tns_node *node, const char *path, const char *dir,
                     const char *target_iqn, const struct settings *all,
                     struct tns_error *err)
{
    _slurp_free_ char *text = NULL;
    int rc = tns__sysroot_slurp(node->sr, RECORD_MAX, &text, NULL, err, "%s", path);

    if (rc < 0)
        return rc;
    for (size_t k = 0; k < all->n; k++) {
        char *swapped = NULL;

        if (!all->s[k].secret)
            continue;
        if (!swap_one(text, &all->s[k], &swapped))
            return tns__error_set(err, TNS_E_DEVICE,
                                  "%s does not hold what iscsiadm was told to write", path);
        slurp_free(&text);
        text = swapped;
    }
    return write_record(node, path, dir, target_iqn, text, err);
}

static int swap_secrets(struct tns_node *node, const struct tns_want *want,
                        const struct tns_addr *portal, const struct settings *all,
                        struct tns_error *err)
{
    struct files files;
    int rc = 0;

    if (!want->chap.user || tns__is_broken("chap-argv"))
        return 0;
    files_find(node, want->target_iqn, portal, &files);
    if (files.n == 0)
        return tns__error_set(err, TNS_E_DEVICE,
                              "the node record of %s is neither in /etc/iscsi/nodes nor in "
                              "/var/lib/iscsi/nodes",
                              want->target_iqn);
    for (size_t i = 0; i < files.n && rc == 0; i++)
        rc = swap_file(node, files.path[i], files.dir[i], want->target_iqn, all, err);
    return rc;
}

/* ---- commands ---- */

static int record_new(struct tns_node *node, const struct tns_ctx *ctx,
                      const struct tns_want *want, const struct tns_addr *portal,
                      struct tns_error *err)
{
    static const char *const more[] = { "-o", "new", NULL };

    return tns__iscsiadm_node(node, ctx, want->target_iqn, portal, more, err);
}

static int record_update(struct tns_node *node, const struct tns_ctx *ctx,
                         const struct tns_want *want, const struct tns_addr *portal,
                         const struct settings *all, struct tns_error *err)
{
    const char *more[2 + 4 * TNS_ARRAY_LEN(all->s) + 1] = { "-o", "update" };
    size_t n = 2;

    for (size_t k = 0; k < all->n; k++) {
        more[n++] = "-n";
        more[n++] = all->s[k].name;
        more[n++] = "-v";
        more[n++] = all->s[k].value;
    }
    more[n] = NULL;
    return tns__iscsiadm_node(node, ctx, want->target_iqn, portal, more, err);
}

void tns__node_record_delete(struct tns_node *node, const struct tns_ctx *ctx,
                             const char *target_iqn, const struct tns_addr *portal)
{
    static const char *const more[] = { "-o", "delete", NULL };
    struct tns_error none = TNS_ERROR_INIT;

    tns__iscsiadm_node(node, ctx, target_iqn, portal, more, &none);
}

int tns__node_record_prepare(struct tns_node *node, const struct tns_ctx *ctx,
                             const struct tns_want *want, const struct tns_addr *portal,
                             bool *ret_made, struct tns_error *err)
{
    struct settings all;
    struct files files;
    int rc = settings_make(&all, &want->chap, err);

    if (rc < 0)
        return rc;
    *ret_made = false;
    files_find(node, want->target_iqn, portal, &files);
    if (is_ready(node, &files, &all))
        return 0;

    if (files.n == 0) {
        rc = record_new(node, ctx, want, portal, err);
        *ret_made = rc == 0;
    }
    if (rc == 0)
        rc = record_update(node, ctx, want, portal, &all, err);
    if (rc == 0)
        rc = swap_secrets(node, want, portal, &all, err);
    /* a token in the place of a secret is of no use to anybody */
    if (rc < 0 && *ret_made)
        tns__node_record_delete(node, ctx, want->target_iqn, portal);
    return rc;
}
