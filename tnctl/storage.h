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

/* What a subcommand does with its storage. */
struct tnctl_work {
    /* *ret may stay NULL: then there is nothing to print. */
    int (*run)(struct tns_storage *st, void *user, json_t **ret, struct tns_error *err);
    /* The result for people; NULL: as JSON for them, too. */
    void (*print)(const json_t *result, const void *user);
    void *user;
};

/* Opens the storage of that name, does the work, tells the result or the error; gives the exit code. */
int tnctl_on_storage(const struct tnctl *ctl, const char *storeid,
                     const struct tnctl_work *work);

/* Takes the flag out of argv, wherever it stands behind the command word. */
bool tnctl_flag(int *argc, char *argv[], const char *flag);
/* A member's text; "" when it is none. */
const char *tnctl_text(const json_t *obj, const char *key);

#endif
