/* SPDX-License-Identifier: Apache-2.0 */
/* Which releases differ in ways that only lib/nas needs to know, one question each. */
#ifndef TNS_NAS_QUIRKS_H
#define TNS_NAS_QUIRKS_H

#include <stdbool.h>

#include "session/session.h"

/*
 * pool.dataset.query with retrieve_children=false: up to 25.04 the server opens only what a filter
 * on id names, else nothing but the pool roots; from 25.10 it visits every dataset when there is
 * a filter. REST cannot say OR, so there the nested form serves everywhere.
 */
static inline bool tns__quirk_flat_query(const struct tns_caps *caps)
{
    return caps->release >= 2510 && caps->dialect != TNS_DIALECT_REST;
}

/*
 * A filter `id in [...]` with retrieve_children=false: the shortcut of 25.04 on, for that filter
 * alone. Before, every dataset must be opened, and zvols are told from the rest so that no row
 * drags children along. So over REST, where a list is a text with commas: the shortcut would take
 * it for a list of letters, the filter itself looks for a part of the text.
 */
static inline bool tns__quirk_in_shortcut(const struct tns_caps *caps)
{
    return caps->release >= 2504 && caps->dialect != TNS_DIALECT_REST;
}

/* Over REST there is no `select`. */
static inline bool tns__quirk_select(const struct tns_caps *caps)
{
    return caps->dialect != TNS_DIALECT_REST;
}

/* zfs.dataset.rename is private: full administrators reach it on the websocket, REST has no path. */
static inline bool tns__quirk_private_methods(const struct tns_caps *caps)
{
    return caps->dialect != TNS_DIALECT_REST;
}

/* auth.me carries the privilege from 25.04 on, and REST never had it. */
static inline bool tns__quirk_knows_roles(const struct tns_caps *caps)
{
    return caps->release >= 2504 && caps->dialect != TNS_DIALECT_REST;
}

#endif
