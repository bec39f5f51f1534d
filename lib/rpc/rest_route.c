/* SPDX-License-Identifier: Apache-2.0 */
/* From a method and its parameters to verb, target and body, as the NAS derives them (restful.py). */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "rpc/rest_priv.h"

#define BASE "/api/v2.0/"
#define MAX_KEYS 3

enum shape {
    NO_BODY,
    BARE,  /* one argument is left: the body is its value */
    KEYED, /* several are: an object of them              */
    QUERY, /* filters and options, in the query string    */
};

struct form {
    const char *method; /* ".create" and the like: of any namespace */
    const char *verb;
    bool item; /* the first parameter goes into the path: .../id/{id} */
    enum shape shape;
    const char *keys[MAX_KEYS];
    unsigned from, until; /* releases, 0: no bound */
    const char *last;     /* the part behind the id, or instead of the method's last word */
};

/* First match wins: single methods, then what every namespace has in common. */
static const struct form forms[] = {
    { "core.get_jobs", "GET", false, QUERY, { 0 }, 0, 0, NULL },
    { "core.job_abort", "POST", false, BARE, { 0 }, 0, 0, NULL },
    { "core.job_wait", "POST", false, BARE, { 0 }, 0, 0, NULL },
    { "core.bulk",
      "POST",
      false,
      KEYED,
      { "method", "params", "description" },
      0,
      2310,
      NULL },
    { "iscsi.extent.delete", "DELETE", true, KEYED, { "remove", "force" }, 0, 0, NULL },
    { "iscsi.target.delete", "DELETE", true, BARE, { 0 }, 0, 2410, NULL },
    { "iscsi.target.delete",
      "DELETE",
      true,
      KEYED,
      { "force", "delete_extents" },
      2504,
      0,
      NULL },
    { "iscsi.target.validate_name",
      "POST",
      false,
      KEYED,
      { "name", "existing_id" },
      0,
      0,
      NULL },
    { "iscsi.global.sessions", "GET", false, QUERY, { 0 }, 0, 2410, NULL },
    { "iscsi.global.sessions",
      "POST",
      false,
      KEYED,
      { "query_filters", "query_options" },
      2504,
      0,
      NULL },
    { "iscsi.global.update", "PUT", false, BARE, { 0 }, 0, 0, "" },
    { "pool.dataset.promote", "POST", true, NO_BODY, { 0 }, 0, 0, "promote" },
    { "pool.dataset.processes", "POST", true, NO_BODY, { 0 }, 0, 0, "processes" },
    { "pool.dataset.attachments", "POST", true, NO_BODY, { 0 }, 0, 0, "attachments" },
    { "pool.dataset.recommended_zvol_blocksize", "POST", false, BARE, { 0 }, 0, 0, NULL },
    { "pool.dataset.snapshot_count", "POST", false, BARE, { 0 }, 0, 0, NULL },
    { "pool.dataset.rename", "POST", false, KEYED, { "id", "data" }, 2510, 0, NULL },
    { "pool.dataset.destroy_snapshots",
      "POST",
      false,
      KEYED,
      { "name", "snapshots" },
      0,
      0,
      NULL },
    { "pool.dataset.lock", "POST", false, KEYED, { "id", "lock_options" }, 0, 2504, NULL },
    { "pool.dataset.lock", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "pool.dataset.unlock",
      "POST",
      false,
      KEYED,
      { "id", "unlock_options" },
      0,
      2504,
      NULL },
    { "pool.dataset.unlock", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "pool.snapshot.clone", "POST", false, BARE, { 0 }, 2510, 0, NULL },
    { "pool.snapshot.rollback", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "pool.snapshot.hold", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "pool.snapshot.release", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "pool.snapshot.rename", "POST", false, KEYED, { "id", "options" }, 2510, 0, NULL },
    { "zfs.snapshot.clone", "POST", false, BARE, { 0 }, 0, 2504, NULL },
    { "zfs.snapshot.rollback", "POST", false, KEYED, { "id", "options" }, 0, 2504, NULL },
    { "zfs.snapshot.hold", "POST", false, KEYED, { "id", "options" }, 0, 2504, NULL },
    { "zfs.snapshot.release", "POST", false, KEYED, { "id", "options" }, 0, 2504, NULL },
    { "zfs.snapshot.remove", "POST", false, BARE, { 0 }, 0, 2410, NULL },
    { "zfs.resource.query", "POST", false, BARE, { 0 }, 2510, 0, NULL },
    { "service.start",
      "POST",
      false,
      KEYED,
      { "service", "service-control" },
      0,
      2504,
      NULL },
    { "service.start", "POST", false, KEYED, { "service", "options" }, 2510, 0, NULL },
    { "service.stop",
      "POST",
      false,
      KEYED,
      { "service", "service-control" },
      0,
      2504,
      NULL },
    { "service.stop", "POST", false, KEYED, { "service", "options" }, 2510, 0, NULL },
    { "service.restart",
      "POST",
      false,
      KEYED,
      { "service", "service-control" },
      0,
      2504,
      NULL },
    { "service.restart", "POST", false, KEYED, { "service", "options" }, 2510, 0, NULL },
    { "service.reload",
      "POST",
      false,
      KEYED,
      { "service", "service-control" },
      0,
      2504,
      NULL },
    { "service.reload", "POST", false, KEYED, { "service", "options" }, 2510, 0, NULL },
    { "service.started", "POST", false, BARE, { 0 }, 0, 0, NULL },
    { "service.control",
      "POST",
      false,
      KEYED,
      { "verb", "service", "options" },
      2510,
      0,
      NULL },
    { ".query", "GET", false, QUERY, { 0 }, 0, 0, "" },
    { ".get_instance", "GET", true, QUERY, { 0 }, 0, 0, "" },
    { ".create", "POST", false, BARE, { 0 }, 0, 0, "" },
    { ".update", "PUT", true, BARE, { 0 }, 0, 0, "" },
    { ".delete", "DELETE", true, BARE, { 0 }, 0, 0, "" },
    { ".config", "GET", false, NO_BODY, { 0 }, 0, 0, "" },
};

/* Not over HTTP: a session is what these are about. */
static bool is_session_method(const char *method)
{
    return tns__starts_with(method, "auth.") || strcmp(method, "core.subscribe") == 0 ||
           strcmp(method, "core.unsubscribe") == 0 ||
           strcmp(method, "core.set_options") == 0;
}

static bool form_names(const struct form *form, const char *method)
{
    size_t len = strlen(method), tail = strlen(form->method);

    if (form->method[0] != '.')
        return strcmp(form->method, method) == 0;
    return len > tail && strcmp(method + len - tail, form->method) == 0;
}

static bool form_fits(const struct form *form, unsigned release)
{
    return release == 0 || ((form->from == 0 || release >= form->from) &&
                            (form->until == 0 || release <= form->until));
}

static const struct form *form_for(const char *method, unsigned release, bool *ret_named)
{
    *ret_named = false;
    for (size_t i = 0; i < TNS_ARRAY_LEN(forms); i++) {
        if (!form_names(&forms[i], method))
            continue;
        *ret_named = true;
        if (form_fits(&forms[i], release))
            return &forms[i];
        /* A single method's rows say all about it. */
        if (i + 1 < TNS_ARRAY_LEN(forms) && forms[i].method[0] != '.' &&
            !form_names(&forms[i + 1], method))
            return NULL;
    }
    return NULL;
}

bool tns__route_needs_release(const char *method, const json_t *params)
{
    unsigned rows = 0;

    for (size_t i = 0; i < TNS_ARRAY_LEN(forms); i++)
        rows += forms[i].method[0] != '.' && strcmp(forms[i].method, method) == 0;
    /* With the second argument left out, the forms are the same. */
    return rows > 1 &&
           (json_array_size(params) > 1 || strcmp(method, "iscsi.global.sessions") == 0);
}

/* ---- the target ---- */

static void add_path(struct tns_text *t, const char *method, bool with_last)
{
    char word[64];
    const char *end = with_last ? method + strlen(method) : strrchr(method, '.');

    tns__text_add(t, BASE);
    while (method < end) {
        size_t len = strcspn(method, ".");

        snprintf(word, sizeof(word), "%.*s", (int)len, method);
        tns__text_add_encoded(t, word);
        method += len + 1;
        if (method < end)
            tns__text_add(t, "/");
    }
}

static int add_item(struct tns_text *t, const json_t *id, struct tns_error *err)
{
    char number[32];

    tns__text_add(t, "/id/");
    if (json_is_integer(id)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(id));
        tns__text_add(t, number);
        return 0;
    }
    if (!json_is_string(id) || json_string_length(id) == 0)
        return tns__error_set(err, TNS_E_USAGE, "an id is neither a number nor a name");
    tns__text_add_encoded(t, json_string_value(id));
    return 0;
}

static int route_target(const struct form *form, const char *method, const json_t *params,
                        struct tns_route *ret, struct tns_error *err)
{
    struct tns_text t = { 0 };
    size_t first = form->item ? 1 : 0;
    bool query = form->shape == QUERY;
    int rc = 0;

    add_path(&t, method, !form->item && !form->last);
    if (form->item)
        rc = add_item(&t, json_array_get(params, 0), err);
    if (rc == 0 && form->last && *form->last) {
        tns__text_add(&t, "/");
        tns__text_add(&t, form->last);
    }
    ret->target = t.text;
    if (rc < 0 || t.failed)
        return rc < 0 ? rc : tns__error_nomem(err);
    if (!query)
        return 0;

    /* An item has no filters: what follows its id are the options. */
    ret->filters = form->item ? NULL : json_array_get(params, first);
    ret->options = json_array_get(params, form->item ? first : first + 1);
    ret->filter = !form->item;
    rc = tns__filter_check(ret->filters, ret->options, err);
    if (rc == 0)
        rc = tns__query_add(&t, ret->filters, ret->options, err);
    ret->target = t.text;
    return rc;
}

/* ---- the body ---- */

static int keyed_body(const struct form *form, const char *method, const json_t *params,
                      size_t first, json_t **ret, struct tns_error *err)
{
    _tns_json_ json_t *body = json_object();
    json_t *value;
    size_t i;

    if (!body)
        return tns__error_nomem(err);
    json_array_foreach(params, i, value)
    {
        if (i < first)
            continue;
        if (i - first >= MAX_KEYS || !form->keys[i - first])
            return tns__error_set(err, TNS_E_USAGE, "%s takes no %zu arguments over REST",
                                  method, json_array_size(params));
        if (json_object_set(body, form->keys[i - first], value) < 0)
            return tns__error_nomem(err);
    }
    *ret = TNS_STEAL(body);
    return 0;
}

static int route_body(const struct form *form, const char *method, const json_t *params,
                      struct tns_route *ret, struct tns_error *err)
{
    _tns_json_ json_t *body = NULL;
    size_t first = form->item ? 1 : 0;
    size_t n = json_array_size(params);
    int rc = 0;

    if (form->shape == QUERY || n <= first)
        return 0;
    if (form->shape == NO_BODY || (form->shape == BARE && n > first + 1))
        return tns__error_set(err, TNS_E_USAGE, "%s takes no %zu arguments over REST",
                              method, n);
    if (form->shape == BARE)
        body = json_incref(json_array_get(params, first));
    else
        rc = keyed_body(form, method, params, first, &body, err);
    if (rc < 0)
        return rc;
    ret->body = tns__json_dump(body, NULL);
    return ret->body ? 0 : tns__error_nomem(err);
}

/* A method without a row and without arguments: GET on its own name. */
static const struct form plain_form = { "", "GET", false, NO_BODY, { 0 }, 0, 0, NULL };

int tns__route_for(const char *method, const json_t *params, unsigned release,
                   struct tns_route *ret, struct tns_error *err)
{
    bool named;
    const struct form *form = form_for(method, release, &named);
    int rc;

    if (!form && !named && json_array_size(params) == 0)
        form = &plain_form;
    if (!form || !strchr(method, '.') || is_session_method(method))
        return tns__error_set(err, TNS_E_UNSUPPORTED, "%s cannot be called over REST%s",
                              method, named ? " on this release" : "");
    *ret = (struct tns_route){ .verb = form->verb };
    rc = route_target(form, method, params, ret, err);
    if (rc == 0)
        rc = route_body(form, method, params, ret, err);
    if (rc < 0)
        tns__route_clear(ret);
    return rc;
}

void tns__route_clear(struct tns_route *route)
{
    tns__free(route->target);
    if (route->body)
        explicit_bzero(route->body, strlen(route->body));
    tns__free(route->body);
    *route = (struct tns_route){ 0 };
}
