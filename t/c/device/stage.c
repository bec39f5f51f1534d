/* SPDX-License-Identifier: Apache-2.0 */
/* The usual stage of a test: a world with two portals and one volume that is mapped and unmapped. */
#include "device/stage.h"

#include "common/tst.h"

struct world *w;
struct tns_want want;
struct tns_mapped mapped;

void stage_setup(void)
{
    w = world_new(2);
    want = world_want(w);
}

void stage_teardown(void)
{
    world_free(w);
}

int map(void)
{
    return tns__device_map(&w->node, &want, &mapped, &w->err);
}

int unmap(void)
{
    return tns__device_unmap(&w->node, &want, false, &w->err);
}

void mapped_before(void)
{
    world_session(w, 0);
    world_session(w, 1);
    tst_ok(map(), &w->err);
    world_forget(w);
}
