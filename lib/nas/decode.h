/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that say how an object of the NAS becomes a struct, and the few functions that read them. */
#ifndef TNS_NAS_DECODE_H
#define TNS_NAS_DECODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nas/nas_priv.h"

enum tns_field_type {
    TNS_FIELD_STR = 1, /* char *, owned                                               */
    TNS_FIELD_I64,
    TNS_FIELD_U32,
    TNS_FIELD_U16,
    TNS_FIELD_BOOL,
    TNS_FIELD_PROP_U64,  /* uint64_t of a ZFS property object                           */
    TNS_FIELD_PROP_I64,  /* int64_t likewise                                            */
    TNS_FIELD_PROP_STR,  /* char *, NULL for "", "-" and "none"                         */
    TNS_FIELD_PROP_BOOL, /* on/off                                                      */
};

enum tns_field_need {
    TNS_MUST, /* missing or null is a protocol error                               */
    TNS_MAY,  /* missing or null leaves the zero value                             */
    TNS_TEXT, /* for STR: missing or null becomes ""                               */
};

struct tns_field {
    const char *key;
    enum tns_field_type type;
    enum tns_field_need need;
    size_t offset;
};

#define TNS_FIELD(type_, need_, struct_, member_, key_)                                    \
    {                                                                                      \
        .key = (key_), .type = (type_), .need = (need_),                                   \
        .offset = offsetof(struct struct_, member_)                                        \
    }

/* out is zeroed before, or holds nothing owned; on failure what was read is released. */
int tns__fields_decode(const json_t *obj, const struct tns_field *fields, size_t n,
                       void *out, const char *what, struct tns_error *err);
/* Releases the strings. */
void tns__fields_clear(const struct tns_field *fields, size_t n, void *out);

/* ---- ZFS properties: {rawvalue, value, parsed}, or {raw, value} in zfs.resource.* ---- */

/* The text that ZFS holds, borrowed; NULL when the object has none. */
const char *tns__prop_raw(const json_t *prop);
int tns__prop_u64(const json_t *prop, const char *key, uint64_t *ret, const char *what,
                  struct tns_error *err);
/* User properties as name -> string; names without a colon are the server's own. source is an
 * object of property objects or of strings. */
int tns__prop_tags(const json_t *source, json_t **ret, const char *what,
                   struct tns_error *err);

/* ---- lists ---- */

/* Every list is a struct of a pointer to rows and their number. */
struct tns_list_kind {
    const char *what; /* "iscsi.extent.query" */
    size_t row_size;
    int (*row)(const json_t *obj, void *row, const struct tns_item *it,
               struct tns_error *err);
    void (*clear)(void *row);
    /* What the caller asked for, asked again here; NULL: everything. */
    bool (*keep)(const void *row, const struct tns_item *it);
};

/* rows is emptied while it is read. *ret_list is a struct {T *items; size_t n;}. */
int tns__list_decode(json_t *rows, const struct tns_list_kind *kind,
                     const struct tns_item *it, void **ret_list, struct tns_error *err);
void tns__list_free(void *list, const struct tns_list_kind *kind);

/* A query of all rows of this kind, whose method is what it is called; ret as of tns__list_decode. */
int tns__list_put(struct tns_batch *b, const struct tns_list_kind *kind, void *ret);

/* Stores a pointer where the caller of a put wants it. */
void tns__item_give(const struct tns_item *it, void *pointer);

/* A NULL-terminated array of copies of the strings under objs[i][key], or of objs[i] when key is
 * NULL. */
int tns__strings_decode(const json_t *array, const char *key, char ***ret, const char *what,
                        struct tns_error *err);
void tns__strings_free(char **strings);
/* The reverse. NULL when memory is out. */
json_t *tns__strings_json(const char *const *strings);

#endif
