/* SPDX-License-Identifier: Apache-2.0 */
/* What the XSUBs share: the handle's magic, conversions between Perl and jansson, errors. */
#ifndef TNS_XS_GLUE_H
#define TNS_XS_GLUE_H

#define PERL_NO_GET_CONTEXT
#include <EXTERN.h>
#include <perl.h>

#include <XSUB.h>

#include "tnstor.h"

/* Bytes of a volume, snapshot or option: text without a NUL inside, or NULL for undef. */
typedef const char *tns_text;

/* What an XSUB keeps until it has freed everything of C's and may throw. */
struct tns_xs_call {
    int rc;
    json_t *json;
    struct tns_error err;
};

#define TNS_XS_CALL_INIT                                                                   \
    {                                                                                      \
        .err = TNS_ERROR_INIT                                                              \
    }

tns_text tns_xs_text(pTHX_ SV *sv, const char *what);

SV *tns_xs_wrap(pTHX_ struct tns_storage *st, SV *log);
struct tns_storage *tns_xs_handle(pTHX_ SV *sv);
void tns_xs_close(pTHX_ SV *sv);

json_t *tns_xs_options(pTHX_ SV *sv);
void tns_xs_hooks(pTHX_ struct tns_hooks *hooks, SV *log, int level);

/* Lets a pending signal's handler run, which may die; then throws the error if there is one. */
void tns_xs_finish(pTHX_ struct tns_xs_call *c);
/* The same for calls with a result: gives it as a new SV. */
SV *tns_xs_result(pTHX_ struct tns_xs_call *c);

#endif
