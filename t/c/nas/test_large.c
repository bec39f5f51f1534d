/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand volumes over the wire: one call for each list, within bounds of time and memory. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "nas/fix.h"

#define VOLUMES 10000
/* Of a row as it is asked for: nine properties and eight tags. */
#define ROW_BYTES_MAX 4096

static long peak_kb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void make_volumes(const struct fix *f)
{
    char text[1024];

    snprintf(
        text, sizeof(text),
        "{\"bulk\":{\"dataset\":\"%s\",\"count\":%d,\"first\":1,\"name\":\"vm-%%d-disk-0\","
        "\"volsize\":%u,\"target\":\"t%s\",\"user\":{\"org.tnstor:owner\":"
        "\"0b0e0b0e-0000-4000-8000-000000000000\",\"org.tnstor:storeid\":\"nas\","
        "\"org.tnstor:volname\":\"{leaf}\",\"org.tnstor:self\":\"{name}\","
        "\"org.tnstor:state\":\"ready\",\"org.tnstor:schema\":\"1\","
        "\"org.tnstor:op\":\"0b0e0b0e-0000-4000-8000-000000000000\"}}}",
        f->root, VOLUMES, 16 * MIB, f->tag);
    tst_sim_world(tst_cell_sim(), text);
}

START_TEST(ten_thousand_volumes_are_listed_in_three_calls)
{
    _fix_ struct fix f;
    _tns_batch_ struct tns_batch *b = NULL;
    struct tns_dataset_filter filter = { .with_tags = true };
    struct tns_dataset_list *d = NULL;
    struct tns_extent_list *e = NULL;
    struct tns_mapping_list *m = NULL;
    char prefix[160];
    struct tns_extent_filter ours = { .disk_prefix = prefix };
    json_int_t calls;
    uint64_t began;
    long before;
    int64_t target = 0;
    char name[64];

    fix_open(&f);
    snprintf(name, sizeof(name), "t%s", f.tag);
    tst_ok(tns__target_create(f.s, name, NULL, NULL, 0, &target, &f.err), &f.err);
    make_volumes(&f);
    /* takes longer than all the rest together, and finds nothing that small lists do not */
    tst_sim_world(tst_cell_sim(), "{\"check_replies\":0}");
    snprintf(prefix, sizeof(prefix), "zvol/%s/", f.root);
    filter.parent = f.root;
    calls = tst_sim_stat(tst_cell_sim(), "calls");
    before = peak_kb();
    began = tns__now_ns();
    b = tns__batch_new(f.s);
    tns__dataset_list_put(b, &filter, &d);
    tns__extent_list_put(b, &ours, &e);
    tns__mapping_list_put(b, NULL, &m);
    tst_ok(tns__batch_run(b, &f.err), &f.err);
    tst_sim_world(tst_cell_sim(), "{\"check_replies\":1}");
    printf("# %s/%s: %d ms, peak %ld MB\n", tst_cell()->release, tst_cell()->dialect,
           (int)((tns__now_ns() - began) / 1000000), (peak_kb() - before) / 1024);
    ck_assert_int_eq(tst_sim_stat(tst_cell_sim(), "calls") - calls, 3);
    ck_assert_uint_eq(d->n, VOLUMES);
    ck_assert_uint_eq(e->n, VOLUMES);
    ck_assert_uint_ge(m->n, VOLUMES);
    ck_assert_str_eq(tns__dataset_tag(&d->items[VOLUMES - 1], "org.tnstor:self"),
                     d->items[VOLUMES - 1].id);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_int_lt(peak_kb() - before, 14L * VOLUMES * ROW_BYTES_MAX / 1024);
#endif
    tns__dataset_list_free(d);
    tns__extent_list_free(e);
    tns__mapping_list_free(m);
}
END_TEST

static void add(TCase *tc)
{
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ten_thousand_volumes_are_listed_in_three_calls);
}

int main(void)
{
    Suite *s = suite_create("nas_large");

    setenv("TNS_TEST_CELLS", "24.10/ddp,25.10/jsonrpc,26/jsonrpc", 1);
    tst_matrix(s, add);
    return tst_run(s);
}
