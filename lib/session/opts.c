/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a session: each wrong one is refused by name before anything is connected. */
#include "session/session_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

#define KEY_MAX 512
#define USER_MAX 128
/* holder.sock below it must fit into a unix address when systemd binds it. */
#define RUN_DIR_MAX 90

static bool host_is_ipv6(const char *host)
{
    unsigned char addr[sizeof(struct in6_addr)];
    char plain[64];
    const char *zone = strchr(host, '%');
    size_t len = zone ? (size_t)(zone - host) : strlen(host);

    if (len == 0 || len >= sizeof plain)
        return false;
    memcpy(plain, host, len);
    plain[len] = '\0';
    if (zone && (zone[1] == '\0' ||
                 strspn(zone + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-") != strlen(zone + 1)))
        return false;
    return inet_pton(AF_INET6, plain, addr) == 1;
}

static bool host_is_name(const char *host)
{
    size_t len = strlen(host);

    if (len == 0 || len > 253 || strstr(host, ".."))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)host[i];
        bool edge = i == 0 || i == len - 1;

        if (c >= 0x80 || !(isalnum(c) || (!edge && (c == '-' || c == '.' || c == '_'))))
            return false;
    }
    return true;
}

/* A word of a comma-separated list, without blanks around it; NULL at the end of the list. */
static const char *next_word(const char **pos, size_t *ret_len)
{
    const char *word = *pos;
    size_t len;

    if (!word)
        return NULL;
    len = strcspn(word, ",");
    *pos = word[len] ? word + len + 1 : NULL;
    while (len && (*word == ' ' || *word == '\t')) {
        word++;
        len--;
    }
    while (len && (word[len - 1] == ' ' || word[len - 1] == '\t'))
        len--;
    *ret_len = len;
    return word;
}

static int add_host(struct tns_conf *conf, const char *word, size_t len,
                    struct tns_error *err)
{
    _tns_free_ char *host = NULL;
    bool brackets = len > 2 && word[0] == '[' && word[len - 1] == ']';

    host = brackets ? tns__strndup(word + 1, len - 2) : tns__strndup(word, len);
    if (!host)
        return tns__error_nomem(err);
    if (!host_is_ipv6(host) && (brackets || !host_is_name(host)))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "api_host: '%s' is no host name or address (the port goes into "
            "api_port)",
            host);
    if (conf->n_hosts == TNS_HOSTS_MAX)
        return tns__error_set(err, TNS_E_CONFIG, "api_host: more than %d hosts",
                              TNS_HOSTS_MAX);
    conf->hosts[conf->n_hosts++] = TNS_STEAL(host);
    return 0;
}

static int read_hosts(const char *text, struct tns_conf *conf, struct tns_error *err)
{
    const char *word;
    size_t len;
    int rc;

    if (!text || !*text)
        return tns__error_set(err, TNS_E_CONFIG, "api_host: missing");
    while ((word = next_word(&text, &len))) {
        rc = add_host(conf, word, len, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_transport(const char *text, struct tns_conf *conf, struct tns_error *err)
{
    static const struct {
        const char *word;
        enum tns_transport transport;
    } words[] = {
        { "ws", TNS_TRANSPORT_AUTO },
        { "rest", TNS_TRANSPORT_REST },
        { "jsonrpc", TNS_TRANSPORT_JSONRPC },
        { "ddp", TNS_TRANSPORT_DDP },
    };

    for (size_t i = 0; i < TNS_ARRAY_LEN(words); i++) {
        if (!text || !strcmp(text, words[i].word)) {
            conf->transport = words[i].transport;
            return 0;
        }
    }
    return tns__error_set(err, TNS_E_CONFIG,
                          "api_transport: '%s' is unknown; use 'ws' or 'rest'", text);
}

static int read_scheme(const char *text, struct tns_conf *conf, struct tns_error *err)
{
    conf->tls = !text || !strcmp(text, "wss") || !strcmp(text, "https");
    if (conf->tls || !strcmp(text, "ws") || !strcmp(text, "http"))
        return 0;
    return tns__error_set(err, TNS_E_CONFIG,
                          "api_scheme: '%s' is unknown; use 'wss' or 'https'", text);
}

/* The NAS revokes, for good, a key that arrives in clear: this is refused before any connection. */
static int check_clear_text(const struct tns_conf *conf, struct tns_error *err)
{
    if (conf->tls)
        return 0;
    for (size_t i = 0; i < conf->n_hosts; i++) {
        struct tns_endpoint ep;

        tns__conf_endpoint(conf, i, &ep);
        if (!tns__endpoint_is_loopback(&ep))
            return tns__error_set(
                err, TNS_E_CONFIG,
                "api_scheme: an API key is not sent to %s without TLS (the NAS "
                "would revoke it); use 'wss'",
                conf->hosts[i]);
    }
    if (conf->fingerprints[0] || conf->ca_file)
        return tns__error_set(err, TNS_E_CONFIG,
                              "%s: has no meaning without TLS (api_scheme)",
                              conf->ca_file ? "ca_file" : "tn_fingerprint");
    return 0;
}

static bool is_fingerprint(const char *word, size_t len)
{
    if (len != 95)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word[i];

        if (i % 3 == 2 ? c != ':' : c >= 0x80 || !isxdigit(c))
            return false;
    }
    return true;
}

static int read_fingerprints(const char *text, struct tns_conf *conf, struct tns_error *err)
{
    const char *word;
    size_t len, n = 0;

    if (!text || !*text)
        return 0;
    while ((word = next_word(&text, &len))) {
        if (!is_fingerprint(word, len))
            return tns__error_set(
                err, TNS_E_CONFIG,
                "tn_fingerprint: '%.*s' is not the SHA-256 of a certificate "
                "(32 hexadecimal pairs joined by colons)",
                (int)(len > 120 ? 120 : len), word);
        if (n == TNS_FINGERPRINTS_MAX)
            return tns__error_set(err, TNS_E_CONFIG, "tn_fingerprint: more than %d",
                                  TNS_FINGERPRINTS_MAX);
        conf->fingerprints[n] = tns__strndup(word, len);
        if (!conf->fingerprints[n])
            return tns__error_nomem(err);
        for (char *p = conf->fingerprints[n]; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        n++;
    }
    return 0;
}

/* Printable ASCII without blanks: what an API key, and a user name of the NAS, consist of. */
static bool is_graphic(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return true;
}

static int check_key(const struct tns_session_opts *opts, struct tns_error *err)
{
    if (!opts->key || opts->key_len == 0)
        return tns__error_set(err, TNS_E_CONFIG, "api_key: missing");
    if (opts->key_len > KEY_MAX)
        return tns__error_set(err, TNS_E_CONFIG, "api_key: longer than %d bytes", KEY_MAX);
    if (memchr(opts->key, '\n', opts->key_len))
        return tns__error_set(err, TNS_E_CONFIG, "api_key: contains a line break");
    if (!is_graphic(opts->key, opts->key_len))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "api_key: contains a blank, a control or a non-ASCII character");
    return 0;
}

static int check_user(const char *user, struct tns_error *err)
{
    size_t len = user ? strlen(user) : 0;

    if (!user)
        return 0;
    /* ',' and '=' separate the attributes of SCRAM, ':' the user from the number of the key */
    if (len == 0 || len > USER_MAX || !is_graphic(user, len) || strpbrk(user, ",=:"))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "tn_user: must be 1 to %d ASCII characters without blank, ',', "
            "'=' and ':'",
            USER_MAX);
    return 0;
}

static int check_path(const char *option, const char *path, size_t max,
                      struct tns_error *err)
{
    if (!path)
        return 0;
    if (path[0] != '/' || strlen(path) > max || strstr(path, "/../"))
        return tns__error_set(err, TNS_E_CONFIG,
                              "%s: must be an absolute path of at most %zu bytes", option,
                              max);
    return 0;
}

static int check_rest(const struct tns_session_opts *opts, struct tns_error *err)
{
    int rc = check_key(opts, err);

    if (!rc)
        rc = check_user(opts->user, err);
    if (!rc)
        rc = check_path("ca_file", opts->ca_file, 4000, err);
    if (!rc)
        rc = check_path("run_dir", opts->run_dir, RUN_DIR_MAX, err);
    if (!rc)
        rc = check_path("holder_path", opts->holder_path, 4000, err);
    if (!rc && opts->ca_file && access(opts->ca_file, R_OK) != 0)
        rc = tns__error_set(err, TNS_E_CONFIG, "ca_file: %s cannot be read", opts->ca_file);
    if (!rc && opts->retry_max > 100)
        rc = tns__error_set(err, TNS_E_CONFIG, "api_retry_max: more than 100");
    return rc;
}

static int copy_str(const char *text, char **ret, struct tns_error *err)
{
    if (!text)
        return 0;
    *ret = tns__strdup(text);
    return *ret ? 0 : tns__error_nomem(err);
}

static int copy_strings(const struct tns_session_opts *opts, struct tns_conf *conf,
                        struct tns_error *err)
{
    int rc = copy_str(opts->user, &conf->user, err);

    if (!rc)
        rc = copy_str(opts->ca_file, &conf->ca_file, err);
    if (!rc)
        rc = copy_str(opts->run_dir ? opts->run_dir : TNS_DEFAULT_RUN_DIR, &conf->run_dir,
                      err);
    if (!rc)
        rc = copy_str(opts->holder_path ? opts->holder_path : TNS_HOLDER_PATH,
                      &conf->holder_path, err);
    return rc;
}

static void copy_numbers(const struct tns_session_opts *opts, struct tns_conf *conf)
{
    conf->port = opts->port ? opts->port : conf->tls ? 443 : 80;
    conf->prefer_ipv4 = opts->prefer_ipv4;
    /* A fingerprint is the stronger rule of the two: it wins. */
    conf->insecure = opts->insecure && !conf->fingerprints[0];
    conf->no_holder = opts->no_holder;
    conf->retry_max = opts->retry_max ? opts->retry_max : 3;
    conf->timeout_ms = opts->timeout_ms ? opts->timeout_ms : 30000;
    conf->login_max = opts->login_max ? opts->login_max : 18;
    conf->login_window_ms = opts->login_window_ms ? opts->login_window_ms : 60000;
}

int tns__conf_read(const struct tns_session_opts *opts, struct tns_conf *ret,
                   struct tns_error *err)
{
    struct tns_conf conf = { 0 };
    int rc = read_hosts(opts->hosts, &conf, err);

    if (!rc)
        rc = read_transport(opts->transport, &conf, err);
    if (!rc)
        rc = read_scheme(opts->scheme, &conf, err);
    if (!rc)
        rc = check_rest(opts, err);
    if (!rc)
        rc = read_fingerprints(opts->fingerprints, &conf, err);
    if (!rc)
        rc = copy_strings(opts, &conf, err);
    if (!rc) {
        copy_numbers(opts, &conf);
        rc = check_clear_text(&conf, err);
    }
    if (rc)
        tns__conf_clear(&conf);
    else
        *ret = conf;
    return rc;
}

void tns__conf_clear(struct tns_conf *conf)
{
    for (size_t i = 0; i < conf->n_hosts; i++)
        tns__free(conf->hosts[i]);
    for (size_t i = 0; i < TNS_FINGERPRINTS_MAX; i++)
        tns__free(conf->fingerprints[i]);
    tns__free(conf->ca_file);
    tns__free(conf->user);
    tns__free(conf->run_dir);
    tns__free(conf->holder_path);
    *conf = (struct tns_conf){ 0 };
}

void tns__conf_endpoint(const struct tns_conf *conf, size_t host, struct tns_endpoint *ret)
{
    *ret = (struct tns_endpoint){
        .host = conf->hosts[host],
        .port = conf->port,
        .tls = conf->tls,
        .insecure = conf->insecure,
        .prefer_ipv4 = conf->prefer_ipv4,
        .ca_file = conf->ca_file,
        .fingerprints =
            conf->fingerprints[0] ? (const char *const *)conf->fingerprints : NULL,
    };
}
