/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a volume into being: zvol, extent, mapping, proof; shared by alloc, clone
 * and others. */
#ifndef TNS_VOLUME_MAKE_H
#define TNS_VOLUME_MAKE_H

#include "nas/nas.h"
#include "volume/plan.h"
#include "volume/resolve.h"
#include "volume/storage.h"

struct tns_make {
    struct tns_storage *st;
    const char *what; /* for the log: "alloc", "clone", ... */

    /* asked for */
    char zvol[TNS_ZVOL_CAP];
    char volname[TNS_VOLNAME_CAP];
    char op[37];
    uint64_t size_bytes;
    uint64_t blocksize_bytes;
    const char *origin; /* zvol to clone from, NULL: a new one */
    const char *origin_snap;
    bool readonly; /* a temporary clone, tagged with what it is of */
    const char *tag_snapshot;

    /* what this run has done or found */
    bool nas_refuses_twins; /* 25.10+: no second extent on a zvol */
    bool asks_together;     /* zvols and their dataset are one question */
    bool resumed;           /* carries on with what another process began */
    /* The release drops tags on creation: made under another name, tagged, renamed. */
    bool staged;
    char staging[TNS_ZVOL_CAP];
    bool have_staging;
    bool have_zvol; /* there, and ours */
    bool made_zvol; /* by this run */
    bool got_name;  /* likewise, if since undone: EXISTS is about another object then */
    bool marked;    /* its op is on the zvol: that another process took over shows */
    bool lost;      /* one did: nothing is ours any more */
    bool checked;   /* before the first thing is undone */
    bool unsure;    /* whose it is could not be asked */
    bool made_extent;
    bool made_mapping;
    int64_t extent_id;
    int64_t mapping_id;
    int64_t target_id;
    int64_t lun;

    /* asked for on the way, owned */
    struct tns_dataset *parent;
    struct tns_mapping_list *mappings;
    struct tns_target_list *targets;
};

void tns__make_clear(struct tns_make *m);
#define _tns_make_ __attribute__((cleanup(tns__make_clear)))

/* Fills in op, staged and the staging name. zvol, volname and the rest are the caller's. */
int tns__make_init(struct tns_make *m, struct tns_storage *st, const char *what,
                   struct tns_error *err);
/* Asks for the targets, and for the mappings unless numbers of the storage are known. */
void tns__make_queries_put(struct tns_batch *b, struct tns_make *m);
/* Runs the plan from whatever is there already. */
int tns__make_run(struct tns_make *m, struct tns_error *err);
/* The steps behind the zvol only: for a zvol that exists and is ours. */
int tns__make_export(struct tns_make *m, struct tns_error *err);

/*
 * A maker that stood still for longer than TNS_OP_MAX_S counts as dead: another process may have
 * put its own op on the zvol and carried on, with the ids that we were given, or have removed it
 * and made one of that name. Asked before anything goes that may be another's by now.
 */
/* TNS_E_CONFLICT when the zvol is another's, and m says then that nothing is ours. */
int tns__make_still_ours(struct tns_make *m, struct tns_error *err);
/* The same for an undo, once a plan: a success when there is nothing left to undo. */
int tns__make_may_undo(struct tns_make *m, struct tns_error *err);

/* "tnstor <owner> <storeid> <op>": extents that we made say so. */
bool tns__extent_comment(const struct tns_storage *st, const char *op, char *ret,
                         size_t cap);
/* Did this owner and storage make it? */
bool tns__extent_is_ours(const struct tns_storage *st, const struct tns_extent *extent);

/* ---- lun.c ---- */

/* Fills m->target_id and m->lun from m->mappings and m->targets; makes a further target
 * when all are full. */
int tns__lun_choose(struct tns_make *m, struct tns_error *err);
/*
 * All mappings of a target, as they were just read back: the next volume of this handle may
 * choose by them without asking for all mappings first. They need not be true any more: the
 * NAS refuses a number that is taken, and what two were given at once the proof finds.
 */
void tns__lun_remember(struct tns_storage *st, int64_t target_id,
                       const struct tns_mapping_list *mappings);
void tns__lun_forget(struct tns_storage *st);
bool tns__lun_remembered(const struct tns_storage *st);
/* Fills m->target_id and m->lun by them; false when that target is not among m->targets. */
bool tns__lun_recall(struct tns_make *m);
/* Remembered, so that this process does not give it out again soon. */
void tns__lun_freed(struct tns_storage *st, int64_t lun);

/* ---- remove.c ---- */

/* Each is a success when it is gone already, and looks again after a lost reply. */
int tns__mapping_remove(struct tns_storage *st, int64_t id, struct tns_error *err);
int tns__extent_remove(struct tns_storage *st, int64_t id, struct tns_error *err);
int tns__zvol_remove(struct tns_storage *st, const char *zvol, struct tns_error *err);

#endif
