/* SPDX-License-Identifier: Apache-2.0 */
/* For the lab alone: a build with LAB_BREAK=1 leaves out the protections that the environment names, to show
 * that the lab's scenarios notice. Every other build has them all, and knows no such variable. */
#ifndef TNS_BASE_BROKEN_H
#define TNS_BASE_BROKEN_H

#include <stdbool.h>

#ifdef TNS_LAB_BREAK
#include <stdlib.h>
#include <string.h>

/* $TNS_LAB_BREAK is the name of one protection. */
static inline bool tns__is_broken(const char *protection)
{
    const char *named = getenv("TNS_LAB_BREAK");

    return named && strcmp(named, protection) == 0;
}
#else
#define tns__is_broken(protection) false
#endif

#endif
