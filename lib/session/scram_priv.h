/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of one SCRAM-SHA-512 exchange, apart from the network so that they can be tested. */
#ifndef TNS_SESSION_SCRAM_PRIV_H
#define TNS_SESSION_SCRAM_PRIV_H

#include "base/secret.h"
#include "tnstor.h"

#define TNS_SCRAM_NONCE 32
#define TNS_SCRAM_HASH 64

struct tns_scram {
    unsigned char nonce[TNS_SCRAM_NONCE];
    char bare[256];     /* client-first-message-bare: n=user:id,r=nonce   */
    const char *secret; /* the part of the key behind "<id>-"; borrowed   */
    size_t secret_len;
    char expected[128]; /* base64 of the signature that the NAS must give */
};

/* Splits the key, "<id>-<secret>"; nonce must be filled in. ret_first is the message to send. */
int tns__scram_first(struct tns_scram *sc, const char *user, const struct tns_secret *key,
                     char ret_first[300], struct tns_error *err);
/* Of the server's first message, the client's final one, and what the server must prove. */
int tns__scram_final(struct tns_scram *sc, const char *server_first, char ret_final[512],
                     struct tns_error *err);
/* The server's final message: it knows the key, or it is not the NAS. */
int tns__scram_verify(const struct tns_scram *sc, const char *server_final,
                      struct tns_error *err);

#endif
