/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of a storage: its options, its session, and what this node is called. */
#ifndef TNS_VOLUME_STORAGE_H
#define TNS_VOLUME_STORAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/sysroot.h"
#include "device/device.h"
#include "session/session.h"
#include "tnstor.h"
#include "volume/names.h"
#include "volume/volname.h"

#define TNS_PORTALS_MAX 16
#define TNS_LUNS_PER_TARGET 1024

/* The options, converted. Strings are borrowed from `json`, which holds no secret. */
struct tns_options {
    json_t *json;
    const char *storeid;
    const char *dataset;
    const char *pool; /* first part of dataset, in pool_text */
    char pool_text[TNS_ZVOL_CAP];
    const char *target_iqn; /* NULL: found by its alias */
    struct tns_addr portals[TNS_PORTALS_MAX];
    size_t n_portals;
    const char *owner; /* tn_owner */
    const char *node;  /* tn_node, or this host's name in node_text */
    char node_text[128];
    uint64_t blocksize_bytes; /* 0: the NAS's default */
    bool blocksize_clamped;
    bool sparse;
    const char *compression;
    const char *sync;
    bool multipath;
    bool logout_on_free;
    bool qemu;           /* tn_initiator qemu */
    bool removes_newer;  /* tn_rollback_removes_newer */
    bool live_snapshots; /* enable_live_snapshots */
    bool bulk;           /* enable_bulk_operations */
    const char *chap_user;
    const char *chap_mutual_user;
    const json_t *initiators; /* tn_initiators: IQNs that may connect, or NULL */
    const char *run_dir;
    const char *sysroot;
    const char *holder;
};

struct tns_storage {
    struct tns_options opt;
    struct tns_secret *chap_password;
    struct tns_secret *chap_mutual_password;
    struct tns_session *session; /* NULL without api_key: only what is local works */
    struct tns_ctx *ctx;         /* the session's, or own_ctx */
    struct tns_ctx own_ctx;
    struct tns_sysroot *sr;
    struct tns_node node;
    unsigned timeout_ms;
    char owner[37];          /* "" while not known */
    uint64_t pin_ns;         /* when the NAS last proved to be the right one, on which */
    uint64_t pin_connects;   /* connection of the session; 0: never */
    uint16_t freed_luns[64]; /* ring: not given out again soon */
    unsigned n_freed;
    struct {
        int64_t target_id; /* 0: nothing is remembered */
        uint64_t at_ns;
        bool used[TNS_LUNS_PER_TARGET + 1];
    } luns; /* which numbers of that target were taken then */
    uint64_t
        away_until_ns; /* the NAS did not confirm a mapped volume: not asked before then */
};

int tns__options_parse(const json_t *json, struct tns_options *ret, struct tns_error *err);
void tns__options_clear(struct tns_options *opt);
/* The session's part, borrowed from opt and json (the key). */
int tns__options_session(const struct tns_options *opt, const json_t *json,
                         struct tns_session_opts *ret, struct tns_error *err);

/*
 * What each public function begins with: the pid is right, the budget runs, and errors are
 * collected in guard->error, so that callers may pass NULL. Left on every way out.
 */
struct tns_guard {
    struct tns_ctx *ctx;
    uint64_t deadline_before;
    struct tns_error error;
    struct tns_error *ret;
};
int tns__enter(struct tns_storage *st, struct tns_guard *guard, struct tns_error *err);
/* The same for what is local to this node and works without a key. */
int tns__enter_local(struct tns_storage *st, struct tns_guard *guard,
                     struct tns_error *err);
/* 0, or the error for a storage that has no key. */
int tns__needs_nas(const struct tns_storage *st, struct tns_error *err);
void tns__leave(struct tns_guard *guard);
#define _tns_guard_ __attribute__((cleanup(tns__leave)))

/* Who owns what this section makes. With make, the node's file is written when there is
 * none yet; without, st->owner stays "" and nothing on the NAS is ours. */
int tns__owner_load(struct tns_storage *st, bool make, struct tns_error *err);

#endif
