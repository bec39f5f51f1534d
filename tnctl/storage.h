/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands on a storage of storage.cfg share. */
#ifndef TNCTL_STORAGE_H
#define TNCTL_STORAGE_H

#include "tnctl.h"
#include "tnstor.h"

extern const struct tnctl_cmd tnctl_cmd_list;
extern const struct tnctl_cmd tnctl_cmd_show;
extern const struct tnctl_cmd tnctl_cmd_doctor;
extern const struct tnctl_cmd tnctl_cmd_setup;
extern const struct tnctl_cmd tnctl_cmd_gc;
extern const struct tnctl_cmd tnctl_cmd_adopt;
extern const struct tnctl_cmd tnctl_cmd_release;

/* Opens the storage of that name; on failure it has told why and *ret_exit is the exit code. */
struct tns_storage *tnctl_storage_open(const struct tnctl *ctl, const char *storeid,
                                       int *ret_exit);
void tnctl_storage_closep(struct tns_storage **st);
#define _tnctl_storage_ __attribute__((cleanup(tnctl_storage_closep)))

/* Takes the flag out of argv, wherever it stands behind the command word. */
bool tnctl_flag(int *argc, char *argv[], const char *flag);
/* A member's text; "" when it is none. */
const char *tnctl_text(const json_t *obj, const char *key);
/* TNCTL_OK, or TNCTL_FAILED when stdout did not take it. */
int tnctl_flush(void);

#endif
