/* SPDX-License-Identifier: Apache-2.0 */
/* A section of storage.cfg and its secrets, as the library wants them. */
#ifndef TNCTL_SECTION_H
#define TNCTL_SECTION_H

#include <jansson.h>

#include "base/error.h"

/* The options of that storage, secrets among them; owned. root stands before /etc/pve. */
int tnctl_section_read(const char *root, const char *storeid, json_t **ret,
                       struct tns_error *err);

#endif
