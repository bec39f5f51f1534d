/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside: limits before allocation, no ambiguity, and decoders that name what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "common/tst.h"

static int parse(const char *text, const struct tns_json_limits *limits,
                 struct tns_error *err)
{
    _tns_json_ json_t *value = NULL;
    int rc = tns__json_parse(text, strlen(text), limits, &value, err);

    ck_assert_msg((rc == 0) == (value != NULL), "answered %d, value %p", rc, (void *)value);
    return rc;
}

/* `n` times `part`, between `head` and `tail`. */
static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
    size_t len = strlen(part);
    char *text = tns__alloc(strlen(head) + n * len + strlen(tail) + 1);
    char *p = stpcpy(text, head);

    for (size_t i = 0; i < n; i++)
        p = stpcpy(p, part);
    strcpy(p, tail);
    return text;
}

START_TEST(test_any_value_is_accepted_at_the_top)
{
    static const char *const good[] = { "null",
                                        "true",
                                        "-1",
                                        "1.5e3",
                                        "\"x\"",
                                        "[]",
                                        "{}",
                                        " [1, {\"a\": [null]}] \n",
                                        "9223372036854775807" };
    struct tns_error err = TNS_ERROR_INIT;

    for (size_t i = 0; i < TNS_ARRAY_LEN(good); i++)
        tst_ok(parse(good[i], NULL, &err), &err);
}
END_TEST

/* RELIABILITY W04 */
static const char *const w04_bad[] = {
    "",
    " ",
    "{",
    "[1,",
    "\"abc",
    "\"abc\\",
    "{\"a\"",
    "{\"a\":",
    "nul",
    "[1] [2]",
    "[1]x",
    "]",
    "[}",
    "[1,]",
    "{\"a\":1,}",
    "{a:1}",
    "{1:2}",
    "{\"a\":1,\"a\":1}",
    "[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]",
    "NaN",
    "[Infinity]",
    "[-Infinity]",
    "9223372036854775808",
    "[-9223372036854775809]",
    "1e400",
    "[-1e400]",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\u0000\"",
    "{\"a\\u0000b\":1}",
    "\"\x01\"",
    "\"\n\"",
    "\"\xff\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\\x41\"",
    "\"\\u12\"",
    "01",
    "+1",
    ".5",
    "1.",
    "- 1",
    "// a\n1",
    "'a'",
    ":::::::::",
    ",,,,",
};

START_TEST(W04_what_is_no_clean_json_is_a_protocol_error)
{
    struct tns_error err = TNS_ERROR_INIT;

    int rc = parse(w04_bad[_i], NULL, &err);

    ck_assert_msg(rc == -TNS_E_PROTOCOL, "%s: answered %d", w04_bad[_i], rc);
    ck_assert_int_eq(err.code, TNS_E_PROTOCOL);
    ck_assert_msg(strstr(err.text, "JSON") != NULL, "%s", err.text);
}
END_TEST

START_TEST(W04_a_nul_in_the_text_is_a_protocol_error)
{
    struct tns_error err = TNS_ERROR_INIT;
    json_t *value = NULL;

    tst_fails(tns__json_parse("[1]\0", 4, NULL, &value, &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_parse("\"a\0b\"", 5, NULL, &value, &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_parse("[\0]", 3, NULL, &value, &err), TNS_E_PROTOCOL, &err);
    ck_assert_ptr_null(value);
}
END_TEST

START_TEST(W04_every_truncation_of_a_reply_is_refused)
{
    static const char whole[] =
        "{\"id\":\"a\\u00e9\\\"\",\"result\":[{\"x\":-1.5e2},null,true]}";
    struct tns_error err = TNS_ERROR_INIT;
    json_t *value = NULL;

    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        /* an exact copy, so that a reader beyond the end is caught by the tools */
        _tns_free_ char *part = malloc(len ? len : 1);

        memcpy(part, whole, len);
        tst_fails(tns__json_parse(part, len, NULL, &value, &err), TNS_E_PROTOCOL, &err);
    }
    tst_ok(parse(whole, NULL, &err), &err);
}
END_TEST

START_TEST(W04_a_depth_bomb_is_refused_before_memory_is_taken)
{
    static const char *const opens[] = { "[", "{\"a\":", "[{\"a\":" };
    struct tns_error err = TNS_ERROR_INIT;
    size_t before;

    for (size_t i = 0; i < TNS_ARRAY_LEN(opens); i++) {
        _tns_free_ char *bomb = repeat("", opens[i], 1000000, "");

        tns__mem_hook_jansson();
        before = tns__mem_count();
        tst_fails(parse(bomb, NULL, &err), TNS_E_PROTOCOL, &err);
        ck_assert_uint_eq(tns__mem_count(), before);
    }
}
END_TEST

START_TEST(test_depth_at_the_limit_passes_and_one_more_does_not)
{
    const struct tns_json_limits *limits = &tns__json_default_limits;
    struct tns_error err = TNS_ERROR_INIT;
    char text[2 * 40 + 1];

    for (size_t depth = limits->depth; depth <= limits->depth + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        if (depth == limits->depth)
            tst_ok(parse(text, limits, &err), &err);
        else
            tst_fails(parse(text, limits, &err), TNS_E_PROTOCOL, &err);
    }
    /* closed again is not deep */
    _tns_free_ char *flat = repeat("[", "[],", 1000, "[]]");
    tst_ok(parse(flat, limits, &err), &err);
}
END_TEST

START_TEST(W04_values_are_counted_exactly)
{
    static const struct {
        const char *text;
        size_t nodes;
    } rows[] = {
        { "1", 1 },
        { "[]", 1 },
        { "[1,2,3]", 4 },
        { "{\"a\":1}", 2 },
        { "{\"a\":\"b\",\"c\":{\"d\":[true,null,-1e5]}}", 7 },
        { "[\"a:b\",\"\\\":\"]", 3 },
        { "{\"a\" : [ ] , \"b\" : 2}", 3 },
    };
    struct tns_json_limits limits = tns__json_default_limits;
    struct tns_error err = TNS_ERROR_INIT;

    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++) {
        limits.nodes = rows[i].nodes;
        tst_ok(parse(rows[i].text, &limits, &err), &err);
        limits.nodes = rows[i].nodes - 1;
        tst_fails(parse(rows[i].text, &limits, &err), TNS_E_PROTOCOL, &err);
    }
}
END_TEST

START_TEST(W04_a_huge_array_is_refused_before_memory_is_taken)
{
    _tns_free_ char *huge = repeat("[", "0,", tns__json_default_limits.nodes, "0]");
    struct tns_error err = TNS_ERROR_INIT;
    size_t before;

    tns__mem_hook_jansson();
    before = tns__mem_count();
    tst_fails(parse(huge, NULL, &err), TNS_E_PROTOCOL, &err);
    ck_assert_uint_eq(tns__mem_count(), before);
}
END_TEST

START_TEST(test_long_strings_and_texts_are_refused_at_their_limit)
{
    struct tns_json_limits limits = tns__json_default_limits;
    struct tns_error err = TNS_ERROR_INIT;

    limits.string = 4;
    tst_ok(parse("{\"abcd\":\"1234\"}", &limits, &err), &err);
    tst_fails(parse("[\"12345\"]", &limits, &err), TNS_E_PROTOCOL, &err);
    tst_fails(parse("{\"abcde\":1}", &limits, &err), TNS_E_PROTOCOL, &err);
    limits.bytes = 5;
    tst_ok(parse("[1,2]", &limits, &err), &err);
    tst_fails(parse("[1,2] ", &limits, &err), TNS_E_PROTOCOL, &err);
}
END_TEST

START_TEST(test_a_syntax_error_does_not_quote_the_text)
{
    struct tns_error err = TNS_ERROR_INIT;

    parse("{\"api_key\": \"hunter2hunter2\" \"x\"}", NULL, &err);
    ck_assert_int_eq(err.code, TNS_E_PROTOCOL);
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
}
END_TEST

START_TEST(test_dump_is_compact_and_reads_back)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *value = tns__json_pack(&err, "{s:[i,s?,b]}", "a", 1, NULL, 1);
    _tns_free_ char *text = NULL;
    size_t len = 0;

    ck_assert_ptr_nonnull(value);
    text = tns__json_dump(value, &len);
    ck_assert_str_eq(text, "{\"a\":[1,null,true]}");
    ck_assert_uint_eq(len, strlen(text));
}
END_TEST

START_TEST(test_pack_tells_a_bad_format_as_a_bug_and_a_missing_part_as_no_memory)
{
    struct tns_error err = TNS_ERROR_INIT;

    ck_assert_ptr_null(tns__json_pack(&err, "{s:q}", "a"));
    tst_fails(-err.code, TNS_E_BUG, &err);
    ck_assert_ptr_null(tns__json_pack(&err, "{s:s}", "a", NULL));
    tst_fails(-err.code, TNS_E_BUG, &err);
    ck_assert_ptr_null(tns__json_pack(&err, "{s:i}", NULL, 1));
    tst_fails(-err.code, TNS_E_BUG, &err);
    /* a part that could not be made for lack of memory */
    ck_assert_ptr_null(tns__json_pack(&err, "{s:o}", "a", NULL));
    tst_fails(-err.code, TNS_E_NOMEM, &err);
}
END_TEST

START_TEST(test_members_come_typed)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *obj = tns__json_pack(&err, "{s:s,s:I,s:b,s:[],s:{}}", "str", "x",
                                            "int", INT64_MAX, "bool", 1, "arr", "obj");
    const char *str = NULL;
    const json_t *arr = NULL, *sub = NULL;
    int64_t number = 0;
    uint64_t size = 0;
    bool flag = false;

    ck_assert_ptr_nonnull(obj);
    tst_ok(tns__json_str(obj, "str", &str, "reply", &err), &err);
    tst_ok(tns__json_int(obj, "int", &number, "reply", &err), &err);
    tst_ok(tns__json_size(obj, "int", &size, "reply", &err), &err);
    tst_ok(tns__json_bool(obj, "bool", &flag, "reply", &err), &err);
    tst_ok(tns__json_arr(obj, "arr", &arr, "reply", &err), &err);
    tst_ok(tns__json_obj(obj, "obj", &sub, "reply", &err), &err);
    ck_assert_str_eq(str, "x");
    ck_assert_int_eq(number, INT64_MAX);
    ck_assert_uint_eq(size, INT64_MAX);
    ck_assert(flag);
    ck_assert(json_is_array(arr) && json_is_object(sub));
}
END_TEST

START_TEST(test_a_wrong_member_is_named_and_leaves_the_output)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *obj = tns__json_pack(&err, "{s:s,s:i,s:n,s:f}", "str", "x", "neg",
                                            -1, "nul", "real", 1.0);
    const char *str = "before";
    int64_t number = 7;
    uint64_t size = 7;

    tns__json_str(obj, "gone", &str, "reply of x.y", &err);
    ck_assert_str_eq(err.text, "reply of x.y has no \"gone\"");
    tst_fails(-err.code, TNS_E_PROTOCOL, &err);
    tns__json_int(obj, "str", &number, "reply of x.y", &err);
    ck_assert_str_eq(err.text, "reply of x.y: \"str\" is not an integer");
    tst_fails(-err.code, TNS_E_PROTOCOL, &err);

    tst_fails(tns__json_size(obj, "neg", &size, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_int(obj, "real", &number, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_str(obj, "nul", &str, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_str(NULL, "a", &str, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_str_opt(NULL, "a", &str, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_str(json_true(), "a", &str, "r", &err), TNS_E_PROTOCOL, &err);
    ck_assert_str_eq(str, "before");
    ck_assert_int_eq(number, 7);
    ck_assert_uint_eq(size, 7);
}
END_TEST

START_TEST(test_optional_members_may_be_absent_or_null_but_not_of_another_type)
{
    struct tns_error err = TNS_ERROR_INIT;
    _tns_json_ json_t *obj =
        tns__json_pack(&err, "{s:n,s:s,s:i}", "nul", "str", "x", "int", 3);
    const char *str = "before";
    int64_t number = 7;
    bool flag = true;

    tst_ok(tns__json_str_opt(obj, "nul", &str, "r", &err), &err);
    tst_ok(tns__json_str_opt(obj, "gone", &str, "r", &err), &err);
    tst_ok(tns__json_int_opt(obj, "nul", &number, "r", &err), &err);
    tst_ok(tns__json_bool_opt(obj, "gone", &flag, "r", &err), &err);
    ck_assert_str_eq(str, "before");
    ck_assert_int_eq(number, 7);
    ck_assert(flag);

    tst_fails(tns__json_int_opt(obj, "str", &number, "r", &err), TNS_E_PROTOCOL, &err);
    tst_fails(tns__json_bool_opt(obj, "int", &flag, "r", &err), TNS_E_PROTOCOL, &err);
    tst_ok(tns__json_str_opt(obj, "str", &str, "r", &err), &err);
    tst_ok(tns__json_int_opt(obj, "int", &number, "r", &err), &err);
    ck_assert_str_eq(str, "x");
    ck_assert_int_eq(number, 3);
}
END_TEST

/* Long enough for arrays and hash tables to grow, where jansson 2.14 drops what it has no room for. */
static json_t *wide_value(struct tns_error *err)
{
    _tns_json_ json_t *value = tns__json_pack(err, "{s:s,s:[i,f,b,n],s:{s:s}}", "a", "text",
                                              "list", 1, 2.5, 1, "o", "k", "v");
    char key[16];

    for (int i = 0; value && i < 70; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        if (json_object_set_new(value, key, json_integer(i)) < 0 ||
            json_array_append_new(json_object_get(value, "list"), json_string(key)) < 0) {
            tns__error_nomem(err);
            return NULL;
        }
    }
    return TNS_STEAL(value);
}

static int sweep_round_trip(void *user, struct tns_error *err)
{
    _tns_json_ json_t *value = NULL, *again = NULL;
    _tns_free_ char *text = NULL;
    size_t len = 0;
    int rc;

    (void)user;
    value = wide_value(err);
    if (!value)
        return -err->code;
    text = tns__json_dump(value, &len);
    if (!text)
        return tns__error_nomem(err);
    rc = tns__json_parse(text, len, NULL, &again, err);
    if (rc == 0)
        ck_assert(json_equal(value, again));
    return rc;
}

START_TEST(test_allocation_sweep_over_pack_dump_and_parse)
{
    ck_assert_uint_gt(tst_alloc_sweep(sweep_round_trip, NULL, NULL), 300);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");

    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, test_any_value_is_accepted_at_the_top);
    tcase_add_loop_test(tc, W04_what_is_no_clean_json_is_a_protocol_error, 0,
                        (int)TNS_ARRAY_LEN(w04_bad));
    tcase_add_test(tc, W04_a_nul_in_the_text_is_a_protocol_error);
    tcase_add_test(tc, W04_every_truncation_of_a_reply_is_refused);
    tcase_add_test(tc, W04_a_depth_bomb_is_refused_before_memory_is_taken);
    tcase_add_test(tc, test_depth_at_the_limit_passes_and_one_more_does_not);
    tcase_add_test(tc, W04_values_are_counted_exactly);
    tcase_add_test(tc, W04_a_huge_array_is_refused_before_memory_is_taken);
    tcase_add_test(tc, test_long_strings_and_texts_are_refused_at_their_limit);
    tcase_add_test(tc, test_a_syntax_error_does_not_quote_the_text);
    tcase_add_test(tc, test_dump_is_compact_and_reads_back);
    tcase_add_test(tc,
                   test_pack_tells_a_bad_format_as_a_bug_and_a_missing_part_as_no_memory);
    tcase_add_test(tc, test_members_come_typed);
    tcase_add_test(tc, test_a_wrong_member_is_named_and_leaves_the_output);
    tcase_add_test(tc, test_optional_members_may_be_absent_or_null_but_not_of_another_type);
    tcase_add_test(tc, test_allocation_sweep_over_pack_dump_and_parse);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
