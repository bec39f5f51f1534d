/* SPDX-License-Identifier: Apache-2.0 */
/* An iSCSI session in user space: connect, log in, wait, log out, within a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/probe_priv.h"

#define PROBE_MS 10000u
#define LOGOUT_MS 1000u

/* What a target answers to a login that it refuses: class and detail, RFC 7143, 11.13.5. */
enum {
    LOGIN_AUTHENTICATION = 0x0201,
    LOGIN_AUTHORIZATION = 0x0202,
    LOGIN_NO_TARGET = 0x0203
};

void tns__probe_done(struct tns__probe *probe, int status)
{
    probe->is_done = true;
    probe->status = status;
}

static void probe_cb(struct iscsi_context *iscsi, int status, void *data, void *user)
{
    (void)iscsi;
    (void)data;
    tns__probe_done(user, status);
}

/* libiscsi writes with writev(): a peer that is gone must not kill the host program. */
static void probe_mask_sigpipe(struct tns__probe *probe)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    probe->is_masked = pthread_sigmask(SIG_BLOCK, &set, &probe->mask_before) == 0;
}

static void probe_unmask_sigpipe(struct tns__probe *probe)
{
    static const struct timespec now = { 0 };
    sigset_t set;

    if (!probe->is_masked)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    /* ours goes; one that was blocked by the program itself stays its own */
    if (!sigismember(&probe->mask_before, SIGPIPE)) {
        while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &probe->mask_before, NULL);
    probe->is_masked = false;
}

static int probe_lost(struct tns__probe *probe, const char *what, struct tns_error *err)
{
    return tns__error_set(err, TNS_E_TRANSPORT, "%s: the connection to %s was lost", what,
                          probe->portal);
}

int tns__probe_wait(struct tns__probe *probe, const char *what, struct tns_error *err)
{
    while (!probe->is_done) {
        int fd = iscsi_get_fd(probe->iscsi);
        int revents;

        if (fd < 0)
            return probe_lost(probe, what, err);
        revents = tns__ctx_poll(&probe->ctx, fd, (short)iscsi_which_events(probe->iscsi),
                                what, err);
        if (revents < 0)
            return tns__error_prefix(err, "%s", probe->portal);
        if (iscsi_service(probe->iscsi, revents) < 0 && !probe->is_done)
            return probe_lost(probe, what, err);
    }
    return 0;
}

static int probe_connect(struct tns__probe *probe, struct tns_error *err)
{
    int fd, rc;

    probe->is_done = false;
    if (iscsi_connect_async(probe->iscsi, probe->portal, probe_cb, probe) < 0)
        return tns__error_set(err, TNS_E_TRANSPORT, "cannot connect to the portal %s",
                              probe->portal);
    fd = iscsi_get_fd(probe->iscsi);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    rc = tns__probe_wait(probe, "the iSCSI portal", err);
    if (rc < 0)
        return rc;
    if (probe->status != SCSI_STATUS_GOOD)
        return tns__error_set(
            err, TNS_E_TRANSPORT,
            "nothing listens at the portal %s (is the iSCSI service running?)",
            probe->portal);
    return 0;
}

/* libiscsi hands the status of a refused login over only at the end of its text: "...(513)". */
static unsigned login_status(const char *text)
{
    const char *open = strrchr(text, '(');

    return open ? (unsigned)strtoul(open + 1, NULL, 10) : 0;
}

static int login_refused(struct tns__probe *probe, struct tns_error *err)
{
    const char *text = iscsi_get_error(probe->iscsi);
    const char *target = probe->peer.target_iqn ? probe->peer.target_iqn : "discovery";
    unsigned status = login_status(text ? text : "");

    if (status == LOGIN_AUTHORIZATION)
        return tns__error_set(
            err, TNS_E_PERMISSION,
            "%s: %s does not admit the initiator %s: add it to the initiator "
            "group of the target",
            probe->portal, target, probe->peer.initiator);
    if (status == LOGIN_NO_TARGET)
        return tns__error_set(err, TNS_E_NOTFOUND, "%s: there is no target %s",
                              probe->portal, target);
    if (status == LOGIN_AUTHENTICATION)
        return tns__error_set(err, TNS_E_AUTH, "%s: %s refuses this CHAP user and password",
                              probe->portal, target);
    if (text && strstr(text, "CHAP"))
        return tns__error_set(
            err, TNS_E_AUTH,
            "%s: the target does not prove itself with the mutual CHAP user "
            "and password",
            probe->portal);
    return tns__error_set(err, status >> 8 == 3 ? TNS_E_UNAVAILABLE : TNS_E_TRANSPORT,
                          "%s: the login to %s failed (status 0x%04x)", probe->portal,
                          target, status);
}

static int probe_login(struct tns__probe *probe, struct tns_error *err)
{
    int rc = 0;

    probe->is_done = false;
    if (iscsi_login_async(probe->iscsi, probe_cb, probe) < 0)
        return login_refused(probe, err);
    rc = tns__probe_wait(probe, "the iSCSI login", err);
    if (rc < 0)
        return rc;
    /* a redirection leads away from the portal that the storage names: not followed */
    if (probe->status == SCSI_STATUS_REDIRECT)
        return tns__error_set(err, TNS_E_CONFIG,
                              "%s: the target sends us to another portal", probe->portal);
    return probe->status == SCSI_STATUS_GOOD ? 0 : login_refused(probe, err);
}

static int probe_set_chap(struct tns__probe *probe)
{
    const struct tns_chap *chap = probe->peer.chap;
    int rc = 0;

    if (!chap || !chap->user)
        return 0;
    rc = iscsi_set_initiator_username_pwd(probe->iscsi, chap->user,
                                          tns__secret_bytes(chap->password));
    if (rc == 0 && chap->mutual_user)
        rc = iscsi_set_target_username_pwd(probe->iscsi, chap->mutual_user,
                                           tns__secret_bytes(chap->mutual_password));
    return rc;
}

/* libiscsi frees its copies without wiping them; setting them anew overwrites them. */
static void probe_wipe_chap(struct tns__probe *probe)
{
    iscsi_set_target_username_pwd(probe->iscsi, "", "");
    iscsi_set_initiator_username_pwd(probe->iscsi, "", "");
}

static int probe_setup(struct tns__probe *probe, struct tns_error *err)
{
    struct iscsi_context *iscsi = iscsi_create_context(probe->peer.initiator);
    const char *target = probe->peer.target_iqn;
    int rc;

    if (!iscsi)
        return tns__error_nomem(err);
    probe->iscsi = iscsi;
    iscsi_set_log_level(iscsi, 0);
    /* by default a lost connection is made again for ever, inside of the library */
    iscsi_set_noautoreconnect(iscsi, 1);
    rc = iscsi_set_session_type(iscsi,
                                target ? ISCSI_SESSION_NORMAL : ISCSI_SESSION_DISCOVERY);
    if (rc == 0)
        rc = iscsi_set_header_digest(iscsi, ISCSI_HEADER_DIGEST_NONE_CRC32C);
    if (rc == 0 && target)
        rc = iscsi_set_targetname(iscsi, target);
    if (rc == 0)
        rc = probe_set_chap(probe);
    if (rc < 0)
        return tns__error_set(err, TNS_E_USAGE, "%s: the iSCSI session cannot be set up",
                              probe->portal);
    return 0;
}

static int peer_check(const struct tns__peer *peer, struct tns_error *err)
{
    const struct tns_chap *chap = peer->chap;

    if (!peer->initiator || !tns__is_iqn(peer->initiator))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not the name of an initiator",
                              peer->initiator ? peer->initiator : "");
    if (peer->target_iqn && !tns__is_iqn(peer->target_iqn))
        return tns__error_set(err, TNS_E_USAGE, "\"%s\" is not the name of a target",
                              peer->target_iqn);
    if (chap && chap->user && !chap->password)
        return tns__error_set(err, TNS_E_CONFIG, "CHAP user %s has no password",
                              chap->user);
    if (chap && chap->user && chap->mutual_user && !chap->mutual_password)
        return tns__error_set(err, TNS_E_CONFIG, "mutual CHAP user %s has no password",
                              chap->mutual_user);
    return 0;
}

int tns__probe_open(struct tns__probe *probe, const struct tns_ctx *ctx,
                    const struct tns__peer *peer, struct tns_error *err)
{
    int rc = peer_check(peer, err);

    if (rc < 0)
        return rc;

    probe->ctx = *ctx;
    probe->peer = *peer;
    tns__ctx_begin(&probe->ctx, PROBE_MS);
    tns__addr_format(peer->portal, probe->portal);
    probe_mask_sigpipe(probe);
    rc = probe_setup(probe, err);
    if (rc == 0)
        rc = probe_connect(probe, err);
    return rc < 0 ? rc : probe_login(probe, err);
}

/* A NAS that still counts the session would take the target for being in use. */
static void probe_logout(struct tns__probe *probe)
{
    struct tns_error none = TNS_ERROR_INIT;

    probe->ctx.cancel_fn = NULL;
    probe->ctx.deadline_ns = 0;
    tns__ctx_begin(&probe->ctx, LOGOUT_MS);
    probe->is_done = false;
    if (iscsi_logout_async(probe->iscsi, probe_cb, probe) == 0)
        tns__probe_wait(probe, "the iSCSI logout", &none);
}

void tns__probe_close(struct tns__probe *probe)
{
    if (probe->iscsi) {
        if (iscsi_is_logged_in(probe->iscsi))
            probe_logout(probe);
        probe_wipe_chap(probe);
        /* calls the callbacks of what is still out: they write into *probe, which is still there */
        iscsi_destroy_context(probe->iscsi);
        probe->iscsi = NULL;
    }
    if (probe->task)
        scsi_free_scsi_task(probe->task);
    probe->task = NULL;
    probe_unmask_sigpipe(probe);
}
