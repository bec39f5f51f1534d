/* SPDX-License-Identifier: Apache-2.0 */
/* What this node has of a volume: is it in use here, and away with it. */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "volume/free.h"

bool tns__linkname(const char *volname, const char *snap, char ret[TNS_VOLNAME_CAP])
{
    char *p;

    if (!tns__fmt(ret, TNS_VOLNAME_CAP, "%s%s%s", volname, snap ? "@" : "",
                  snap ? snap : ""))
        return false;
    for (p = ret; *p; p++)
        if (*p == '/')
            *p = '+';
    return true;
}

/* A record that cannot be read says nothing. */
static bool is_of(struct tns_storage *st, const char *linkname, const char *naa,
                  struct tns_error *err)
{
    struct tns_record record = { .memory = NULL };
    struct tns_error mine = TNS_ERROR_INIT;
    bool is = tns__record_read(&st->node, st->opt.storeid, linkname, &record, &mine) == 0 &&
              strcmp(record.want.naa, naa) == 0;

    if (mine.code == TNS_E_NOMEM)
        tns__error_copy(err, &mine);
    tns__record_clear(&record);
    return is;
}

/* The node's links of the same NAA: one volume has several spellings, and is mapped under the one that was
 * asked for. Owned; without linkname itself. */
static int other_links(struct tns_storage *st, const struct tns_vol *vol,
                       const char *linkname, char ***ret, struct tns_error *err)
{
    const char *naa = vol && vol->extent ? vol->extent->naa : NULL;
    struct tns_error mine = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;
    size_t n = 0;
    int rc = naa ? tns__record_names(&st->node, st->opt.storeid, &names, err) : 0;

    if (rc)
        return rc;
    for (char **name = names; name && *name; name++) {
        if (strcmp(*name, linkname) != 0 && is_of(st, *name, naa, &mine))
            names[n++] = *name;
        else
            tns__free(*name);
    }
    if (names)
        names[n] = NULL;
    if (mine.code)
        return tns__error_copy(err, &mine);
    *ret = TNS_STEAL(names);
    return 0;
}

int tns__detach_check(struct tns_storage *st, const struct tns_vol *vol,
                      const char *linkname, struct tns_error *err)
{
    _tns_strv_ char **others = NULL;
    int rc = tns__device_check_unused(&st->node, st->opt.storeid, linkname, err);

    if (rc == 0)
        rc = other_links(st, vol, linkname, &others, err);
    for (char **name = others; rc == 0 && name && *name; name++)
        rc = tns__device_check_unused(&st->node, st->opt.storeid, *name, err);
    return rc;
}

int tns__detach(struct tns_storage *st, const char *linkname, bool logout,
                struct tns_error *err)
{
    struct tns_record record = { 0 };
    struct tns_error local = TNS_ERROR_INIT;
    struct tns_want want = { .storeid = st->opt.storeid, .linkname = linkname };
    int rc = tns__record_read(&st->node, st->opt.storeid, linkname, &record, &local);

    if (rc == 0)
        want = record.want;
    else if (rc != -TNS_E_NOTFOUND)
        return tns__error_copy(err, &local);

    rc = tns__qemu_unmap(&st->node, &want, err);
    if (rc == 0)
        rc = tns__device_unmap(&st->node, &want, logout, err);
    tns__record_clear(&record);
    return rc;
}

static int forget_one(struct tns_storage *st, const char *linkname, bool logout,
                      struct tns_error *err)
{
    int rc = tns__detach(st, linkname, logout, err);

    return rc ? rc : tns__record_remove(&st->node, st->opt.storeid, linkname, err);
}

int tns__detach_for_good(struct tns_storage *st, const struct tns_vol *vol,
                         const char *linkname, bool logout, struct tns_error *err)
{
    _tns_strv_ char **others = NULL;
    int rc = other_links(st, vol, linkname, &others, err);

    for (char **name = others; rc == 0 && name && *name; name++)
        rc = forget_one(st, *name, logout, err);
    return rc ? rc : forget_one(st, linkname, logout, err);
}
