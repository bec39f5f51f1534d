/* SPDX-License-Identifier: Apache-2.0 */
/* iscsiadm by argv, its exit codes by number: its text changes, its codes do not. */
#include <stdio.h>
#include <string.h>

#include "device/session.h"

#define ISCSIADM "/usr/sbin/iscsiadm"
#define ARGS_MAX 48

static const struct {
    int exit_code;
    int code;
    const char *text;
} exits[] = {
    { 2, TNS_E_NOTFOUND, "there is no such session" },
    { 3, TNS_E_NOMEM, "it is out of memory" },
    { 4, TNS_E_TRANSPORT, "the connection failed" },
    { 5, TNS_E_TRANSPORT, "the login failed" },
    { 6, TNS_E_DEVICE, "the node database cannot be read or written" },
    { 8, TNS_E_TRANSPORT, "the portal does not answer" },
    { 11, TNS_E_TRANSPORT, "the target does not answer" },
    { 12, TNS_E_DEVICE, "the kernel has no iscsi_tcp (modprobe iscsi_tcp)" },
    { 13, TNS_E_PERMISSION, "it is not run by root" },
    { 18, TNS_E_DEVICE, "it cannot talk to iscsid (systemctl restart iscsid)" },
    { 19, TNS_E_TRANSPORT, "the target refuses the login" },
    { 20, TNS_E_DEVICE, "iscsid does not run (systemctl enable --now iscsid)" },
    { 21, TNS_E_NOTFOUND, "there is no record of this portal" },
    { 24, TNS_E_AUTH, "the target refuses this CHAP user and password, or this initiator" },
    { 28, TNS_E_BUSY, "the session is in use" },
    { 29, TNS_E_BUSY, "it wants to be asked again" },
    { 31, TNS_E_DEVICE, "its helper was killed" },
    { 32, TNS_E_TRANSPORT, "the session is not connected" },
};

enum { EXIT_SESSION_EXISTS = 15 };

static size_t exit_find(int exit_code)
{
    size_t i = 0;

    while (i < TNS_ARRAY_LEN(exits) && exits[i].exit_code != exit_code)
        i++;
    return i;
}

int tns__iscsiadm_code(int exit_code)
{
    size_t i = exit_find(exit_code);

    if (exit_code == 0 || exit_code == EXIT_SESSION_EXISTS)
        return 0;
    return i < TNS_ARRAY_LEN(exits) ? exits[i].code : TNS_E_DEVICE;
}

static int exit_error(int exit_code, const char *target_iqn, const char *portal,
                      struct tns_error *err)
{
    size_t i = exit_find(exit_code);
    int code = tns__iscsiadm_code(exit_code);

    if (code == 0)
        return 0;
    if (i < TNS_ARRAY_LEN(exits))
        tns__error_set(err, code, "iscsiadm, %s at %s: %s (exit code %d)", target_iqn,
                       portal, exits[i].text, exit_code);
    else
        tns__error_set(err, code, "iscsiadm, %s at %s: exit code %d", target_iqn, portal,
                       exit_code);
    if (code == TNS_E_BUSY && err)
        err->flags |= TNS_F_RETRYABLE;
    return -code;
}

int tns__iscsiadm_node(struct tns_node *node, const struct tns_ctx *ctx,
                       const char *target_iqn, const struct tns_addr *portal,
                       const char *const more[], struct tns_error *err)
{
    _tns_run_result_ struct tns_run_result result = { 0 };
    struct tns_runner runner = *node->runner;
    char address[TNS__ADDR_TEXT];
    const char *argv[ARGS_MAX] = {
        ISCSIADM, "-m", "node", "-T", target_iqn, "-p", address
    };
    size_t n = 7;
    int rc;

    /* one that works on records and is killed leaves its lock behind: no iscsiadm of this node gets
     * it then, before a reboot */
    runner.lets_end = strcmp(more[0], "-o") == 0;
    tns__addr_format(portal, address);
    while (*more && n + 1 < ARGS_MAX)
        argv[n++] = *more++;
    rc = TNS_BUG_ON(err, *more != NULL);
    if (rc == 0)
        rc = runner.run(&runner, ctx, argv, &result, err);
    if (rc < 0)
        return tns__error_prefix(err, "%s at %s", target_iqn, address);
    return exit_error(result.exit_code, target_iqn, address, err);
}
