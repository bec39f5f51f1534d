/* SPDX-License-Identifier: Apache-2.0 */
/* tnctl: the command for people. The options in front of the command word, and the table of words. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "storage.h"

static const struct tnctl_cmd *const commands[] = {
    &tnctl_cmd_call,  &tnctl_cmd_ping,  &tnctl_cmd_doctor,
    &tnctl_cmd_setup, &tnctl_cmd_list,  &tnctl_cmd_show,
    &tnctl_cmd_gc,    &tnctl_cmd_adopt, &tnctl_cmd_release,
};

enum option_id {
    OPT_CA_FILE = 256,
    OPT_FINGERPRINT,
    OPT_HELP,
    OPT_HOLDER,
    OPT_HOST,
    OPT_INSECURE,
    OPT_IPV4,
    OPT_JSON,
    OPT_KEY_FILE,
    OPT_NO_HOLDER,
    OPT_PORT,
    OPT_ROOT,
    OPT_RUN_DIR,
    OPT_SCHEME,
    OPT_TIMEOUT,
    OPT_TRANSPORT,
    OPT_USER,
    OPT_VERSION,
};

static const struct option options[] = {
    { "ca-file", required_argument, NULL, OPT_CA_FILE },
    { "fingerprint", required_argument, NULL, OPT_FINGERPRINT },
    { "help", no_argument, NULL, OPT_HELP },
    { "holder", required_argument, NULL, OPT_HOLDER },
    { "host", required_argument, NULL, OPT_HOST },
    { "insecure", no_argument, NULL, OPT_INSECURE },
    { "ipv4", no_argument, NULL, OPT_IPV4 },
    { "json", no_argument, NULL, OPT_JSON },
    { "key-file", required_argument, NULL, OPT_KEY_FILE },
    { "no-holder", no_argument, NULL, OPT_NO_HOLDER },
    { "port", required_argument, NULL, OPT_PORT },
    { "root", required_argument, NULL, OPT_ROOT },
    { "run-dir", required_argument, NULL, OPT_RUN_DIR },
    { "scheme", required_argument, NULL, OPT_SCHEME },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "transport", required_argument, NULL, OPT_TRANSPORT },
    { "user", required_argument, NULL, OPT_USER },
    { "verbose", no_argument, NULL, 'v' },
    { "version", no_argument, NULL, OPT_VERSION },
    { 0 },
};

static void print_help(void)
{
    puts("usage: tnctl OPTION... COMMAND [ARGUMENT...]\n");
    for (size_t i = 0; i < TNS_ARRAY_LEN(commands); i++)
        printf("  %s %s\n      %s\n", commands[i]->name, commands[i]->args,
               commands[i]->help);
    puts("\nSTOREID is a storage of /etc/pve/storage.cfg, which says where its NAS is.\n"
         "\nFor call and ping, where the NAS is:\n"
         "  --host NAME[,NAME]    name or address; several are tried in order\n"
         "  --port N              other than 443\n"
         "  --transport ws|rest   websocket (the default), or REST\n"
         "  --scheme wss|https    ws and http only to this machine itself\n"
         "  --ipv4                prefer IPv4\n"
         "Whom to trust, and who we are:\n"
         "  --key-file FILE       the API key; - reads it from stdin\n"
         "  --user NAME           the user the key belongs to (SCRAM from release 26 on)\n"
         "  --fingerprint XX:..   SHA-256 of the certificate; several joined by commas\n"
         "  --ca-file FILE        other authorities than the system's\n"
         "  --insecure            accept any certificate\n"
         "How:\n"
         "  --timeout SECONDS     for the whole command, default 30; on a storage, for "
         "each call, 60\n"
         "  --json                results and errors as one line of JSON\n"
         "  --no-holder           log in here, not through tnsessiond\n"
         "  --holder PROGRAM      another tnsessiond to start\n"
         "  --run-dir DIR         instead of /run/tnstor\n"
         "  --root DIR            a storage's files of this node are below it\n"
         "  -v, --verbose         tell more on stderr; twice for more still\n"
         "  --help, --version");
}

/* A whole number from 1 to max; false leaves *ret alone. */
static bool number(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t n;

    if (!tns__parse_u64(text, &n) || n == 0 || n > max)
        return false;
    *ret = n;
    return true;
}

static int set_number(struct tnctl *ctl, int id, const char *text)
{
    uint64_t n;

    if (id == OPT_PORT) {
        if (!number(text, 65535, &n))
            return tnctl_usage("--port: '%.40s' is no port", text);
        ctl->session.port = (uint16_t)n;
        return TNCTL_OK;
    }
    if (!number(text, 86400, &n))
        return tnctl_usage("--timeout: '%.40s' is no number of seconds", text);
    ctl->session.timeout_ms = (unsigned)n * 1000;
    return TNCTL_OK;
}

/* Options that hold a text: where it goes. */
static const char **text_option(struct tnctl *ctl, int id)
{
    switch (id) {
    case OPT_CA_FILE:
        return &ctl->session.ca_file;
    case OPT_FINGERPRINT:
        return &ctl->session.fingerprints;
    case OPT_HOLDER:
        return &ctl->session.holder_path;
    case OPT_HOST:
        return &ctl->session.hosts;
    case OPT_KEY_FILE:
        return &ctl->key_file;
    case OPT_ROOT:
        return &ctl->root;
    case OPT_SCHEME:
        return &ctl->session.scheme;
    case OPT_TRANSPORT:
        return &ctl->session.transport;
    case OPT_USER:
        return &ctl->session.user;
    default:
        return NULL;
    }
}

static bool *flag_option(struct tnctl *ctl, int id)
{
    switch (id) {
    case OPT_INSECURE:
        return &ctl->session.insecure;
    case OPT_IPV4:
        return &ctl->session.prefer_ipv4;
    case OPT_JSON:
        return &ctl->json;
    case OPT_NO_HOLDER:
        return &ctl->session.no_holder;
    default:
        return NULL;
    }
}

static int set_option(struct tnctl *ctl, int id, const char *text)
{
    const char **place = text_option(ctl, id);
    bool *flag = flag_option(ctl, id);

    if (place)
        *place = text;
    else if (flag)
        *flag = true;
    else if (id == 'v')
        ctl->verbose++;
    else if (id == OPT_PORT || id == OPT_TIMEOUT)
        return set_number(ctl, id, text);
    else if (id == OPT_RUN_DIR && !tns__fmt(ctl->run_dir, sizeof ctl->run_dir, "%s", text))
        return tnctl_usage("--run-dir: too long");
    else if (id == '?')
        return TNCTL_USAGE;
    return TNCTL_OK;
}

/* Without root there is no /run/tnstor: the user's own runtime directory takes its place. */
static void choose_run_dir(struct tnctl *ctl)
{
    const char *mine = geteuid() != 0 ? getenv("XDG_RUNTIME_DIR") : NULL;

    if (!ctl->run_dir[0] && mine && mine[0] == '/')
        tns__fmt(ctl->run_dir, sizeof ctl->run_dir, "%s/tnstor", mine);
}

static int run_command(const struct tnctl *ctl, int argc, char *argv[])
{
    if (argc == 0)
        return tnctl_usage("which command?");
    for (size_t i = 0; i < TNS_ARRAY_LEN(commands); i++) {
        if (!strcmp(argv[0], commands[i]->name))
            return commands[i]->run(ctl, argc, argv);
    }
    return tnctl_usage("'%.40s' is no command", argv[0]);
}

int main(int argc, char *argv[])
{
    struct tnctl ctl = { 0 };
    int id, code;

    /* "+": the command word ends the options, so that arguments may look like some */
    while ((id = getopt_long(argc, argv, "+v", options, NULL)) != -1) {
        if (id == OPT_HELP || id == OPT_VERSION) {
            if (id == OPT_HELP)
                print_help();
            else
                printf("tnctl %s\n", tns_version_string());
            return TNCTL_OK;
        }
        code = set_option(&ctl, id, optarg);
        if (code)
            return code;
    }
    choose_run_dir(&ctl);
    return run_command(&ctl, argc - optind, argv + optind);
}
