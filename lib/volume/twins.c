/* SPDX-License-Identifier: Apache-2.0 */
/* Another machine with this node's initiator name: the NAS takes the two for one. */
#include "volume/twins.h"

#include <stdio.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "nas/nas.h"

/* An address that cannot be read says nothing about anybody. */
static bool is_of_this_node(const char *address)
{
    struct tns_error none = TNS_ERROR_INIT;
    bool is_own = true;

    return tns__device_owns_address(address, &is_own, &none) < 0 || is_own;
}

int tns__twins_find(struct tns_storage *st, char ret[TNS_TWIN_TEXT], struct tns_error *err)
{
    _tns_batch_ struct tns_batch *b = tns__batch_new(st->session);
    struct tns_iscsi_session_list *all = NULL;
    struct tns_error quiet = TNS_ERROR_INIT;
    char own[256];
    int rc;

    ret[0] = '\0';
    if (tns__device_initiator_name(&st->node, own, sizeof(own), &quiet) < 0)
        return 0;
    tns__iscsi_session_list_put(b, &all);
    rc = tns__batch_run(b, &quiet);
    /* a key that may not see sessions need not be given more for this */
    if (rc == -TNS_E_PERMISSION)
        return 0;
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        const struct tns_iscsi_session *s = &all->items[i];

        if (strcasecmp(s->initiator, own) == 0 && !is_of_this_node(s->initiator_addr))
            snprintf(
                ret, TNS_TWIN_TEXT,
                "this node's initiator name %s is used from %s, too: give each node "
                "its own in /etc/iscsi/initiatorname.iscsi (iscsi-iname makes one), or "
                "reservations and checks for use will go wrong",
                own, s->initiator_addr);
    }
    tns__iscsi_session_list_free(all);
    return rc < 0 ? tns__error_copy(err, &quiet) : 0;
}
