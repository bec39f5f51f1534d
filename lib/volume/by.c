/* SPDX-License-Identifier: Apache-2.0 */
/* Who works on a volume, and whether that process can still be alive. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "volume/tag.h"

void tns__boot_id(struct tns_storage *st, char ret[9])
{
    char text[64];

    if (tns__sysroot_read(st->sr, text, sizeof(text), NULL,
                          "/proc/sys/kernel/random/boot_id") ||
        strlen(text) < 8)
        strcpy(text, "0");
    text[8] = '\0';
    memcpy(ret, text, 9);
}

/* Field 22 of /proc/<pid>/stat, behind a name that may hold anything; "0" when unknown. */
static void start_time(struct tns_storage *st, long pid, char ret[24])
{
    char text[1024];
    char *p;
    unsigned field;

    strcpy(ret, "0");
    if (tns__sysroot_read(st->sr, text, sizeof(text), NULL, "/proc/%ld/stat", pid))
        return;
    p = strrchr(text, ')');
    for (field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p) {
        p++;
        p[strcspn(p, " ")] = '\0';
        if (strlen(p) < 24)
            strcpy(ret, p);
    }
}

int tns__by_make(struct tns_storage *st, char *ret, size_t cap, struct tns_error *err)
{
    char boot[9];
    char start[24];

    tns__boot_id(st, boot);
    start_time(st, getpid(), start);
    if (!tns__fmt(ret, cap, "%s %s %ld %s", st->opt.node, boot, (long)getpid(), start))
        return tns__error_set(err, TNS_E_BUG, "the mark of this process is too long");
    return 0;
}

bool tns__by_alive(struct tns_storage *st, const char *by, int64_t age_s)
{
    char node[64];
    char boot[16];
    char start[24];
    char now[24];
    char my_boot[9];
    long pid;

    if (age_s > TNS_OP_MAX_S)
        return false;
    if (!by || sscanf(by, "%63s %15s %ld %23s", node, boot, &pid, start) != 4 ||
        strcmp(node, st->opt.node) != 0)
        return true;
    if (pid == getpid())
        return false; /* this very process came back: what it did then is over */

    tns__boot_id(st, my_boot);
    if (strcmp(boot, my_boot) != 0)
        return false;
    start_time(st, pid, now);
    if (strcmp(start, "0") != 0 && strcmp(now, start) != 0)
        return false;
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}
