/* SPDX-License-Identifier: Apache-2.0 */
/* A session with the tnsim of the matrix cell, and a dataset of this test's own on it. */
#ifndef TNS_T_NAS_FIX_H
#define TNS_T_NAS_FIX_H

/* All in the header: other programs of this folder bring a session of their own (fake.h), and must
 * not be linked with the real one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/tst.h"
#include "nas/nas.h"

#define MIB (1024u * 1024u)

struct fix {
    struct tns_session *s;
    char
        tag[32]; /* "4711-1": nobody else's, for names of whatever kind                   */
    char root
        [64]; /* "tank/t<tag>", a filesystem; the world is shared by all tests of a sim */
    char
        vol[96]; /* "<root>/vm-1-disk-0": a zvol once fix_volume() was called             */
    int64_t extent_id, target_id,
        mapping_id; /* once fix_export() was called               */
    struct tns_error err;
};

static inline void fix_close(struct fix *f)
{
    tns__session_close(f->s);
    f->s = NULL;
}
#define _fix_ __attribute__((cleanup(fix_close)))

/* Switches of tnsim (t/sim/QUIRKS.md). */
static inline void fix_quirk(const char *name, int value)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"quirk\":{\"%s\":%d}}", name, value);
    tst_sim_world(tst_cell_sim(), text);
}

/* New names, and nothing exported yet. */
static inline void fix_rename(struct fix *f)
{
    static unsigned serial;

    f->err = (struct tns_error)TNS_ERROR_INIT;
    f->extent_id = f->target_id = f->mapping_id = 0;
    snprintf(f->tag, sizeof(f->tag), "%d-%u", (int)getpid(), ++serial);
    snprintf(f->root, sizeof(f->root), "tank/t%s", f->tag);
    snprintf(f->vol, sizeof(f->vol), "%s/vm-1-disk-0", f->root);
}

/* Fails the test when it cannot; logs in at the first call. */
static inline void fix_open_key(struct fix *f, const char *key)
{
    const struct tst_sim *sim = tst_cell_sim();
    struct tns_session_opts opts = {
        .hosts = sim->host,
        .transport = tst_cell()->dialect,
        .port = (uint16_t)sim->port,
        .fingerprints = sim->fingerprint,
        .key = key,
        .key_len = strlen(key),
        .run_dir = tst_tmpdir(),
        .no_holder = true,
        .timeout_ms = tst_ms(20000),
    };

    memset(f, 0, sizeof(*f));
    /* Each test logs in anew, from one address. */
    fix_quirk("login_limiter", 0);
    tst_sim_world(sim, "{\"login_cost\":0}");
    tst_ok(tns__session_open(&opts, &f->s, &f->err), &f->err);
    fix_rename(f);
}

static inline void fix_open(struct fix *f)
{
    fix_open_key(f, tst_cell_sim()->api_key);
    tst_ok(tns__filesystem_create(f->s, f->root, "a test", &f->err), &f->err);
}

/* A name below root, good for the next seven calls. */
static inline const char *fix_name(const struct fix *f, const char *leaf)
{
    static char names[8][160];
    static size_t next;
    char *name = names[next++ % TNS_ARRAY_LEN(names)];

    snprintf(name, sizeof(names[0]), "%s/%s", f->root, leaf);
    return name;
}

/* 16 MiB, sparse, tagged org.tnstor:self. */
static inline void fix_volume(struct fix *f)
{
    _tns_json_ json_t *tags = json_pack("{s: s}", "org.tnstor:self", f->vol);
    const struct tns_zvol_spec spec = {
        .id = f->vol, .volsize_bytes = 16 * MIB, .sparse = true, .tags = tags
    };

    tst_ok(tns__zvol_create(f->s, &spec, &f->err), &f->err);
}

/* And on a target of its own as LUN 0. */
static inline void fix_export(struct fix *f)
{
    char name[64];
    struct tns_extent_spec spec = { .name = name, .zvol = f->vol };

    snprintf(name, sizeof(name), "t%s", f->tag);
    tst_ok(tns__extent_create(f->s, &spec, &f->extent_id, &f->err), &f->err);
    tst_ok(tns__target_create(f->s, name, NULL, NULL, 0, &f->target_id, &f->err), &f->err);
    tst_ok(tns__mapping_create(f->s, f->target_id, f->extent_id, 0, &f->mapping_id,
                               &f->err),
           &f->err);
}

#endif
