/* SPDX-License-Identifier: Apache-2.0 */
/* Every mutating operation as a row: how its world is prepared, what is asked, what
 * must be then. */
#ifndef TNS_T_VOLUME_OPS_H
#define TNS_T_VOLUME_OPS_H

#include "vt.h"

struct vt_op {
    const char *name;
    void (*prepare)(struct vt *v);
    /* The request; may be made again after any failure. */
    int (*ask)(struct vt *v, struct tns_error *err);
    /* What holds after it succeeded. */
    void (*holds)(struct vt *v);
    /* The code that a repeated request may answer when the first one had done it all;
     * 0: none. */
    int done_code;
    bool needs_rename; /* a release that cannot rename refuses it */
};
extern const struct vt_op vt_ops[];
extern const size_t vt_ops_count;

/* Frees every volume of the storage, templates last, and checks that nothing is left. */
void vt_sweep_clean(struct vt *v);
/* After whatever happened: the same request again, or reconcile and the request; then
 * all invariants. Returns how many objects were left that no volume accounts for (0 is
 * right). */
size_t vt_recover(struct vt *v, const struct vt_op *op);
/* Is this operation refused by this release? */
bool vt_op_unsupported(struct vt *v, const struct vt_op *op);

#endif
