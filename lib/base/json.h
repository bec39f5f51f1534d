/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with limits checked before anything is allocated, and typed access with clear errors. */
#ifndef TNS_BASE_JSON_H
#define TNS_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tnstor.h"

struct tns_json_limits {
    size_t bytes;  /* of the text               */
    size_t depth;  /* of nesting                */
    size_t nodes;  /* values of any kind        */
    size_t string; /* bytes of one string       */
};

/* 64 MiB, 32 deep, 2 million values, strings of 1 MiB: RELIABILITY S7 and section 8. */
extern const struct tns_json_limits tns__json_default_limits;

/* A linear scan without recursion first, then jansson with JSON_REJECT_DUPLICATES. Text that is no
 * JSON, or over a limit: TNS_E_PROTOCOL. Any JSON value is accepted at the top. */
int tns__json_parse(const char *text, size_t len, const struct tns_json_limits *limits,
                    json_t **ret_value, struct tns_error *err);

/* Compact text; free with tns__free. NULL when memory is out. */
char *tns__json_dump(const json_t *value, size_t *ret_len);

/*
 * Typed access for decoders. `what` names the object in errors ("pool.dataset.query reply").
 * Missing or of another type: TNS_E_PROTOCOL. The _opt forms treat missing and null as absent
 * and leave *ret as it is. Strings are borrowed.
 */
int tns__json_str(const json_t *obj, const char *key, const char **ret, const char *what,
                  struct tns_error *err);
int tns__json_int(const json_t *obj, const char *key, int64_t *ret, const char *what,
                  struct tns_error *err);
int tns__json_size(const json_t *obj, const char *key, uint64_t *ret, const char *what,
                   struct tns_error *err);
int tns__json_bool(const json_t *obj, const char *key, bool *ret, const char *what,
                   struct tns_error *err);
int tns__json_arr(const json_t *obj, const char *key, const json_t **ret, const char *what,
                  struct tns_error *err);
int tns__json_obj(const json_t *obj, const char *key, const json_t **ret, const char *what,
                  struct tns_error *err);
int tns__json_str_opt(const json_t *obj, const char *key, const char **ret,
                      const char *what, struct tns_error *err);
int tns__json_int_opt(const json_t *obj, const char *key, int64_t *ret, const char *what,
                      struct tns_error *err);
int tns__json_bool_opt(const json_t *obj, const char *key, bool *ret, const char *what,
                       struct tns_error *err);

/* json_pack that reports lack of memory, or a mistake in the format, as an error. */
json_t *tns__json_pack(struct tns_error *err, const char *fmt, ...);

#endif
