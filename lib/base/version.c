/* SPDX-License-Identifier: Apache-2.0 */
/* The version that was compiled in, as text. */
#include "tnstor.h"

#define VERSION_STR_(x) #x
#define VERSION_STR(x) VERSION_STR_(x)

const char *tns_version_string(void)
{
    return VERSION_STR(TNS_VERSION_MAJOR) "." VERSION_STR(
        TNS_VERSION_MINOR) "." VERSION_STR(TNS_VERSION_PATCH);
}
