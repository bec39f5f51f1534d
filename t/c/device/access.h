/* SPDX-License-Identifier: Apache-2.0 */
/* Judging what was accessed: "verb path" lines as a sysroot's trace gives them. */
#ifndef TNS_T_DEVICE_ACCESS_H
#define TNS_T_DEVICE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Fails the test when a directory was listed in which everybody's devices are. */
void access_lists_nothing_foreign(const char *traced);
/* A component of that path is this name: "sda" is none of ".../sdab/size". */
bool access_has_part(const char *path, size_t len, const char *name);

/* Names of other people's devices on a recorded node: block devices, SCSI devices and hosts. */
struct access_foreign {
    char (*names)[64];
    size_t n, blocks;
};
void access_foreign_read(struct access_foreign *ret, const char *root);
void access_foreign_free(struct access_foreign *f);
/* Fails the test when an access was to one of them. */
void access_spares(const struct access_foreign *f, const char *traced);

#endif
