/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of volume names: PVE's own form and the old plugin's. */
#ifndef TNS_VOLUME_VOLNAME_H
#define TNS_VOLUME_VOLNAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tnstor.h"

#define TNS_LEAF_CAP 96
#define TNS_VOLNAME_CAP 256
#define TNS_SNAP_CAP 72

/* One parsed name. leaf is the volume's own name, which is also its zvol's last part. */
struct tns_volname {
    char leaf[TNS_LEAF_CAP];
    char base[TNS_LEAF_CAP]; /* leaf of the base it is a linked clone of, or "" */
    uint64_t vmid;
    uint64_t base_vmid;
    bool is_base;  /* a template: base-... */
    bool old_form; /* vol-...-lun<N> */
};

/* Anything outside the grammar: TNS_E_USAGE. */
int tns__volname_parse(const char *text, struct tns_volname *ret, struct tns_error *err);
/* Only "vm-..." or "base-..." without any wrapping. */
int tns__leaf_parse(const char *text, struct tns_volname *ret, struct tns_error *err);
/* "leaf", or "base/leaf" for a linked clone: the form of new volumes. */
bool tns__volname_format(const struct tns_volname *name, char ret[TNS_VOLNAME_CAP]);
/* Names of snapshots as PVE makes them; TNS_E_USAGE otherwise. */
int tns__snapname_check(const char *snap, struct tns_error *err);

#endif
