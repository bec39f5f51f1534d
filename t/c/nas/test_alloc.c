/* SPDX-License-Identifier: Apache-2.0 */
/* Any allocation may fail in any typed call: an error comes back, nothing leaks, nothing breaks. */
#include "nas/fake.h"
#include "nas/ops.h"

#include <unistd.h>

static struct fix fix;

/* What a NAS would answer, by the name of the method. */
static json_t *plausible(const char *method)
{
    static const struct {
        const char *method, *row;
    } rows[] = {
        { "pool.dataset.query", "pool.dataset.query 25.10" },
        { "pool.dataset.create", "pool.dataset.query 25.10" },
        { "pool.dataset.update", "pool.dataset.query 25.10" },
        { "pool.snapshot.query", "zfs.snapshot.query" },
    };
    const char *name = method;
    bool list = strstr(method, ".query") || strstr(method, ".sessions");

    for (size_t i = 0; i < TNS_ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].method, method) == 0)
            name = rows[i].row;
    }
    if (strcmp(method, "system.info") == 0)
        return json_pack("{s: {s: I}}", "datetime", "$date", (json_int_t)1763712923000);
    if (strcmp(method, "system.host_id") == 0)
        return json_string("f3b0c44298fc1c14");
    if (strcmp(method, "pool.dataset.recommended_zvol_blocksize") == 0)
        return json_string("16K");
    if (strcmp(method, "core.bulk") == 0)
        return json_pack("[{s: b, s: n}]", "result", 1, "error");
    if (list || name != method || strcmp(method, "auth.me") == 0 ||
        strcmp(method, "iscsi.global.config") == 0)
        return list ? json_pack("[o]", fake_row(name)) : fake_row(name);
    if (strstr(method, ".create"))
        return json_pack("{s: i}", "id", 7);
    return json_true();
}

/* The dataset that is asked for is the one that is answered. */
static void adopt(json_t *reply, const char *id)
{
    json_t *row = json_is_array(reply) ? json_array_get(reply, 0) : reply;

    if (json_object_get(row, "volsize")) {
        json_object_set_new(row, "id", json_string(id));
        json_object_set_new(row, "user_properties",
                            json_pack("{s: {s: s}, s: {s: s}}", "org.tnstor:self",
                                      "rawvalue", id, "org.tnstor:a", "rawvalue", "1"));
    }
}

/* Learns the replies that an operation needs, in order, by running it until it is content. */
static void script(const struct op *op, struct tns_error *err)
{
    const char *const ids[] = { "tank/vm/vm-101-disk-0", "tank/vm", "tank/vm/made",
                                "tank/vm/fs" };
    int rc = -1;

    for (size_t which = 0; which < TNS_ARRAY_LEN(ids) && rc; which++) {
        fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
        tns__error_clear(err);
        for (size_t round = 0; round < 6; round++) {
            rc = op->run(&fix, err);
            if (rc == 0 || json_array_size(fake.sent) <= fake.n_replies)
                break;
            tns__error_clear(err);
            fake_reply(plausible(fake_method(fake.n_replies)));
            adopt(fake.replies[fake.n_replies - 1], ids[which]);
            fake.next = 0;
            json_array_clear(fake.sent);
        }
    }
    tst_ok(rc, err);
}

static int again(void *user, struct tns_error *err)
{
    const struct op *op = user;

    fake.next = 0;
    json_array_clear(fake.sent);
    return op->run(&fix, err);
}

START_TEST(any_allocation_may_fail)
{
    struct op op = ops[_i];
    struct tns_error err = TNS_ERROR_INIT;

    memset(&fix, 0, sizeof(fix));
    fix.s = fake_session();
    fix.extent_id = fix.target_id = fix.mapping_id = 7;
    snprintf(fix.root, sizeof(fix.root), "tank/vm");
    snprintf(fix.vol, sizeof(fix.vol), "tank/vm/vm-101-disk-0");
    script(&op, &err);
    ck_assert_uint_gt(tst_alloc_sweep(again, &op, NULL), 10);
}
END_TEST

/* A volume is made by the first of several calls, and whether it was is asked of that call alone. */
static int create_of_a_batch(void *user, struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(fix.s);
    struct tns_zvol_spec spec = { .id = "tank/vm/vm-101-disk-0", .volsize_bytes = 1 << 30 };
    struct tns_mapping_list *mappings = NULL;
    int call, rc;

    (void)user;
    if (!b)
        return tns__error_nomem(err);
    fake.next = 0;
    json_array_clear(fake.sent);
    call = tns__zvol_create_put(b, &spec);
    tns__mapping_list_put(b, NULL, &mappings);
    rc = tns__batch_run(b, err);
    if (json_array_size(fake.sent) == 0)
        ck_assert_msg(tns__batch_error(b, call)->code, "never sent, and told as a success");
    tns__mapping_list_free(mappings);
    return rc;
}

START_TEST(a_call_that_was_never_sent_has_an_error_of_its_own)
{
    struct tns_error err = TNS_ERROR_INIT;

    memset(&fix, 0, sizeof(fix));
    fake_open("TrueNAS-25.10.2.1", TNS_DIALECT_JSONRPC);
    fix.s = fake_session();
    fake_reply(plausible("pool.dataset.create"));
    fake_reply(plausible("iscsi.targetextent.query"));
    tst_ok(create_of_a_batch(NULL, &err), &err);
    ck_assert_uint_gt(tst_alloc_sweep(create_of_a_batch, NULL, NULL), 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nas_alloc");
    TCase *tc = tcase_create("alloc");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, any_allocation_may_fail, 0, OPS_COUNT);
    tcase_add_test(tc, a_call_that_was_never_sent_has_an_error_of_its_own);
    suite_add_tcase(s, tc);
    return tst_run(s);
}
