/* SPDX-License-Identifier: Apache-2.0 */
/* The engine that every change on the NAS goes through: steps, read-back, undo. */
#ifndef TNS_VOLUME_PLAN_H
#define TNS_VOLUME_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "volume/storage.h"

/*
 * act does it, and is a no-op when what it is for is there already (a resumed plan).
 * verify tells, after a lost reply, whether it happened; without verify the outcome stays
 * unknown. undo takes back what this very run did, and nothing else.
 */
struct tns_step {
    const char *name;
    int (*act)(void *op, struct tns_error *err);
    int (*verify)(void *op, bool *ret_done, struct tns_error *err);
    int (*undo)(void *op, struct tns_error *err);
};

/* A verify for steps that harm nothing when they are done again. */
int tns__verify_repeat(void *op, bool *ret_done, struct tns_error *err);

int tns__plan_run(struct tns_storage *st, const char *what, const struct tns_step *steps,
                  size_t n, void *op, struct tns_error *err);

/* Tests look on, or die here, before (0) and after (1) each step. NULL in every other
 * program. */
extern void (*tns__plan_hook)(const char *what, const char *step, int after);

#endif
