/* SPDX-License-Identifier: Apache-2.0 */
/* What the redactor sees of the list of live secrets. */
#ifndef TNS_BASE_SECRET_PRIV_H
#define TNS_BASE_SECRET_PRIV_H

#include <stddef.h>

typedef void (*tns__secret_fn)(const char *bytes, size_t len, void *user);

/* Calls fn for every live secret, under the list's lock: fn makes and frees none. */
void tns__secret_each(tns__secret_fn fn, void *user);

#endif
