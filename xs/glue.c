/* SPDX-License-Identifier: Apache-2.0 */
/* The handle as a Perl object: magic that cannot be forged, freed once, silent after fork. */
#include "glue.h"

struct handle {
    struct tns_storage *st;
    SV *log;
};

static int handle_free(pTHX_ SV *sv, MAGIC *mg)
{
    struct handle *h = (struct handle *)mg->mg_ptr;

    (void)sv;
    if (!h)
        return 0;
    mg->mg_ptr = NULL;
    tns_storage_close(h->st);
    SvREFCNT_dec(h->log);
    Safefree(h);
    return 0;
}

static int handle_dup(pTHX_ MAGIC *mg, CLONE_PARAMS *param)
{
    (void)param;
    mg->mg_ptr = NULL; /* a clone in another interpreter is a closed handle */
    return 0;
}

static MGVTBL handle_vtbl = { .svt_free = handle_free, .svt_dup = handle_dup };

SV *tns_xs_wrap(pTHX_ struct tns_storage *st, SV *log)
{
    SV *inner = newSV(0);
    struct handle *h;
    MAGIC *mg;

    Newxz(h, 1, struct handle);
    h->st = st;
    h->log = log;
    mg = sv_magicext(inner, NULL, PERL_MAGIC_ext, &handle_vtbl, (const char *)h, 0);
    mg->mg_flags |= MGf_DUP;
    return sv_bless(newRV_noinc(inner), gv_stashpvs("TNStor::Storage", GV_ADD));
}

static MAGIC *find_magic(pTHX_ SV *sv)
{
    if (!SvROK(sv))
        return NULL;
    return mg_findext(SvRV(sv), PERL_MAGIC_ext, &handle_vtbl);
}

struct tns_storage *tns_xs_handle(pTHX_ SV *sv)
{
    MAGIC *mg = find_magic(aTHX_ sv);

    if (!mg)
        croak("not a TNStor::Storage object");
    if (!mg->mg_ptr)
        croak("this TNStor::Storage object was closed");
    return ((struct handle *)mg->mg_ptr)->st;
}

void tns_xs_close(pTHX_ SV *sv)
{
    MAGIC *mg = find_magic(aTHX_ sv);

    if (mg)
        handle_free(aTHX_ SvRV(sv), mg);
}

/* Only signals that mean "stop" end a call: a SIGCHLD of the host program must not. */
static int cancelled(void *user)
{
    static const int stop[] = { SIGALRM, SIGINT, SIGTERM, SIGQUIT };
    dTHX;
    size_t i;

    (void)user;
    if (!PL_sig_pending || !PL_psig_pend)
        return 0;
    for (i = 0; i < sizeof(stop) / sizeof(stop[0]); i++)
        if (PL_psig_pend[stop[i]])
            return 1;
    return 0;
}

static void push_log_args(pTHX_ int level, const char *component, const char *msg)
{
    dSP;

    PUSHMARK(SP);
    EXTEND(SP, 3);
    mPUSHi(level);
    mPUSHp(component, strlen(component));
    PUSHs(newSVpvn_flags(msg, strlen(msg), SVf_UTF8 | SVs_TEMP));
    PUTBACK;
}

static void log_to_perl(void *user, int level, const char *component, const char *msg)
{
    dTHX;

    ENTER;
    SAVETMPS;
    save_scalar(PL_errgv); /* the caller may be looking at $@ */
    push_log_args(aTHX_ level, component, msg);
    call_sv((SV *)user, G_VOID | G_DISCARD | G_EVAL);
    if (SvTRUE(ERRSV))
        warn("TNStor: the log callback died: %" SVf, SVfARG(ERRSV));
    FREETMPS;
    LEAVE;
}

void tns_xs_hooks(pTHX_ struct tns_hooks *hooks, SV *log, int level)
{
    PERL_UNUSED_CONTEXT;
    hooks->cancel_fn = cancelled;
    hooks->log_level = level;
    if (log) {
        hooks->log_fn = log_to_perl;
        hooks->log_user = log;
    }
}
