/* SPDX-License-Identifier: Apache-2.0 */
/* What this node is: its initiator name, and where it keeps its state. */
#include <string.h>

#include "device/device_priv.h"

const char *tns__run_dir(const struct tns_node *node)
{
    return node->run_dir ? node->run_dir : "/run/tnstor";
}

/* The value of an InitiatorName= line, cut in place; NULL for any other line. */
static char *initiator_of(char *line)
{
    static const char key[] = "InitiatorName=";

    line += strspn(line, " \t");
    if (!tns__starts_with(line, key))
        return NULL;
    line += sizeof(key) - 1;
    line += strspn(line, " \t");
    line[strcspn(line, " \t\r")] = '\0';
    return line;
}

int tns__device_initiator_name(struct tns_node *node, char *ret, size_t cap,
                               struct tns_error *err)
{
    static const char path[] = "/etc/iscsi/initiatorname.iscsi";
    const char *found = NULL;
    char text[4096];
    char *save = NULL;
    int rc = tns__sysroot_read(node->sr, text, sizeof(text), err, "%s", path);

    if (rc < 0)
        return tns__error_prefix(err,
                                 "this node has no initiator name (install open-iscsi)");

    /* iscsid takes the last one */
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        const char *name = initiator_of(line);

        found = name ? name : found;
    }
    if (!found || !tns__is_iqn(found))
        return tns__error_set(
            err, TNS_E_CONFIG,
            "%s holds no InitiatorName=iqn...: write one with iscsi-iname", path);
    if (!tns__fmt(ret, cap, "%s", found))
        return tns__error_set(err, TNS_E_CONFIG, "the initiator name in %s is too long",
                              path);
    return 0;
}

struct tns_node tns__node_later(const struct tns_node *node, struct tns_ctx *ctx,
                                unsigned ms)
{
    struct tns_node later = *node;

    *ctx = *node->ctx;
    ctx->cancel_fn = NULL;
    ctx->deadline_ns = 0;
    tns__ctx_begin(ctx, ms);
    later.ctx = ctx;
    return later;
}
