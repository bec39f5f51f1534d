/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the NAS: one row here for each shape that was seen, in the words it was seen in. */
#include <errno.h>
#include <string.h>

#include "rpc/script.h"

struct shape {
    const char *method;
    int remote_code, remote_errno;
    const char *reason;
    const char *extra; /* JSON or NULL */
    int code;
    uint32_t flags;
    uint32_t retry_after_ms;
};

#define R TNS_F_RETRYABLE
#define U TNS_F_OUTCOME_UNKNOWN

static const struct shape shapes[] = {
    /* the envelope */
    { "a.b", -32700, 0, "Batch messages are not supported at this time", NULL,
      TNS_E_PROTOCOL, 0, 0 },
    { "a.b", -32600, 0, "Invalid request", NULL, TNS_E_PROTOCOL, 0, 0 },
    { "no.such", -32601, 0, "Method does not exist", NULL, TNS_E_UNSUPPORTED, 0, 0 },
    { "no.such", -32001, 201, "[ENOMETHOD] Method 'such' not found in 'no'", NULL,
      TNS_E_UNSUPPORTED, 0, 0 },
    { "a.b", -32000, 0, "Maximum number of concurrent calls (20) has exceeded", NULL,
      TNS_E_BUSY, R, 1000 },
    { "a.b", -32001, 109, "Maximum number of concurrent calls (20) has exceeded.", NULL,
      TNS_E_BUSY, R, 1000 },
    /* who asks */
    { "auth.login_ex", -32001, 16, "[EBUSY] Rate Limit Exceeded", NULL, TNS_E_BUSY, R,
      60000 },
    { "a.b", -32001, 207, "[ENOTAUTHENTICATED] Not authenticated", NULL, TNS_E_AUTH, 0, 0 },
    { "a.b", -32001, 13, "[EACCES] Session is expired", NULL, TNS_E_AUTH, 0, 0 },
    { "a.b", -32001, 13, "[EACCES] Not authorized", NULL, TNS_E_PERMISSION, 0, 0 },
    { "service.control", -32001, 1,
      "[EPERM] iscsitarget: authenticated session lacks privilege to start service", NULL,
      TNS_E_PERMISSION, 0, 0 },
    { "auth.login_ex", -32001, 95, "[EOPNOTSUPP] API keys are not supported", NULL,
      TNS_E_UNSUPPORTED, 0, 0 },
    /* not found, in six ways */
    { "pool.dataset.get_instance", -32602, 22,
      "[ENOENT] None: PoolDataset tank/none does not exist",
      "[[null,\"PoolDataset tank/none does not exist\",2]]", TNS_E_NOTFOUND, 0, 0 },
    { "pool.dataset.update", -32602, 22, "[ENOENT] id: tank/x does not exist",
      "[[\"id\",\"tank/x does not exist\",2]]", TNS_E_NOTFOUND, 0, 0 },
    { "pool.dataset.query", -32001, 22, "MatchNotFound()", NULL, TNS_E_NOTFOUND, 0, 0 },
    { "pool.dataset.promote", -32001, 2, "[ENOENT] tank/x", NULL, TNS_E_NOTFOUND, 0, 0 },
    { "zfs.snapshot.rollback", -32001, 14,
      "[EFAULT] Failed to rollback snapshot: cannot open 'tank/x@s': dataset does not "
      "exist",
      NULL, TNS_E_NOTFOUND, 0, 0 },
    { "pool.snapshot.rollback", -32001, 22, "[EINVAL] 'tank/x@s' not found", NULL,
      TNS_E_NOTFOUND, 0, 0 },
    { "zfs.resource.snapshot.destroy", -32602, 22,
      "[ENOENT] zfs.resource.snapshot.destroy: 'tank/x@s' not found",
      "[[\"zfs.resource.snapshot.destroy\",\"'tank/x@s' not found\",2]]", TNS_E_NOTFOUND, 0,
      0 },
    { "iscsi.extent.update", -32001, 2, "iSCSITargetExtent 9999 does not exist", NULL,
      TNS_E_NOTFOUND, 0, 0 },
    { "pool.dataset.create", -32602, 22,
      "[EINVAL] pool_dataset_create.name: Parent dataset (tank/no) does not exist.",
      "[[\"pool_dataset_create.name\",\"Parent dataset (tank/no) does not exist.\",22]]",
      TNS_E_NOTFOUND, 0, 0 },
    /* already there */
    { "pool.dataset.create", -32001, 14,
      "[EFAULT] Failed to create dataset: cannot create 'tank/x': dataset already exists",
      NULL, TNS_E_EXISTS, 0, 0 },
    { "zfs.snapshot.create", -32001, 17,
      "[EEXIST] Failed to snapshot tank/x@s: cannot create snapshot: dataset already "
      "exists",
      NULL, TNS_E_EXISTS, 0, 0 },
    { "pool.snapshot.create", -32602, 22,
      "[EEXIST] pool.snapshot.create: tank/x@s already exists.",
      "[[\"pool.snapshot.create\",\"tank/x@s already exists.\",17]]", TNS_E_EXISTS, 0, 0 },
    { "pool.snapshot.clone", -32001, 22, "[EINVAL] 'tank/c' already exists", NULL,
      TNS_E_EXISTS, 0, 0 },
    { "iscsi.extent.create", -32602, 22,
      "[EINVAL] iscsi_extent_create.name: Extent name must be unique",
      "[[\"iscsi_extent_create.name\",\"Extent name must be unique\",22]]", TNS_E_EXISTS, 0,
      0 },
    { "iscsi.extent.create", -32602, 22,
      "[EINVAL] iscsi_extent_create.disk: Disk currently in use by extent vm-1", NULL,
      TNS_E_EXISTS, 0, 0 },
    { "iscsi.target.create", -32602, 22,
      "[EINVAL] iscsi_target_create.name: Target with this name already exists", NULL,
      TNS_E_EXISTS, 0, 0 },
    { "iscsi.targetextent.create", -32602, 22,
      "[EINVAL] iscsi_targetextent_create.extent: Extent is already in use.", NULL,
      TNS_E_EXISTS, 0, 0 },
    { "iscsi.targetextent.create", -32602, 22,
      "[EINVAL] iscsi_targetextent_create.lunid: LUN ID is already being used for this "
      "target.",
      NULL, TNS_E_EXISTS, 0, 0 },
    /* in the way */
    { "pool.snapshot.delete", -32602, 22,
      "[EINVAL] options.defer: Please set this attribute as 'tank/x@s' snapshot has "
      "dependent "
      "clones: tank/c",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "pool.snapshot.delete", -32602, 22,
      "[EBUSY] zfs.resource.snapshot.destroy: 'tank/x@s' has the following clones: tank/c",
      "[[\"zfs.resource.snapshot.destroy\",\"'tank/x@s' has the following clones: "
      "tank/c\",16]]",
      TNS_E_CONFLICT, 0, 0 },
    { "pool.snapshot.delete", -32602, 22,
      "[EBUSY] zfs.resource.snapshot.destroy: 'tank/x@s' has the following holds: truenas",
      "[[\"zfs.resource.snapshot.destroy\",\"'tank/x@s' has the following holds: "
      "truenas\",16]]",
      TNS_E_CONFLICT, 0, 0 },
    { "pool.dataset.delete", -32001, 39,
      "[ENOTEMPTY] Failed to delete dataset: cannot destroy 'tank/vm': filesystem has "
      "children",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "pool.dataset.delete", -32602, 22,
      "[ENOTEMPTY] zfs.resource.destroy: 'tank/x' has snapshots. Set recursive=True to "
      "remove them.",
      "[[\"zfs.resource.destroy\",\"'tank/x' has snapshots.\",39]]", TNS_E_CONFLICT, 0, 0 },
    { "pool.snapshot.rollback", -32001, 14,
      "[EFAULT] Failed to rollback snapshot: cannot rollback to 'tank/x@s': more recent "
      "snapshots or "
      "bookmarks exist\nuse '-r' to force deletion",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "pool.snapshot.rollback", -32001, 22,
      "Cannot rollback: more recent snapshots or bookmarks exist. Please pass `recursive: "
      "true`",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "iscsi.targetextent.delete", -32001, 14,
      "[EFAULT] Associated target iqn.2005-10.org.freenas.ctl:pve is in use.", NULL,
      TNS_E_CONFLICT, 0, 0 },
    { "iscsi.extent.delete", -32001, 14, "[EFAULT] Associated target(s) a,b are in use.",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "pool.dataset.update", -32602, 22,
      "[EINVAL] pool_dataset_update.volsize: You cannot shrink a zvol from GUI, this may "
      "lead to data "
      "loss.",
      NULL, TNS_E_CONFLICT, 0, 0 },
    { "pool.dataset.delete", -32001, 16,
      "[EBUSY] Failed to delete dataset: cannot destroy 'tank/x': dataset is busy", NULL,
      TNS_E_BUSY, 0, 0 },
    /* no room */
    { "pool.dataset.create", -32602, 22,
      "[EINVAL] pool_dataset_create.volsize: It is not recommended to use more than 80% of "
      "your "
      "available space for VOLUME",
      NULL, TNS_E_CAPACITY, 0, 0 },
    { "pool.dataset.create", -32001, 14, "[EFAULT] Failed to create dataset: out of space",
      NULL, TNS_E_CAPACITY, 0, 0 },
    { "pool.dataset.create", -32001, 28, "[ENOSPC] no space", NULL, TNS_E_CAPACITY, 0, 0 },
    { "pool.dataset.create", -32001, 122, "[EDQUOT] quota", NULL, TNS_E_CAPACITY, 0, 0 },
    /* not now */
    { "pool.dataset.create", -32001, 205, "[EDATASETISLOCKED] tank/x", NULL, TNS_E_LOCKED,
      0, 0 },
    { "a.b", -32001, 210, "[EHAUNAVAILABLE] standby", NULL, TNS_E_UNAVAILABLE, R, 0 },
    { "a.b", -32001, 14, "[EFAULT] cannot open 'tank': pool I/O is currently suspended",
      NULL, TNS_E_UNAVAILABLE, 0, 0 },
    { "iscsi.extent.create", -32602, 22,
      "[EINVAL] iscsi_extent_create.disk: Device '/dev/zvol/tank/x' for volume 'tank/x' "
      "does not "
      "exist",
      NULL, TNS_E_UNAVAILABLE, R, 0 },
    /* C07: the row may be in the database, with the service not reloaded */
    { "iscsi.targetextent.create", -32001, 202, "[ESERVICESTARTFAILURE] reload failed",
      NULL, TNS_E_SERVER, U, 0 },
    { "service.control", -32001, 110, "[ETIMEDOUT] Timed out while starting the service",
      NULL, TNS_E_SERVER, U, 0 },
    /* what remains */
    { "iscsi.auth.create", -32602, 22,
      "[EINVAL] iscsi_auth_create.secret: Secret must be between 12 and 16 characters.",
      "[[\"iscsi_auth_create.secret\",\"Secret must be between 12 and 16 "
      "characters.\",22]]",
      TNS_E_USAGE, 0, 0 },
    { "pool.dataset.create", -32602, 11, "[EINVAL] a: x\n[EINVAL] b: y",
      "[[\"a\",\"x\",22],[\"b\",\"y\",22]]", TNS_E_USAGE, 0, 0 },
    { "a.b", -32001, 14, "[EFAULT] something else", NULL, TNS_E_SERVER, 0, 0 },
    { "a.b", -32001, 22, "TypeError('missing 1 required positional argument')", NULL,
      TNS_E_SERVER, 0, 0 },
    { "a.b", -32001, 0, NULL, NULL, TNS_E_SERVER, 0, 0 },
};

#undef R
#undef U

START_TEST(test_C36_every_known_error_has_its_code)
{
    const struct shape *w = &shapes[_i];
    json_t *extra = w->extra ? json_loads(w->extra, 0, NULL) : NULL;
    struct tns_error err = TNS_ERROR_INIT;

    ck_assert(!w->extra || extra);
    tns__errmap_middleware(&err, w->method, w->remote_code, w->remote_errno, w->reason,
                           extra);
    ck_assert_msg(err.code == w->code, "\"%s\" is %s, not %s", w->reason,
                  tns_code_name(err.code), tns_code_name(w->code));
    ck_assert_uint_eq(err.flags, w->flags);
    ck_assert_uint_eq(err.retry_after_ms, w->retry_after_ms);
    ck_assert_str_eq(err.op, w->method);
    ck_assert_ptr_nonnull(strstr(err.text, w->method));
    ck_assert_ptr_null(strstr(err.text, "[E"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    json_decref(extra);
}
END_TEST

START_TEST(test_the_errno_inside_is_told)
{
    json_t *extra = json_loads("[[\"a\",\"x\",22],[null,\"gone\",2]]", 0, NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tns__errmap_middleware(&err, "a.b", -32602, 22, "reason", extra);
    ck_assert_int_eq(err.remote_errno, ENOENT);
    ck_assert_int_eq(err.remote_code, -32602);
    json_decref(extra);
}
END_TEST

START_TEST(test_the_first_error_stays)
{
    struct tns_error err = TNS_ERROR_INIT;

    tns__error_set(&err, TNS_E_BUG, "first");
    tns__errmap_middleware(&err, "a.b", -32001, 2, "second", NULL);
    tns__errmap_rest(&err, "a.b", 401, "GET", NULL);
    ck_assert_str_eq(err.text, "first");
    ck_assert_int_eq(err.remote_code, 0);
    tns__errmap_middleware(NULL, "a.b", -32001, 2, "nobody asks", NULL);
}
END_TEST

/* ---- REST ---- */

struct answer {
    int status;
    const char *verb;
    const char *body; /* JSON */
    int code;
    const char *words;
};

static const struct answer answers[] = {
    { 401, "GET", "null", TNS_E_AUTH, "API key" },
    { 403, "GET", "null", TNS_E_PERMISSION, "administrators" },
    { 404, "GET", "{\"message\":\"\"}", TNS_E_NOTFOUND, "a.b" },
    { 404, "GET", "null", TNS_E_UNSUPPORTED, "REST" },
    { 404, "POST", "{\"message\":\"\"}", TNS_E_UNSUPPORTED, "REST" },
    { 405, "POST", "null", TNS_E_UNSUPPORTED, "REST" },
    { 400, "POST", "{\"message\":\"Unexpected key\"}", TNS_E_USAGE, "Unexpected key" },
    { 422, "DELETE",
      "{\"message\":\"Failed to delete dataset: cannot destroy 'x': dataset is "
      "busy\",\"errno\":16}",
      TNS_E_BUSY, "dataset is busy" },
    { 422, "PUT",
      "{\"null\":[{\"message\":\"iSCSITargetExtent 9999 does not exist\",\"errno\":2}]}",
      TNS_E_NOTFOUND, "9999" },
    { 422, "POST",
      "{\"pool_dataset_create.name\":[{\"message\":\"Parent dataset (tank/no) does not "
      "exist.\","
      "\"errno\":22}]}",
      TNS_E_NOTFOUND, "pool_dataset_create.name: Parent" },
    { 422, "POST",
      "{\"a\":[{\"message\":\"too short\",\"errno\":22}],\"b\":[{\"message\":\"too long\","
      "\"errno\":22}]}",
      TNS_E_USAGE, "a: too short; b: too long" },
    { 500, "POST", "{\"message\":\"MatchNotFound()\",\"traceback\":\"secret inside\"}",
      TNS_E_NOTFOUND, "a.b" },
    { 500, "POST", "null", TNS_E_SERVER, "500" },
    { 418, "POST", "[]", TNS_E_SERVER, "418" },
};

START_TEST(test_every_answer_of_REST_has_its_code)
{
    const struct answer *a = &answers[_i];
    json_t *body = json_loads(a->body, JSON_DECODE_ANY, NULL);
    struct tns_error err = TNS_ERROR_INIT;

    tns__errmap_rest(&err, "a.b", a->status, a->verb, body);
    ck_assert_msg(err.code == a->code, "%d %s is %s, not %s", a->status, a->body,
                  tns_code_name(err.code), tns_code_name(a->code));
    tst_says(&err, a->words);
    ck_assert_int_eq(err.remote_code, a->status);
    ck_assert_str_eq(err.op, "a.b");
    ck_assert_ptr_null(strstr(err.text, "secret inside"));
    json_decref(body);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("errmap");
    TCase *tc = tcase_create("errmap");

    tcase_add_loop_test(tc, test_C36_every_known_error_has_its_code, 0,
                        sizeof(shapes) / sizeof(shapes[0]));
    tcase_add_test(tc, test_the_errno_inside_is_told);
    tcase_add_test(tc, test_the_first_error_stays);
    tcase_add_loop_test(tc, test_every_answer_of_REST_has_its_code, 0,
                        sizeof(answers) / sizeof(answers[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return tst_run(suite());
}
