/* SPDX-License-Identifier: Apache-2.0 */
/* Values across the border: Perl's options to jansson, jansson's results and errors to Perl. */
#include "glue.h"

tns_text tns_xs_text(pTHX_ SV *sv, const char *what)
{
    STRLEN len;
    const char *s;

    SvGETMAGIC(sv);
    if (!SvOK(sv))
        return NULL;
    s = SvPVutf8(sv, len);
    if (memchr(s, '\0', len))
        croak("%s holds a NUL byte", what);
    return s;
}

static void drop_json(pTHX_ void *obj)
{
    PERL_UNUSED_CONTEXT;
    json_decref(obj);
}

static void set_option(pTHX_ json_t *obj, HV *hv, HE *he)
{
    SV *value = hv_iterval(hv, he);
    STRLEN klen, len;
    const char *key = HePV(he, klen);
    const char *s;

    SvGETMAGIC(value);
    if (!SvOK(value) || SvROK(value))
        return;
    s = SvPVutf8_nomg(value, len);
    json_object_setn_new(obj, key, klen, json_stringn(s, len));
}

/* A flat hash of strings; references in it (content, nodes) are PVE's own and left out. A value may be
 * tied, and die when it is looked at: until the end the object belongs to the scope. */
json_t *tns_xs_options(pTHX_ SV *sv)
{
    json_t *obj;
    HV *hv;
    HE *he;

    if (!SvROK(sv) || SvTYPE(SvRV(sv)) != SVt_PVHV)
        croak("the options are not a hash");
    hv = (HV *)SvRV(sv);
    obj = json_object();
    ENTER;
    SAVEDESTRUCTOR_X(drop_json, obj);
    hv_iterinit(hv);
    while (obj && (he = hv_iternext(hv)))
        set_option(aTHX_ obj, hv, he);
    json_incref(obj);
    LEAVE;
    return obj;
}

static SV *to_sv(pTHX_ const json_t *j);

static SV *array_to_sv(pTHX_ const json_t *j)
{
    size_t n = json_array_size(j), i;
    AV *av = newAV();

    for (i = 0; i < n; i++)
        av_push(av, to_sv(aTHX_ json_array_get(j, i)));
    return newRV_noinc((SV *)av);
}

static SV *object_to_sv(pTHX_ const json_t *j)
{
    const char *key;
    json_t *value;
    HV *hv = newHV();

    json_object_foreach((json_t *)(uintptr_t)j, key, value)(void)
        hv_store(hv, key, -(I32)strlen(key), to_sv(aTHX_ value), 0);
    return newRV_noinc((SV *)hv);
}

/* Recursion is bounded: results are built by the library, a few levels deep. */
static SV *to_sv(pTHX_ const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return object_to_sv(aTHX_ j);
    case JSON_ARRAY:
        return array_to_sv(aTHX_ j);
    case JSON_STRING:
        return newSVpvn_utf8(json_string_value(j), json_string_length(j), 1);
    case JSON_INTEGER:
        return newSViv((IV)json_integer_value(j));
    case JSON_REAL:
        return newSVnv(json_real_value(j));
    case JSON_TRUE:
    case JSON_FALSE:
        return newSViv(json_is_true(j));
    default:
        return newSV(0);
    }
}

static SV *error_to_sv(pTHX_ const struct tns_error *err)
{
    HV *hv = newHV();

    (void)hv_stores(hv, "code", newSViv(err->code));
    (void)hv_stores(hv, "name", newSVpv(tns_code_name(err->code), 0));
    (void)hv_stores(hv, "op", newSVpv(err->op, 0));
    (void)hv_stores(hv, "text", newSVpvn_utf8(err->text, strlen(err->text), 1));
    (void)hv_stores(hv, "retryable", newSViv(!!(err->flags & TNS_F_RETRYABLE)));
    (void)hv_stores(hv, "outcome_unknown", newSViv(!!(err->flags & TNS_F_OUTCOME_UNKNOWN)));
    (void)hv_stores(hv, "retry_after_ms", newSVuv(err->retry_after_ms));
    return sv_bless(newRV_noinc((SV *)hv), gv_stashpvs("TNStor::Error", GV_ADD));
}

void tns_xs_finish(pTHX_ struct tns_xs_call *c)
{
    PERL_ASYNC_CHECK();
    if (c->rc)
        croak_sv(sv_2mortal(error_to_sv(aTHX_ & c->err)));
}

SV *tns_xs_result(pTHX_ struct tns_xs_call *c)
{
    SV *sv = NULL;

    if (c->json) {
        sv = sv_2mortal(to_sv(aTHX_ c->json));
        json_decref(c->json);
        c->json = NULL;
    }
    tns_xs_finish(aTHX_ c);
    return sv ? SvREFCNT_inc_simple_NN(sv) : newSV(0);
}
