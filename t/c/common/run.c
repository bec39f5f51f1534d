/* SPDX-License-Identifier: Apache-2.0 */
/* The main of every Check program, and the contexts and directories that tests use. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "common/tst.h"
#include "common/tst_priv.h"

static struct {
    char text[1 << 16];
    size_t len;
} tst_log_buf;

static char tst_dir[256];
static pid_t tst_main_pid;

int tst_run(Suite *s)
{
    SRunner *sr = srunner_create(s);
    int failed;

    tst_main_pid = getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* a file name set by the caller wins, as Check documents */
    if (!getenv("CK_TAP_LOG_FILE_NAME"))
        srunner_set_tap(sr, "-");
    srunner_run_all(sr, CK_SILENT);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    tst__cells_stop();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int tst_main(const char *name, const TTest *const tests[], size_t n, SFun setup,
             SFun teardown, double seconds)
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, seconds);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    return tst_run(s);
}

unsigned tst_ms(unsigned ms)
{
    const char *slower = getenv("CK_TIMEOUT_MULTIPLIER");
    int n = slower ? atoi(slower) : 1;

    return n > 1 ? ms * (unsigned)n : ms;
}

/* "some avg10=.. avg60=.. avg300=.. total=MICROSECONDS" */
static uint64_t stalled_ns(void)
{
    unsigned long long us = 0;
    FILE *f = fopen("/proc/pressure/cpu", "re");

    if (!f)
        return 0;
    if (fscanf(f, "some avg10=%*f avg60=%*f avg300=%*f total=%llu", &us) != 1)
        us = 0;
    fclose(f);
    return us * 1000u;
}

struct tst_watch tst_watch(void)
{
    return (struct tst_watch){ .stalled_ns = stalled_ns(), .ns = tns__now_ns() };
}

unsigned tst_clock_ms(struct tst_watch since)
{
    return (unsigned)((tns__now_ns() - since.ns) / 1000000u);
}

unsigned tst_own_ms(struct tst_watch since)
{
    uint64_t took = tns__now_ns() - since.ns;
    uint64_t stalled = stalled_ns() - since.stalled_ns;

    return stalled < took ? (unsigned)((took - stalled) / 1000000u) : 0;
}

void tst_no_canary(const char *text)
{
    ck_assert_msg(!strstr(text, TST_CANARY_KEY), "the canary key came out: %s", text);
    ck_assert_msg(!strstr(text, TST_CANARY_CHAP), "the canary CHAP secret came out: %s",
                  text);
}

static void log_line(void *user, int level, const char *component, const char *msg)
{
    size_t room = sizeof(tst_log_buf.text) - tst_log_buf.len;
    int n;

    (void)user;
    tst_no_canary(msg);
    n = snprintf(tst_log_buf.text + tst_log_buf.len, room, "<%d> %s: %s\n", level,
                 component, msg);
    if (n > 0 && (size_t)n < room)
        tst_log_buf.len += (size_t)n;
}

void tst_ctx_init(struct tns_ctx *ctx, unsigned timeout_ms)
{
    tst_log_buf.len = 0;
    tst_log_buf.text[0] = '\0';
    tns__ctx_init(ctx);
    ctx->log_fn = log_line;
    ctx->log_level = LOG_DEBUG;
    tns__ctx_begin(ctx, timeout_ms);
}

const char *tst_log_text(void)
{
    return tst_log_buf.text;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

void tst__remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Check ends a forked test by exit(), so each test takes its own directory away. */
static void remove_tmpdir(void)
{
    if (tst_dir[0])
        tst__remove_tree(tst_dir);
}

void tst__mkdtemp(char *ret, size_t cap, const char *name)
{
    const char *base = getenv("TMPDIR");

    snprintf(ret, cap, "%s/%s.XXXXXX", base && *base ? base : "/tmp", name);
    ck_assert_msg(mkdtemp(ret) != NULL, "cannot make %s: %m", ret);
}

const char *tst_tmpdir(void)
{
    static pid_t owner;

    if (owner != getpid()) {
        owner = getpid();
        tst__mkdtemp(tst_dir, sizeof(tst_dir), "tnst");
        atexit(remove_tmpdir);
    }
    return tst_dir;
}

void tst_file(const char *dir, const char *path, const char *content)
{
    char full[1024];
    FILE *f;

    snprintf(full, sizeof(full), "%s/%s", dir, path);
    for (char *slash = strchr(full + strlen(dir) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    f = fopen(full, "w");
    ck_assert_msg(f != NULL, "cannot write %s: %m", full);
    fputs(content, f);
    ck_assert_int_eq(fclose(f), 0);
}
