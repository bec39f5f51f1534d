/* SPDX-License-Identifier: Apache-2.0 */
/* What a process that was killed left among iscsiadm's records: a file with a CHAP secret, that nobody
 * reads and nobody else removes. */
#include <string.h>

#include "device/session.h"

const char *const tns__record_dirs[2] = { "/etc/iscsi/nodes", "/var/lib/iscsi/nodes" };

/* Earlier versions wrote beside the record, ".10.0.0.2,3260.<pid>.<16 hex digits>": iscsiadm takes that
 * for a record, does not find it, and then does nothing for any portal of any target. */
static bool is_old_temp(const char *name)
{
    const char *hex = strrchr(name, '.');
    size_t len;

    if (name[0] != '.' || !hex || strspn(hex + 1, "0123456789abcdef") != 16 || hex[17])
        return false;
    len = (size_t)(hex - name);
    while (len > 0 && name[len - 1] >= '0' && name[len - 1] <= '9')
        len--;
    return len > 1 && name + len < hex && name[len - 1] == '.';
}

static bool is_temp(const char *name)
{
    return tns__starts_with(name, TNS__RECORD_TEMP) || is_old_temp(name);
}

/* The temporary files in the directory of a target, or in one of a portal below it. */
static void remove_temps(struct tns_node *node, const char *dir, const char *target_iqn,
                         const char *portal)
{
    struct tns_error none = TNS_ERROR_INIT;
    _tns_strv_ char **names = NULL;

    if (tns__sysroot_list(node->sr, &names, &none, "%s/%s/%s", dir, target_iqn, portal) < 0)
        return;
    for (char **name = names; *name; name++) {
        if (is_temp(*name))
            tns__sysroot_unlink(node->sr, NULL, "%s/%s/%s/%s", dir, target_iqn, portal,
                                *name);
        else if (!*portal && strchr(*name, ','))
            remove_temps(node, dir, target_iqn, *name);
    }
}

void tns__node_record_tidy(struct tns_node *node, const char *target_iqn)
{
    for (size_t i = 0; i < TNS_ARRAY_LEN(tns__record_dirs); i++)
        remove_temps(node, tns__record_dirs[i], target_iqn, "");
}
