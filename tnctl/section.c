/* SPDX-License-Identifier: Apache-2.0 */
/* A section of storage.cfg and its secrets, as the library wants them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "section.h"

#define TYPE "truenasplugin"

static void close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}
#define _tns_file_ __attribute__((cleanup(close_file)))

/* Lines hold secrets. */
struct line {
    char *text;
    size_t cap;
};

static void line_clear(struct line *line)
{
    if (line->text)
        explicit_bzero(line->text, line->cap);
    free(line->text);
}
#define _tns_line_ __attribute__((cleanup(line_clear)))

static char *next_line(FILE *f, struct line *line)
{
    ssize_t n = getline(&line->text, &line->cap, f);

    while (n > 0 && isspace((unsigned char)line->text[n - 1]))
        line->text[--n] = '\0';
    return n < 0 ? NULL : line->text;
}

static int read_ended(FILE *f, const char *path, struct tns_error *err)
{
    if (ferror(f))
        return tns__error_errno(err, TNS_E_CONFIG, errno, "cannot read %s", path);
    return 0;
}

static int put(json_t *options, const char *key, const char *value, struct tns_error *err)
{
    json_t *text = json_string(value);

    if (!text)
        return tns__error_set(err, TNS_E_CONFIG, "%s is not valid UTF-8", key);
    return json_object_set_new(options, key, text) ? tns__error_nomem(err) : 0;
}

/* "type: id" at the line's start. */
static bool is_header(const char *line)
{
    return *line && !isspace((unsigned char)*line) && *line != '#';
}

static bool header_is(char *line, const char *storeid)
{
    char *colon = strchr(line, ':');
    size_t blank = colon ? strspn(colon + 1, " \t") : 0;

    if (!colon || strcmp(colon + 1 + blank, storeid) != 0)
        return false;
    *colon = '\0';
    return true;
}

/* "   key value", or a key alone. */
static int put_property(json_t *options, char *line, struct tns_error *err)
{
    char *key = line + strspn(line, " \t");
    size_t len = strcspn(key, " \t");
    char *value = key + len + strspn(key + len, " \t");

    if (!len || *key == '#')
        return 0;
    key[len] = '\0';
    return put(options, key, value, err);
}

static int read_section(FILE *f, const char *path, const char *storeid, json_t *options,
                        struct tns_error *err)
{
    _tns_line_ struct line line = { 0 };
    bool inside = false, found = false;
    char *text;
    int rc = 0;

    while (rc == 0 && (text = next_line(f, &line))) {
        if (is_header(text)) {
            inside = header_is(text, storeid);
            if (inside && strcmp(text, TYPE) != 0)
                return tns__error_set(err, TNS_E_CONFIG,
                                      "storage '%s' is of type %s, not " TYPE, storeid,
                                      text);
            found |= inside;
        } else if (inside) {
            rc = put_property(options, text, err);
        }
    }
    if (rc == 0)
        rc = read_ended(f, path, err);
    if (rc == 0 && !found)
        rc = tns__error_set(err, TNS_E_CONFIG, "%s has no storage '%s'", path, storeid);
    return rc;
}

/* Lines of "name=value"; a secret that stands in storage.cfg counts where the file has none. */
static int read_secrets(FILE *f, const char *path, json_t *options, struct tns_error *err)
{
    _tns_line_ struct line line = { 0 };
    char *text;
    int rc = 0;

    while (rc == 0 && (text = next_line(f, &line))) {
        char *equals = strchr(text, '=');

        if (!equals)
            continue;
        *equals = '\0';
        rc = put(options, text, equals + 1, err);
    }
    return rc ? rc : read_ended(f, path, err);
}

static int open_below(const char *root, const char *what, FILE **ret, char path[512],
                      struct tns_error *err)
{
    if (!tns__fmt(path, 512, "%s/etc/pve/%s", root, what))
        return tns__error_set(err, TNS_E_USAGE, "--root: too long");
    *ret = fopen(path, "re");
    if (!*ret)
        return tns__error_errno(err, errno == ENOENT ? TNS_E_NOTFOUND : TNS_E_CONFIG, errno,
                                "cannot open %s", path);
    return 0;
}

static int add_secrets(const char *root, const char *storeid, json_t *options,
                       struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    _tns_file_ FILE *f = NULL;
    char path[512];
    char what[160];
    int rc;

    if (!tns__fmt(what, sizeof what, "priv/storage/%s.pw", storeid))
        return tns__error_set(err, TNS_E_USAGE, "'%.40s...' is no storage", storeid);
    rc = open_below(root, what, &f, path, &local);
    if (rc == -TNS_E_NOTFOUND)
        return 0; /* the library says that the key is missing */
    return rc ? tns__error_copy(err, &local) : read_secrets(f, path, options, err);
}

static bool is_storeid(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789-_.");

    return n > 1 && n < 100 && !text[n] && isalpha((unsigned char)text[0]);
}

int tnctl_section_read(const char *root, const char *storeid, json_t **ret,
                       struct tns_error *err)
{
    _tns_json_ json_t *options = json_object();
    _tns_file_ FILE *f = NULL;
    char path[512];
    int rc;

    if (!is_storeid(storeid))
        return tns__error_set(err, TNS_E_USAGE, "'%.40s' is no storage", storeid);
    rc = options ? open_below(root, "storage.cfg", &f, path, err) : tns__error_nomem(err);
    if (rc == 0)
        rc = read_section(f, path, storeid, options, err);
    if (rc == 0)
        rc = add_secrets(root, storeid, options, err);
    if (rc == 0)
        rc = put(options, "storeid", storeid, err);
    if (rc == 0)
        *ret = TNS_STEAL(options);
    return rc;
}
