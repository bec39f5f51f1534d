/* SPDX-License-Identifier: Apache-2.0 */
/* The library's functions under their names without the prefix; nothing is decided here. */
#include "glue.h"

/* Runs a library call between argument conversion and whatever may throw. */
#define CALL(expr)                                                                             \
    struct tns_xs_call c = TNS_XS_CALL_INIT;                                                   \
    c.rc = (expr)

MODULE = TNStor    PACKAGE = TNStor    PREFIX = tns_
PROTOTYPES: DISABLE

const char *
tns_version_string()

SV *
tns_volname_parse(tns_text volname)
  CODE:
    CALL(tns_volname_parse(volname, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

MODULE = TNStor    PACKAGE = TNStor::Storage    PREFIX = tns_
PROTOTYPES: DISABLE

SV *
open(const char *class, SV *options, SV *log = NULL, int level = 0)
  PREINIT:
    struct tns_hooks hooks = { .size = sizeof(hooks) };
    struct tns_storage *st = NULL;
    json_t *opts = NULL;
    SV *kept = NULL;
  CODE:
    PERL_UNUSED_VAR(class);
    opts = tns_xs_options(aTHX_ options);
    kept = log && SvROK(log) ? newSVsv(log) : NULL;
    tns_xs_hooks(aTHX_ &hooks, kept, level);
    CALL(tns_storage_open(opts, &hooks, &st, &c.err));
    json_decref(opts);
    RETVAL = sv_2mortal(tns_xs_wrap(aTHX_ st, kept)); /* owns both, whatever a signal does now */
    tns_xs_finish(aTHX_ &c);
    SvREFCNT_inc_simple_void_NN(RETVAL);
  OUTPUT:
    RETVAL

void
close(SV *self)
  CODE:
    tns_xs_close(aTHX_ self);

void
set_timeout(struct tns_storage *st, unsigned int timeout_ms)
  CODE:
    tns_storage_set_timeout(st, timeout_ms);

SV *
status(struct tns_storage *st)
  CODE:
    CALL(tns_storage_status(st, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
check(struct tns_storage *st)
  CODE:
    CALL(tns_storage_check(st, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
setup(struct tns_storage *st, int check_only = 0)
  CODE:
    CALL(tns_storage_setup(st, check_only, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
identity(struct tns_storage *st)
  PREINIT:
    char id[128] = "";
  CODE:
    CALL(tns_storage_identity(st, id, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(id, 0);
  OUTPUT:
    RETVAL

SV *
initiator(struct tns_storage *st)
  PREINIT:
    char iqn[256] = "";
  CODE:
    CALL(tns_storage_initiator(st, iqn, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(iqn, 0);
  OUTPUT:
    RETVAL

SV *
reconcile(struct tns_storage *st, int repair = 0)
  CODE:
    CALL(tns_storage_reconcile(st, repair, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
tidy(struct tns_storage *st)
  PREINIT:
    unsigned removed = 0;
  CODE:
    CALL(tns_storage_tidy(st, &removed, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVuv(removed);
  OUTPUT:
    RETVAL

void
forget(struct tns_storage *st)
  CODE:
    CALL(tns_storage_forget(st, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
counters(struct tns_storage *st)
  CODE:
    CALL(tns_storage_counters(st, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
adopt_all(struct tns_storage *st, int check_only = 0)
  CODE:
    CALL(tns_storage_adopt_all(st, check_only, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

INCLUDE: volume.xsh
