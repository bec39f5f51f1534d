/* SPDX-License-Identifier: Apache-2.0 */
/* Locks below the run directory, waited for until the deadline. */
#include "device/lock.h"

#include <string.h>

#include "base/broken.h"
/* Names of targets are longer and wilder than file names may be: a hash stands for them. */
static int target_key(const char *target_iqn, char ret[33], struct tns_error *err)
{
    if (!tns__sha256_hex(target_iqn, strlen(target_iqn), 16, ret))
        return tns__error_nomem(err);
    return 0;
}

int tns__lock_volume(struct tns_node *node, const char *storeid, const char *linkname,
                     int *ret_fd, struct tns_error *err)
{
    int rc = tns__names_check(storeid, linkname, err);

    if (tns__is_broken("locks"))
        return 0;
    return rc < 0
               ? rc
               : tns__sysroot_lock(node->sr, node->ctx, ret_fd, err, "%s/lock/volume-%s-%s",
                                   tns__run_dir(node), storeid, linkname);
}

int tns__lock_lun(struct tns_node *node, const char *target_iqn, unsigned lun, int *ret_fd,
                  struct tns_error *err)
{
    char key[33];
    int rc = target_key(target_iqn, key, err);

    if (tns__is_broken("locks"))
        return 0;
    return rc < 0 ? rc
                  : tns__sysroot_lock(node->sr, node->ctx, ret_fd, err, "%s/lock/lun-%s-%u",
                                      tns__run_dir(node), key, lun);
}

int tns__lock_target(struct tns_node *node, const char *target_iqn, int *ret_fd,
                     struct tns_error *err)
{
    char key[33];
    int rc = target_key(target_iqn, key, err);

    return rc < 0 ? rc
                  : tns__sysroot_lock(node->sr, node->ctx, ret_fd, err, "%s/lock/target-%s",
                                      tns__run_dir(node), key);
}

int tns__lock_use(struct tns_node *node, const char *target_iqn, int *ret_fd,
                  struct tns_error *err)
{
    char key[33];
    int rc = target_key(target_iqn, key, err);

    return rc < 0 ? rc
                  : tns__sysroot_lock_shared(node->sr, node->ctx, ret_fd, err,
                                             "%s/lock/use-%s", tns__run_dir(node), key);
}

int tns__lock_end(struct tns_node *node, const char *target_iqn, int *ret_fd,
                  struct tns_error *err)
{
    struct tns_ctx now = *node->ctx;
    char key[33];
    int rc = target_key(target_iqn, key, err);

    now.deadline_ns = tns__now_ns();
    return rc < 0 ? rc
                  : tns__sysroot_lock(node->sr, &now, ret_fd, err, "%s/lock/use-%s",
                                      tns__run_dir(node), key);
}

int tns__lock_multipath(struct tns_node *node, int *ret_fd, struct tns_error *err)
{
    return tns__sysroot_lock(node->sr, node->ctx, ret_fd, err, "%s/lock/multipath",
                             tns__run_dir(node));
}
