/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the world share. */
#ifndef TNS_T_DEVICE_WORLD_PRIV_H
#define TNS_T_DEVICE_WORLD_PRIV_H

#include <stddef.h>

#include "device/world.h"

void w_fmt(char *buf, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void w_putf(struct world *w, const char *content, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void w_dir(struct world *w, const char *path);
void w_link(struct world *w, const char *path, const char *target);
void w_remove(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const struct w_lun *w_nas(const struct world *w, int portal, unsigned lun);
void w_map_join(struct world *w, struct w_map *m, struct w_disk *d);
void w_map_gone(struct world *w, struct w_map *m);
void w_map_resize(struct world *w, struct w_map *m, uint64_t size);
/* Lets writes to /sys take effect; called at every access. */
void w_tick(struct world *w);

void w_lock(struct world *w);

/* multipathd */
void w_multipathd_start(struct world *w);
/* iscsiadm and multipath */
int w_run(struct tns_runner *r, const struct tns_ctx *ctx, const char *const argv[],
          struct tns_run_result *ret, struct tns_error *err);

#endif
