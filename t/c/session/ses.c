/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the session tests. */
#include "session/ses.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

static char log_text[65536];

const char *ses_run_dir(void)
{
    static char dir[256];

    ck_assert(tns__fmt(dir, sizeof dir, "%s/run-XXXXXX", tst_tmpdir()));
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

void ses_opts(const struct tst_sim *sim, const char *run_dir, struct tns_session_opts *ret)
{
    *ret = (struct tns_session_opts){
        .hosts = sim->host,
        .port = (uint16_t)sim->port,
        .scheme = sim->fingerprint ? "wss" : "ws",
        .fingerprints = sim->fingerprint,
        .key = sim->api_key,
        .key_len = strlen(sim->api_key),
        .run_dir = run_dir,
        .no_holder = true,
        .timeout_ms = tst_ms(20000),
    };
}

const char *ses_transport(void)
{
    if (tst_cell_is(NULL, "rest"))
        return "rest";
    return tst_cell_is("25.10", "ddp") ? "ddp" : "ws";
}

static void take_log(void *user, int level, const char *component, const char *msg)
{
    size_t len = strlen(log_text);

    (void)user;
    (void)level;
    tst_no_canary(msg);
    snprintf(log_text + len, sizeof log_text - len, "%s: %s\n", component, msg);
}

struct tns_session *ses_open(const struct tns_session_opts *opts)
{
    struct tns_session_opts with_log = *opts;
    struct tns_error err = TNS_ERROR_INIT;
    struct tns_session *s = NULL;

    with_log.log_fn = take_log;
    with_log.log_level = 7;
    tst_ok(tns__session_open(&with_log, &s, &err), &err);
    return s;
}

const char *ses_log_text(void)
{
    return log_text;
}

int ses_call(struct tns_session *s, struct tns_error *err)
{
    _tns_json_ json_t *params = json_array();

    return tns__session_call(s, "system.version", params, TNS_CALL_READ, NULL, err);
}

const char *ses_holder(void)
{
    return TNS_TEST_BUILDDIR "/bin/tnsessiond";
}

static bool serves(const char *pid, const char *run_dir)
{
    char path[64], text[1024];
    const char *end, *arg;
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%.10s/cmdline", pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    end = text + n;
    if (n == 0 || !strstr(text, "tnsessiond"))
        return false;
    for (arg = text; arg < end; arg += strlen(arg) + 1) {
        if (!strcmp(arg, run_dir))
            return true;
    }
    return false;
}

size_t ses_holder_pids(const char *run_dir, pid_t *pids, size_t cap)
{
    _tns_closedir_ DIR *proc = opendir("/proc");
    struct dirent *e;
    size_t n = 0;

    ck_assert_ptr_nonnull(proc);
    while ((e = readdir(proc)) && n < cap) {
        uint64_t pid;

        if (tns__parse_u64(e->d_name, &pid) && serves(e->d_name, run_dir))
            pids[n++] = (pid_t)pid;
    }
    return n;
}

void ses_holder_kill(const char *run_dir, int sig)
{
    pid_t pids[32];
    size_t n = ses_holder_pids(run_dir, pids, 32);

    for (size_t i = 0; i < n; i++)
        kill(pids[i], sig);
    tst_eventually(ses_holder_pids(run_dir, pids, 32) == 0, 15000);
}

void ses_crowd(unsigned n, int (*fn)(void *user), void *user, unsigned ret[256])
{
    pid_t pids[256];

    ck_assert_uint_le(n, 256);
    memset(ret, 0, 256 * sizeof ret[0]);
    for (unsigned i = 0; i < n; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0)
            _exit(fn(user));
    }
    for (unsigned i = 0; i < n; i++) {
        int status;

        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(WIFEXITED(status), "a process was killed by signal %d",
                      WTERMSIG(status));
        ret[WEXITSTATUS(status)]++;
    }
}
