/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory it takes to read a list of thousands of volumes. */
#include "nas/fake.h"

/* The address sanitizer multiplies what everything takes, and answers mallinfo2() with nothing. */
#ifndef __SANITIZE_ADDRESS__
#define MEASURES 1
#else
#define MEASURES 0
#endif

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* What the server's reply is like: every property that may be there, and the tags. */
static char *reply_text(size_t *ret_len)
{
    _tns_json_ json_t *row = fake_row("pool.dataset.query 25.10");
    _tns_free_ char *one = NULL;
    char *text, *p;
    char id[64];
    size_t cap;

    json_object_set_new(row, "id", json_string("tank/vm"));
    json_object_del(row, "snapdev");
    one = json_dumps(row, JSON_COMPACT);
    cap = 24u << 20;
    text = malloc(cap);
    ck_assert(one && text);
    p = text;
    *p++ = '[';
    p += sprintf(p, "%s", one);
    for (int i = 0; p - text < 20 * 1024 * 1024; i++) {
        snprintf(id, sizeof(id), "tank/vm/vm-%d-disk-0", i);
        json_object_set_new(row, "id", json_string(id));
        free(TNS_STEAL(one));
        one = json_dumps(row, JSON_COMPACT);
        p += sprintf(p, ",%s", one);
    }
    *p++ = ']';
    *p = '\0';
    *ret_len = (size_t)(p - text);
    free(TNS_STEAL(one));
    return text;
}

/* Kilobytes, of this process at its largest. */
static long peak_kb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

START_TEST(a_list_of_20_mb_is_read_in_at_most_14_times_its_size)
{
    const struct tns_dataset_filter f = { .parent = "tank/vm", .with_tags = true };
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_dataset_list *l = NULL;
    json_t *reply = NULL;
    size_t len = 0;
    char *text;
    long before;

    if (!MEASURES)
        return;
    text = reply_text(&len);
    /* the text itself counts: it was there before the tree was */
    before = peak_kb() - (long)(len / 1024);
    tst_ok(tns__json_parse(text, len, NULL, &reply, &err), &err);
    free(text);
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(reply);
    fake.hand_over = true;
    tst_ok(tns__dataset_list(fake_session(), &f, &l, &err), &err);
    ck_assert_uint_gt(l->n, 1000);
    printf("# %zu bytes, %zu rows: peak %ld kB, %.1f times\n", len, l->n,
           peak_kb() - before, (double)(peak_kb() - before) * 1024 / (double)len);
    ck_assert_msg((peak_kb() - before) * 1024 <= 14 * (long)len, "%ld kB for %zu bytes",
                  peak_kb() - before, len);
    tns__dataset_list_free(l);
}
END_TEST

START_TEST(an_undone_list_is_freed_row_by_row)
{
    struct tns_error err = TNS_ERROR_INIT;
    const struct tns_dataset_filter f = { .parent = "tank/vm", .with_tags = true };
    struct tns_dataset_list *l = NULL;
    json_t *rows;
    size_t before, after;

    if (!MEASURES)
        return;
    rows = json_array();
    for (int i = 0; i < 2000; i++) {
        char id[64];
        json_t *row = fake_row("pool.dataset.query 25.10");

        snprintf(id, sizeof(id), i ? "tank/vm/vm-%d-disk-0" : "tank/vm", i);
        json_object_set_new(row, "id", json_string(id));
        json_array_append_new(rows, row);
    }
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fake_reply(rows);
    fake.hand_over = true;
    before = mallinfo2().uordblks;
    tst_ok(tns__dataset_list(fake_session(), &f, &l, &err), &err);
    after = mallinfo2().uordblks;
    /* The JSON is gone, and the structs are a small part of it. */
    ck_assert_uint_lt(after, before / 4);
    tns__dataset_list_free(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nas_memory");
    TCase *tc = tcase_create("memory");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_list_of_20_mb_is_read_in_at_most_14_times_its_size);
    tcase_add_test(tc, an_undone_list_is_freed_row_by_row);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
