/* SPDX-License-Identifier: Apache-2.0 */
/* C29: a NAS that was replaced, or that took the address over, is refused before anything
 * on it is read for ours, until an administrator says that it is meant. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "volume/plan.h"
#include "vt.h"

#define DISK "vm-100-disk-0"

static void make_etc_pve(const struct vt *v)
{
    static const char *const dirs[] = { "etc", "etc/pve", "etc/pve/priv" };
    char path[300];

    for (size_t i = 0; i < TNS_ARRAY_LEN(dirs); i++) {
        snprintf(path, sizeof(path), "%s/%s", v->root, dirs[i]);
        mkdir(path, 0700);
    }
}

static int forget_pin(const struct vt *v)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/etc/pve/priv/tnstor/pool-nas", v->root);
    return unlink(path);
}

/* With a dataset and a volume of the same names, and the tags that ours has. */
static void same_names(const struct tst_sim *sim, const struct vt *v)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"dataset\": {\"name\": \"%s\", \"create\": {}}}",
             v->dataset);
    tst_sim_world(sim, text);
    snprintf(text, sizeof(text),
             "{\"dataset\": {\"name\": \"%s/" DISK "\", \"create\": {\"volsize\": "
             "1073741824}, \"user\": {\"org.tnstor:owner\": \"" VT_OWNER
             "\", \"org.tnstor:storeid\": \"nas\", \"org.tnstor:volname\": \"" DISK
             "\", \"org.tnstor:self\": \"%s/" DISK "\", \"org.tnstor:state\": \"ready\", "
             "\"org.tnstor:op\": \"1\", \"org.tnstor:schema\": \"1\"}}, \"snapshot\": "
             "\"%s/" DISK "@s1\"}",
             v->dataset, v->dataset, v->dataset);
    tst_sim_world(sim, text);
}

static struct tns_storage *at(const struct vt *v, const struct tst_sim *sim)
{
    static unsigned count;
    char run[240];
    char text[700];

    /* Each with logins of its own. */
    snprintf(run, sizeof(run), "%s-%u", v->run, count++);
    mkdir(run, 0700);
    snprintf(text, sizeof(text),
             "{\"api_port\": %d, \"tn_fingerprint\": \"%s\", \"api_key\": \"%s\", "
             "\"tn_run_dir\": \"%s\"}",
             sim->port, sim->fingerprint, sim->api_key, run);
    return vt_more(v, "n1", text);
}

/* Every operation that asks the NAS anything; a fresh handle each, so that none is refused
 * for what another has seen. */
static int ask(struct tns_storage *st, unsigned which, struct tns_error *err)
{
    json_t *out = NULL;
    char name[256];

    switch (which) {
    case 0:
        return tns_storage_status(st, &out, err);
    case 1:
        return tns_volume_list(st, 0, &out, err);
    case 2:
        return tns_volume_info(st, DISK, &out, err);
    case 3:
        return tns_volume_alloc(st, 100, "vm-100-disk-7", GIB, name, err);
    case 4:
        return tns_volume_alloc(st, 100, NULL, GIB, name, err);
    case 5:
        return tns_volume_free(st, DISK, err);
    case 6:
        return tns_volume_resize(st, DISK, 2 * GIB, err);
    case 7:
        return tns_volume_rename(st, DISK, 200, NULL, name, err);
    case 8:
        return tns_volume_create_base(st, DISK, name, err);
    case 9:
        return tns_volume_clone(st, DISK, "s1", 101, name, err);
    case 10:
        return tns_volume_promote(st, DISK, err);
    case 11:
        return tns_volume_set_attribute(st, DISK, "notes", "x", err);
    case 12:
        return tns_volume_adopt(st, DISK, err);
    case 13:
        return tns_volume_release(st, DISK, err);
    case 14:
        return tns_snapshot_create(st, DISK, "s2", err);
    case 15:
        return tns_snapshot_delete(st, DISK, "s1", err);
    case 16:
        return tns_snapshot_rename(st, DISK, "s1", "s3", err);
    case 17:
        return tns_snapshot_list(st, DISK, &out, err);
    case 18:
        return tns_rollback(st, DISK, "s1", err);
    case 19:
        return tns_volume_map(st, DISK, NULL, &out, err);
    case 20:
        return tns_volume_map(st, DISK, "s1", &out, err);
    case 21:
        return tns_storage_reconcile(st, 1, &out, err);
    case 22:
        return tns_storage_adopt_all(st, 0, &out, err);
    case 23:
        return tns_storage_setup(st, 0, &out, err);
    default:
        return tns_storage_identity(st, name, err);
    }
}
#define ASKS 25

static size_t changes(const struct tst_sim *sim)
{
    static const char *const verbs[] = { ".create", ".update",   ".delete", ".rename",
                                         ".clone",  ".rollback", ".promote" };
    _tns_json_ json_t *stats = tst_sim_get(sim, "/stats");
    const char *method;
    json_t *count;
    size_t n = 0;

    json_object_foreach(json_object_get(stats, "by_method"), method, count)
    {
        for (size_t i = 0; i < TNS_ARRAY_LEN(verbs); i++)
            n += strstr(method, verbs[i]) != NULL;
    }
    return n;
}

START_TEST(test_another_nas_with_the_same_names_and_tags_is_refused_by_every_operation)
{
    struct vt v;
    struct tst_sim *other;
    struct tns_storage *st;
    char name[256];

    vt_open(&v, tst_cell_sim());
    make_etc_pve(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    other = tst_sim_start(tst_cell()->release, NULL);
    tst_sim_world(other, "{\"limiter\": {\"calls\": 1000000}}");
    same_names(other, &v);
    tst_sim_reset(other);

    for (unsigned which = 0; which < ASKS; which++) {
        int rc;

        st = at(&v, other);
        rc = ask(st, which, &v.err);
        ck_assert_msg(rc == -TNS_E_IDENTITY, "operation %u answered %d: %s", which, rc,
                      v.err.text);
        tst_says(&v.err, "another NAS");
        tns__error_clear(&v.err);
        tns_storage_close(st);
    }
    ck_assert_uint_eq(changes(other), 0);
    ck_assert(vt_listed(&v, DISK)); /* the right one serves on */
    tst_sim_stop(other);
    vt_close(&v);
}
END_TEST

START_TEST(test_a_replaced_nas_is_used_when_the_administrator_says_so)
{
    struct vt v;
    struct tst_sim *other;
    struct tns_storage *st;
    json_t *list = NULL;

    vt_open(&v, tst_cell_sim());
    make_etc_pve(&v);
    vt_ok(&v, tns_volume_list(v.st, 0, &list, &v.err));
    json_decref(list);
    other = tst_sim_start(tst_cell()->release, NULL);
    same_names(other, &v);
    st = at(&v, other);
    ck_assert_int_eq(tns_volume_list(st, 0, &list, &v.err), -TNS_E_IDENTITY);
    tst_says(&v.err, "/etc/pve/priv/tnstor/pool-nas");
    tns__error_clear(&v.err);
    ck_assert_int_eq(forget_pin(&v), 0);
    vt_ok(&v, tns_volume_list(st, 0, &list, &v.err));
    ck_assert_uint_eq(json_array_size(list), 1);
    json_decref(list);

    /* Now it is the old one that is another. */
    tns_storage_close(v.st);
    v.st = vt_more(&v, "n1", NULL);
    vt_fails(&v, tns_volume_list(v.st, 0, &list, &v.err), TNS_E_IDENTITY);
    vt_ok(&v, tns_storage_forget(st, &v.err));
    ck_assert_int_ne(forget_pin(&v), 0); /* gone with the storage */
    tns_storage_close(st);
    tst_sim_stop(other);
    vt_close(&v);
}
END_TEST

/* ---- the address moves under an open session ---- */

static struct tst_sim *sim_at(const struct tst_sim *like, int port)
{
    char listen[40];
    char cert[300];
    char key[300];
    const char *args[] = { "--listen", listen, "--cert", cert, "--key", key, NULL };

    snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    snprintf(cert, sizeof(cert), "%s/cert.pem", like->state);
    snprintf(key, sizeof(key), "%s/key.pem", like->state);
    return tst_sim_start(like->release, args);
}

static void same_key(const struct tst_sim *sim, const char *key)
{
    char text[200];

    snprintf(text, sizeof(text),
             "{\"keys\": [{\"id\": %d, \"delete\": 1}, {\"id\": %d, \"user\": "
             "\"root\", \"full\": 1, \"secret\": \"%s\"}]}",
             atoi(key), atoi(key), strchr(key, '-') + 1);
    tst_sim_world(sim, text);
}

START_TEST(test_an_address_that_moves_to_another_nas_is_noticed_by_an_open_session)
{
    struct vt v;
    struct tst_sim *cert = tst_sim_start(tst_cell()->release, NULL);
    struct tst_sim *first = sim_at(cert, 0);
    struct tst_sim *second;
    char key[100];
    int port;
    json_t *list = NULL;

    /* Of one certificate, as a pair would have it: only the pool tells them apart. */
    port = first->port;
    vt_open(&v, first);
    make_etc_pve(&v);
    snprintf(key, sizeof(key), "%s", first->api_key);
    vt_ok(&v, tns_volume_list(v.st, 0, &list, &v.err));
    json_decref(list);

    tst_sim_stop(first);
    second = sim_at(cert, port);
    same_key(second, key);
    same_names(second, &v);
    tst_sim_reset(second);
    vt_fails(&v, tns_volume_free(v.st, DISK, &v.err), TNS_E_IDENTITY);
    vt_fails(&v, tns_volume_list(v.st, 0, &list, &v.err), TNS_E_IDENTITY);
    ck_assert_uint_eq(changes(second), 0);
    tst_sim_stop(second);
    tst_sim_stop(cert);
    vt_close(&v);
}
END_TEST

/* ---- it moves in the middle of an operation ---- */

static struct {
    const struct vt *v;
    const struct tst_sim *cert;
    struct tst_sim *first;
    struct tst_sim *second;
} move;

static void move_before_the_first_change(const char *what, const char *step, int after)
{
    char key[100];
    int port = move.first ? move.first->port : 0;

    (void)what;
    (void)step;
    if (after || !move.first)
        return;
    snprintf(key, sizeof(key), "%s", move.first->api_key);
    tst_sim_stop(move.first);
    move.first = NULL;
    move.second = sim_at(move.cert, port);
    same_key(move.second, key);
    same_names(move.second, move.v);
    tst_sim_reset(move.second);
}

/* A session holder for this test's run directory, which ends with the test. */
static pid_t start_holder(const struct vt *v)
{
    static const char program[] = TNS_TEST_BUILDDIR "/bin/tnsessiond";
    char socket[240];
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        execl(program, program, "--foreground", "--run-dir", v->run, NULL);
        _exit(127);
    }
    snprintf(socket, sizeof(socket), "%s/holder.sock", v->run);
    tst_eventually(access(socket, F_OK) == 0, 10000);
    return pid;
}

static void stop_holder(pid_t pid)
{
    if (pid == 0)
        return;
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void use_holder(struct vt *v)
{
    tns_storage_close(v->st);
    v->st = vt_more(v, "n1", "{\"tn_holder\": \"" TNS_TEST_BUILDDIR "/bin/tnsessiond\"}");
}

/* What was resolved on the one NAS is not done to what bears its name on the other. */
static void moved_under(unsigned which, bool held)
{
    struct vt v;
    struct tst_sim *cert;
    pid_t holder = 0;
    char name[256];
    int rc;

    if (!getenv("TNS_TEST_FULL") && !tst_cell_is("25.10", NULL))
        return; /* sessions are the same in all: one cell does for every day */
    cert = tst_sim_start(tst_cell()->release, NULL);
    move.first = sim_at(cert, 0);
    move.cert = cert;
    move.v = &v;
    vt_open(&v, move.first);
    make_etc_pve(&v);
    vt_ok(&v, tns_volume_alloc(v.st, 100, DISK, GIB, name, &v.err));
    vt_ok(&v, tns_snapshot_create(v.st, DISK, "s1", &v.err));
    if (held) {
        holder = start_holder(&v);
        use_holder(&v);
    }

    tns__plan_hook = move_before_the_first_change;
    rc = ask(v.st, which, &v.err);
    tns__plan_hook = NULL;
    ck_assert_ptr_nonnull(move.second);
    ck_assert_msg(rc == -TNS_E_IDENTITY, "operation %u answered %d: %s", which, rc,
                  v.err.text);
    tst_says(&v.err, "another NAS");
    tns__error_clear(&v.err);
    ck_assert_uint_eq(changes(move.second), 0);
    vt_close(&v);
    stop_holder(holder);
    tst_sim_stop(move.second);
    tst_sim_stop(cert);
}

static const unsigned changing[] = { 4, 5, 6, 9, 11, 14, 15, 18 };

START_TEST(test_a_change_is_not_made_on_a_nas_that_took_the_address_over_meanwhile)
{
    moved_under(changing[_i], false);
}
END_TEST

static const unsigned through_holder[] = { 4, 5 };

START_TEST(test_nor_is_it_through_the_session_holder)
{
    moved_under(through_holder[_i], true);
}
END_TEST

START_TEST(test_a_section_that_names_another_pool_is_not_taken_for_another_nas)
{
    struct vt v;
    struct tns_storage *st;
    json_t *out = NULL;

    vt_open(&v, tst_cell_sim());
    make_etc_pve(&v);
    vt_ok(&v, tns_storage_status(v.st, &out, &v.err));
    json_decref(out);
    st = vt_more(&v, "n1", "{\"dataset\": \"flash\"}");
    vt_ok(&v, tns_storage_status(st, &out, &v.err));
    json_decref(out);
    tns_storage_close(st);
    vt_close(&v);
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(
        tc, test_another_nas_with_the_same_names_and_tags_is_refused_by_every_operation);
    tcase_add_test(tc, test_a_replaced_nas_is_used_when_the_administrator_says_so);
    tcase_add_test(tc,
                   test_an_address_that_moves_to_another_nas_is_noticed_by_an_open_session);
    tcase_add_loop_test(
        tc, test_a_change_is_not_made_on_a_nas_that_took_the_address_over_meanwhile, 0,
        (int)TNS_ARRAY_LEN(changing));
    tcase_add_loop_test(tc, test_nor_is_it_through_the_session_holder, 0,
                        (int)TNS_ARRAY_LEN(through_holder));
    tcase_add_test(tc, test_a_section_that_names_another_pool_is_not_taken_for_another_nas);
}

int main(void)
{
    return vt_main("identity", "24.04/ddp,25.10/jsonrpc,26/jsonrpc", add);
}
