/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a (endpoints, rules, credential) set, for files and for the holder's table. */
#include "session/session_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define DIGEST_HEX 64

static char *join(char *const words[])
{
    char *text = tns__strdup("");

    for (size_t i = 0; words[i] && text; i++) {
        char *longer = tns__asprintf("%s%s,", text, words[i]);

        tns__free(text);
        text = longer;
    }
    return text;
}

/* Everything that makes two sessions different, except the key. */
static char *describe(const struct tns_conf *conf)
{
    _tns_free_ char *hosts = join(conf->hosts);
    _tns_free_ char *prints = join(conf->fingerprints);

    if (!hosts || !prints)
        return NULL;
    return tns__asprintf("%s|%d|%d|%u|%d|%d|%s|%s|%s", hosts, (int)conf->transport,
                         conf->tls, conf->port, conf->insecure, conf->prefer_ipv4, prints,
                         conf->ca_file ? conf->ca_file : "", conf->user ? conf->user : "");
}

bool tns__conf_digest(const struct tns_conf *conf, const struct tns_secret *key,
                      char ret[17])
{
    _tns_free_ char *text = describe(conf);
    size_t key_len = tns__secret_len(key);
    char both[DIGEST_HEX + 1024];
    bool ok;

    if (!text || key_len > sizeof both - DIGEST_HEX)
        return false;
    if (!tns__sha256_hex(text, strlen(text), DIGEST_HEX / 2, both))
        return false;
    memcpy(both + DIGEST_HEX, tns__secret_bytes(key), key_len);
    ok = tns__sha256_hex(both, DIGEST_HEX + key_len, 8, ret);
    explicit_bzero(both, sizeof both);
    return ok;
}
