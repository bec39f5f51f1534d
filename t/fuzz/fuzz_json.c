/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: limits hold, what is accepted can be written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tns_json_limits limits = {
    .bytes = 1u << 16, .depth = 16, .nodes = 500, .string = 200
};

static size_t count(const json_t *value, size_t depth)
{
    const json_t *member;
    const char *key;
    size_t i, n = 1;

    if (depth > limits.depth)
        abort();
    if (json_is_array(value)) {
        json_array_foreach(value, i, member) n += count(member, depth + 1);
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member) n +=
            count(member, depth + 1);
    }
    if (json_is_string(value) && json_string_length(value) > limits.string)
        abort();
    return n;
}

static void round_trip(const json_t *value)
{
    struct tns_json_limits wide = tns__json_default_limits;
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *again = NULL;
    size_t len = 0;
    _tns_free_ char *text = tns__json_dump(value, &len);

    if (!text || tns__json_parse(text, len, &wide, &again, &err) < 0)
        abort();
    /* a real may lose digits on the way, its shape may not change */
    if (json_typeof(value) != json_typeof(again) || count(value, 0) != count(again, 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *value = NULL;
    _tns_free_ char *line = tns__strndup((const char *)data, size);
    int rc;

    rc = tns__json_parse((const char *)data, size, &limits, &value, &err);
    if (rc == 0) {
        if (count(value, 0) > limits.nodes)
            abort();
        round_trip(value);
    } else if (err.code != TNS_E_PROTOCOL || !err.text[0]) {
        abort();
    }

    /* the same bytes as a line of text */
    tns__redact(line);
    tns__text_clean(line);
    tns__text_cut(line, 100);
    if (strlen(line) > 100 || strpbrk(line, "\n\r\x1b"))
        abort();
    return 0;
}
