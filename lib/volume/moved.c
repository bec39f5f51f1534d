/* SPDX-License-Identifier: Apache-2.0 */
/* One line for each renamed volume, "NAA name", the last rename last; pmxcfs shares the file. */
#include "volume/moved.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#define MOVED_DIR "/etc/pve/priv/tnstor"
#define MOVED_FILE MOVED_DIR "/renamed-%s"
/* pmxcfs holds small files; beyond this the oldest renames are forgotten. */
#define KEEP_MAX (64u * 1024u)

/* "" where nothing was renamed yet; owned. */
static int moved_read(struct tns_storage *st, char **ret, struct tns_error *err)
{
    struct tns_error local = TNS_ERROR_INIT;
    size_t len = 0;
    int rc = tns__sysroot_slurp(st->sr, 2 * KEEP_MAX, ret, &len, &local, MOVED_FILE,
                                st->opt.storeid);

    if (rc != -TNS_E_NOTFOUND)
        return rc ? tns__error_copy(err, &local) : 0;
    *ret = tns__strdup("");
    return *ret ? 0 : tns__error_nomem(err);
}

/* The line of that NAA; NULL when it never was renamed. */
static char *line_of(char *text, const char *naa)
{
    size_t len = strlen(naa);

    for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, naa, len) == 0 && line[len] == ' ')
            return line;
    }
    return NULL;
}

static void cut_line(char *line)
{
    size_t len = strcspn(line, "\n");

    len += line[len] == '\n';
    memmove(line, line + len, strlen(line + len) + 1);
}

int tns__moved_note(struct tns_storage *st, const char *naa, const char *linkname,
                    struct tns_error *err)
{
    _tns_free_ char *text = NULL;
    _tns_free_ char *more = NULL;
    char *line;
    int rc = moved_read(st, &text, err);

    if (rc == 0)
        rc = tns__sysroot_mkdir(st->sr, 0700, err, MOVED_DIR);
    if (rc)
        return tns__error_prefix(err, "telling the other nodes of a rename");
    line = line_of(text, naa);
    if (line)
        cut_line(line);
    while (strlen(text) > KEEP_MAX)
        cut_line(text);
    more = tns__asprintf("%s%s %s\n", text, naa, linkname);
    if (!more)
        return tns__error_nomem(err);
    rc = tns__sysroot_replace(st->sr, more, strlen(more), 0600, err, MOVED_FILE,
                              st->opt.storeid);
    return rc ? tns__error_prefix(err, "telling the other nodes of a rename") : 0;
}

bool tns__moved_away(struct tns_storage *st, const char *naa, const char *linkname)
{
    struct tns_error local = TNS_ERROR_INIT;
    _tns_free_ char *text = NULL;
    const char *name;
    size_t len;

    if (moved_read(st, &text, &local))
        return true;
    name = line_of(text, naa);
    if (!name)
        return false;
    name += strlen(naa) + 1;
    len = strcspn(name, "\n");
    return len != strlen(linkname) || strncmp(name, linkname, len) != 0;
}
