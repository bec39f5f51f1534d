/* SPDX-License-Identifier: Apache-2.0 */
/* What the search for users of a device hands on. */
#ifndef TNS_DEVICE_HOLDERS_PRIV_H
#define TNS_DEVICE_HOLDERS_PRIV_H

#include <jansson.h>

#include "device/holders.h"

#define TNS__FAMILY_MAX 64u

/* The device itself, its partitions, and the partition maps on top: what counts as "it". */
struct tns__family {
    char dev[TNS__FAMILY_MAX][32];
    char number[TNS__FAMILY_MAX][16]; /* "253:4" */
    size_t n;
    json_t *holders, *openers;
};

/* How an opener that is a process begins; a mount or swap stays by itself. */
#define TNS__PROCESS "process "

/* Adds a sentence to one of the lists. */
int tns__tell(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- openers.c ---- */

int tns__find_mounts(struct tns_node *node, struct tns__family *f, struct tns_error *err);
int tns__find_swaps(struct tns_node *node, struct tns__family *f, struct tns_error *err);
int tns__find_loops(struct tns_node *node, struct tns__family *f, struct tns_error *err);
/* Processes that have it open, and what is mounted in a mount namespace of their own (containers). */
int tns__find_openers(struct tns_node *node, struct tns__family *f, struct tns_error *err);

#endif
