/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup attributes: what a function owns is released on every way out. */
#ifndef TNS_BASE_CLEANUP_H
#define TNS_BASE_CLEANUP_H

#include <dirent.h>
#include <jansson.h>
#include <unistd.h>

#include "base/mem.h"

static inline void tns__freep(void *p)
{
    tns__free(*(void **)p);
}

static inline void tns__closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void tns__json_decrefp(json_t **j)
{
    json_decref(*j);
}

static inline void tns__closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

#define _tns_free_ __attribute__((cleanup(tns__freep)))
#define _tns_close_ __attribute__((cleanup(tns__closep)))
#define _tns_json_ __attribute__((cleanup(tns__json_decrefp)))
#define _tns_closedir_ __attribute__((cleanup(tns__closedirp)))

/* Hands a pointer over to the caller and forgets it here. */
#define TNS_STEAL(p)                                                                       \
    ({                                                                                     \
        __typeof__(p) tns_stolen_ = (p);                                                   \
        (p) = NULL;                                                                        \
        tns_stolen_;                                                                       \
    })

#define TNS_STEAL_FD(fd)                                                                   \
    ({                                                                                     \
        int tns_stolen_ = (fd);                                                            \
        (fd) = -1;                                                                         \
        tns_stolen_;                                                                       \
    })

#define TNS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
