/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that publish a zvol, for every plan that makes one. */
#ifndef TNS_VOLUME_EXPORT_H
#define TNS_VOLUME_EXPORT_H

#include <stddef.h>

#include "volume/plan.h"

/* On a struct tns_make. */
extern const struct tns_step tns__make_export_steps[];
extern const size_t tns__make_export_count;

#endif
