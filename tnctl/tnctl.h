/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of tnctl share: the options before the command word, and how they end. */
#ifndef TNCTL_TNCTL_H
#define TNCTL_TNCTL_H

#include <stdbool.h>

#include "base/error.h"
#include "session/session.h"

/* Exit codes, as man/tnctl.8 documents them. */
enum tnctl_exit {
    TNCTL_OK = 0,
    TNCTL_FAILED = 1,  /* the NAS, or this node, tried and failed    */
    TNCTL_USAGE = 2,   /* wrong option, argument or configuration    */
    TNCTL_AUTH = 3,    /* key not accepted, or not allowed to        */
    TNCTL_CONNECT = 4, /* no connection, wrong certificate, deadline */
    TNCTL_BUSY = 5,    /* not now: try again later                   */
    TNCTL_UNKNOWN = 6, /* it may have happened, or not               */
};

/* The options in front of the command word. */
struct tnctl {
    struct tns_session_opts session; /* but for the key, which is read when it is needed */
    const char *key_file;
    const char *root; /* NULL: this node's own; stands before /etc/pve, /sys, /dev */
    char run_dir[128];
    bool json;
    int verbose;
};

/* A subcommand, in tnctl/cmd_<name>.c; two that belong together share a file. argv[0] is its name. */
struct tnctl_cmd {
    const char *name;
    const char *args; /* for the usage */
    const char *help; /* one line      */
    int (*run)(const struct tnctl *ctl, int argc, char *argv[]);
};

extern const struct tnctl_cmd tnctl_cmd_call;
extern const struct tnctl_cmd tnctl_cmd_ping;

/* Reads the key and opens the session; on failure it has told why and *ret_exit is the exit code. */
struct tns_session *tnctl_open(const struct tnctl *ctl, int *ret_exit);

/* Log lines on stderr, as many as -v asks for. */
void tnctl_log(void *user, int level, const char *component, const char *msg);
int tnctl_log_level(const struct tnctl *ctl);

/* Tells an error in one line on stderr (or as JSON) and gives the exit code that stands for it. */
int tnctl_fail(const struct tnctl *ctl, const struct tns_error *err);

/* "tnctl: text" on stderr; TNCTL_USAGE. */
int tnctl_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What ends every output: TNCTL_OK when ok and stdout took all of it, else TNCTL_FAILED, told. */
int tnctl_written(bool ok);
/* The result on stdout: one line with --json, indented otherwise. TNCTL_FAILED if stdout is full. */
int tnctl_print(const struct tnctl *ctl, const json_t *value);

/* The whole of a key file, or of stdin for "-", without its line end; warns of a loose mode. */
int tnctl_read_key(const char *path, char *buf, size_t cap, size_t *ret_len,
                   struct tns_error *err);

#endif
