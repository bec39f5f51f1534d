/* SPDX-License-Identifier: Apache-2.0 */
/* Who works on a volume, and whether that process can still be alive. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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
    if (!tns__fmt(ret, cap, "%s %s %ld %s %lld", st->opt.node, boot, (long)getpid(), start,
                  (long long)time(NULL)))
        return tns__error_set(err, TNS_E_BUG, "the mark of this process is too long");
    return 0;
}

/* Marks of before there was a time in them say nothing. */
static bool too_old(const char *by, int64_t age_s, int64_t now_s)
{
    long long since = 0;

    return age_s > TNS_OP_MAX_S || (by && sscanf(by, "%*s %*s %*s %*s %lld", &since) == 1 &&
                                    now_s - since > TNS_OP_MAX_S + TNS_CLOCK_SKEW_S);
}

bool tns__by_alive(struct tns_storage *st, const char *by, int64_t age_s, int64_t now_s)
{
    char node[64];
    char boot[16];
    char start[24];
    char now[24];
    char my_boot[9];
    long pid;

    if (too_old(by, age_s, now_s))
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

bool tns__at_work(struct tns_storage *st, const struct tns_dataset *ds, int64_t now_s)
{
    const char *by = tns__dataset_tag(ds, TNS_TAG_BY);

    /* Only while it is being made does the zvol's age say how long that takes already. */
    if (tns__tag_state(ds) == TNS_STATE_CREATING)
        return tns__by_alive(st, by, now_s - ds->creation_s, now_s);
    return by && tns__by_alive(st, by, 0, now_s);
}

int tns__at_work_ask(struct tns_storage *st, const struct tns_dataset *ds, bool *ret,
                     struct tns_error *err)
{
    int64_t now = 0;
    int rc = tns__system_time(st->session, &now, err);

    if (rc == 0)
        *ret = tns__at_work(st, ds, now);
    return rc;
}
