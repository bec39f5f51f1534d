/* SPDX-License-Identifier: Apache-2.0 */
/* A node that is not there: a /sys that answers to scans, sessions, multipathd, commands, a NAS. */
#ifndef TNS_T_DEVICE_WORLD_H
#define TNS_T_DEVICE_WORLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/device.h"

#define W_IQN "iqn.2005-10.org.freenas.ctl:store1"
#define W_INITIATOR "iqn.1993-08.org.debian:01:world"
#define W_NAA_A "6589cfc000000000000000000000aa01"
#define W_NAA_B "6589cfc000000000000000000000bb02"
#define W_WWID_A "3" W_NAA_A
#define W_WWID_B "3" W_NAA_B
#define W_SERIAL "a1b2c3d4e5f60001"
#define W_SIZE ((uint64_t)64 << 20)
#define W_PORTALS 4
#define W_DISKS 64
#define W_MAPS 24
#define W_LUNS 256

/* What the NAS shows behind a LUN; on one portal it may be something else. */
struct w_lun {
    bool exists;
    bool is_gone; /* of a special one: no such LUN on that portal */
    unsigned number;
    char naa[33];
    char serial[32];
    uint64_t size;
    uint32_t blocksize;
};

struct w_session {
    bool exists, is_up;
    unsigned sid, host;
};

struct w_disk {
    bool exists;
    unsigned host, lun;
    int portal;
    unsigned diskseq;
    char dev[16];
    char path[256]; /* below /sys/devices */
};

struct w_map {
    bool exists;
    char dev[16], wwid[40], name[40];
};

struct world {
    char root[256];
    struct tns_ctx ctx;
    struct tns_sysroot *sr;
    struct tns_runner runner;
    struct tns_scsi scsi;
    struct tns_node node;
    struct tns_error err;
    struct tns_addr portals[W_PORTALS];
    pthread_mutex_t mutex;

    /* the NAS */
    struct w_lun luns[W_LUNS];
    struct w_lun special[W_PORTALS]; /* instead, on that portal only */
    bool is_silent[W_PORTALS];       /* a disk by this portal gives no answer */

    /* the kernel */
    struct w_session sessions[W_PORTALS];
    struct w_disk disks[W_DISKS];
    struct w_map maps[W_MAPS];
    unsigned diskseq;
    int appear_after; /* looks at a new disk until its size is there */
    int appear_pending;
    int open_after;    /* attempts until a new disk can be opened */
    bool ignores_grow; /* multipathd does not resize */

    /* the commands */
    int login_exit[W_PORTALS];
    bool login_hangs[W_PORTALS];
    bool multipath_hangs;
    const char *stub; /* a program that is really run in place of iscsiadm */
    char commands[8192];
    char traced[1 << 19];
    unsigned identified, scans, deletes, rescans;
    bool is_scanning[W_PORTALS]; /* the attribute was opened and not yet written */
    unsigned accesses, crash_at; /* the process dies at that access; 0: never */
    unsigned map_at;      /* multipathd makes the map of what is there at that access */
    const char *crash_on; /* or at the first that begins like this: "read /etc" */

    /* multipathd */
    char socket_name[64];
    int listen_fd;
    pthread_t thread;
    atomic_bool is_up, stop, is_wedged;
    bool makes_maps; /* by itself, as paths with listed WWIDs appear */
    bool queues;
    bool keeps_maps; /* "remove map" ends in "timeout" */
    char told[4096]; /* what multipathd was told, one command a line */
};

/* n portals, LUN 1 with NAA A on the NAS, multipathd running; no session. Forked children share it:
 * what they do is done. */
struct world *world_new(int portals);
void world_free(struct world *w);

void world_multipathd_stop(struct world *w);

struct w_lun *world_lun(struct world *w, unsigned number, const char *naa);
void world_lun_gone(struct world *w, unsigned number);
/* As iscsiadm --login would. */
void world_session(struct world *w, int portal);
void world_session_down(struct world *w, int portal);
void world_session_gone(struct world *w, int portal);
/* The kernel's disk of that LUN on that portal, as a scan would make it. */
struct w_disk *world_disk(struct world *w, int portal, unsigned lun);
struct w_disk *world_disk_of(struct world *w, int portal, unsigned lun);
/* A map over all disks whose kernel memory says so. */
struct w_map *world_map(struct world *w, const char *naa);
struct w_map *world_map_of(struct world *w, const char *naa);
/* Something on top of a device: uuid "LVM-...", "part1-mpath-...". */
void world_holder(struct world *w, const char *dev, const char *holder, const char *name,
                  const char *uuid);
void world_process(struct world *w, int pid, const char *comm, const char *open_path);
/* A process in a mount namespace of its own. */
void world_namespace(struct world *w, int pid, const char *comm, const char *ns,
                     const char *mountinfo);
void world_mount(struct world *w, const char *dev, const char *where);

/* 200 disks, partitions and maps of other people: SAS, NVMe, device mapper. */
#define W_NOISE "other"
void world_noise(struct world *w);

/* Files below the root. */
void world_put(struct world *w, const char *path, const char *content);
char *world_get(struct world *w, const char *path); /* static buffer */
bool world_has(struct world *w, const char *path);
bool world_link_is(struct world *w, const char *linkname, const char *target);

/* What one test wants mapped: LUN 1, NAA A, all portals, multipath. */
struct tns_want world_want(struct world *w);
/* The commands that were run since the last time must be exactly these, one a line. */
void world_ran(struct world *w, const char *expected);
void world_told(struct world *w, const char *expected);
void world_forget(struct world *w);

#endif
