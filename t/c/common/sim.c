/* SPDX-License-Identifier: Apache-2.0 */
/* tnsim as a child of the test program: start, control, stop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "common/tst.h"
#include "common/tst_priv.h"

#define SIM_START_MS 60000
#define SIM_STOP_MS 5000
#define SIM_CONTROL_MS 20000
#define SIM_MAX_ARGS 32 /* the last stays NULL */

static void sim_exec(const char *release, const char *state, const char *const more_args[],
                     pid_t parent, int out)
{
    const char *argv[SIM_MAX_ARGS] = { TNS_TEST_SRCDIR "/t/sim/tnsim",
                                       "--release",
                                       release,
                                       "--listen",
                                       "127.0.0.1:0",
                                       "--state",
                                       state,
                                       "--parent-pid" };
    char pid[16];
    size_t n = 8;
    bool iscsi = false;

    snprintf(pid, sizeof(pid), "%d", (int)parent);
    argv[n++] = pid;
    for (; more_args && *more_args && n < SIM_MAX_ARGS - 2; more_args++) {
        if (strcmp(*more_args, "--iscsi") == 0)
            iscsi = true;
        else
            argv[n++] = *more_args;
    }
    if (!iscsi)
        argv[n++] = "--no-iscsi";
    if (getenv("TNS_TEST_QUIRK") && n < SIM_MAX_ARGS - 2) {
        argv[n++] = "--quirk";
        argv[n++] = getenv("TNS_TEST_QUIRK");
    }

    dup2(out, STDOUT_FILENO);
    execv(argv[0], (char *const *)(const void *)argv);
    fprintf(stderr, "# cannot run %s: %m\n", argv[0]);
    _exit(127);
}

/* The one line that tnsim says when it is ready. */
static void sim_read_line(int fd, char *line, size_t cap)
{
    struct tns_ctx ctx;
    struct tns_error err = TNS_ERROR_INIT;
    size_t len = 0;

    tns__ctx_init(&ctx);
    tns__ctx_begin(&ctx, SIM_START_MS);
    while (len + 1 < cap && !memchr(line, '\n', len)) {
        ssize_t n;

        ck_assert_msg(tns__ctx_poll(&ctx, fd, POLLIN, "tnsim to start", &err) > 0, "%s",
                      err.text);
        n = read(fd, line + len, cap - 1 - len);
        ck_assert_msg(n > 0, "tnsim ended before it was ready");
        len += (size_t)n;
    }
    line[len] = '\0';
}

static const char *sim_member(const struct tst_sim *sim, const char *key)
{
    const char *value = json_string_value(json_object_get(sim->info, key));

    ck_assert_msg(value != NULL, "tnsim's line has no \"%s\"", key);
    return value;
}

static void sim_learn(struct tst_sim *sim, const char *line)
{
    struct tns_error err = TNS_ERROR_INIT;
    const char *control, *port;

    tst_ok(tns__json_parse(line, strlen(line), NULL, &sim->info, &err), &err);
    sim->release = sim_member(sim, "release");
    sim->host = sim_member(sim, "host");
    sim->url = sim_member(sim, "url");
    sim->api_key = sim_member(sim, "api_key");
    sim->fingerprint = json_string_value(json_object_get(sim->info, "fingerprint"));
    sim->port = (int)json_integer_value(json_object_get(sim->info, "port"));
    control = sim_member(sim, "control");
    port = strrchr(control, ':');
    ck_assert_msg(port != NULL, "tnsim's control address has no port: %s", control);
    sim->control_port = atoi(port + 1);
}

struct tst_sim *tst_sim_start(const char *release, const char *const more_args[])
{
    struct tst_sim *sim = tns__alloc(sizeof(*sim));
    pid_t parent = getpid();
    char line[8192];
    char state[256];
    int fds[2];

    ck_assert_ptr_nonnull(sim);
    tst__mkdtemp(state, sizeof(state), "tnst-sim");
    sim->state = tns__strdup(state);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    sim->pid = fork();
    ck_assert_int_ge(sim->pid, 0);
    if (sim->pid == 0)
        sim_exec(release, state, more_args, parent, fds[1]);
    close(fds[1]);
    sim_read_line(fds[0], line, sizeof(line));
    close(fds[0]);
    sim_learn(sim, line);
    return sim;
}

static bool sim_is_gone(pid_t pid, unsigned ms)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd gone = { .fd = fd, .events = POLLIN };

    if (fd >= 0) {
        while (poll(&gone, 1, (int)ms) < 0 && errno == EINTR)
            ;
        close(fd);
    }
    return waitpid(pid, NULL, WNOHANG) != 0;
}

void tst_sim_stop(struct tst_sim *sim)
{
    if (!sim)
        return;

    /* only the process that started it can wait for it, and so may signal it without a doubt */
    if (waitpid(sim->pid, NULL, WNOHANG) == 0) {
        kill(sim->pid, SIGTERM);
        if (!sim_is_gone(sim->pid, SIM_STOP_MS)) {
            kill(sim->pid, SIGKILL);
            sim_is_gone(sim->pid, SIM_STOP_MS);
        }
        tst__remove_tree(sim->state);
    }
    json_decref(sim->info);
    tns__free(sim->state);
    tns__free(sim);
}

static json_t *sim_control(const struct tst_sim *sim, const char *method, const char *path,
                           const char *body)
{
    _tns_free_ char *answer = NULL;
    struct tns_error err = TNS_ERROR_INIT;
    json_t *value = NULL;
    int status = tst_http(sim->control_port, method, path, body, &answer, SIM_CONTROL_MS);

    ck_assert_msg(status >= 0, "tnsim %s %s: %m", method, path);
    ck_assert_msg(status / 100 == 2, "tnsim %s %s: status %d: %s", method, path, status,
                  answer);
    if (!answer || !*answer)
        return json_null();
    ck_assert_msg(tns__json_parse(answer, strlen(answer), NULL, &value, &err) == 0,
                  "tnsim %s %s: %s: %.200s", method, path, err.text, answer);
    return value;
}

json_t *tst_sim_get(const struct tst_sim *sim, const char *path)
{
    return sim_control(sim, "GET", path, NULL);
}

json_t *tst_sim_post(const struct tst_sim *sim, const char *path, const json_t *body)
{
    _tns_free_ char *text = body ? tns__json_dump(body, NULL) : NULL;

    return sim_control(sim, "POST", path, text);
}

void tst_sim_reset(const struct tst_sim *sim)
{
    json_decref(sim_control(sim, "POST", "/reset", "{}"));
}

void tst_sim_fault(const struct tst_sim *sim, const char *fault_json)
{
    json_decref(sim_control(sim, "POST", "/fault", fault_json));
}

void tst_sim_world(const struct tst_sim *sim, const char *world_json)
{
    json_decref(sim_control(sim, "POST", "/world", world_json));
}

json_int_t tst_sim_stat(const struct tst_sim *sim, const char *name)
{
    _tns_json_ json_t *stats = tst_sim_get(sim, "/stats");
    const json_t *value = json_object_get(stats, name);

    ck_assert_msg(json_is_integer(value), "tnsim's stats have no \"%s\"", name);
    return json_integer_value(value);
}

json_int_t tst_sim_calls(const struct tst_sim *sim, const char *method)
{
    _tns_json_ json_t *stats = tst_sim_get(sim, "/stats");

    return json_integer_value(json_object_get(json_object_get(stats, "by_method"), method));
}
