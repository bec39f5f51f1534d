/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests. */
#ifndef TNS_T_WIRE_CERT_H
#define TNS_T_WIRE_CERT_H

#include <openssl/ssl.h>

#include "wire/server.h"

struct cert {
    X509 *cert;
    EVP_PKEY *key;
    char ca_file[64];
    char fingerprint[96];
};

void cert_make(enum srv_cert kind, struct cert *ret);
void cert_free(struct cert *cert);

#endif
