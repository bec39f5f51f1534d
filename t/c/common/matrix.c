/* SPDX-License-Identifier: Apache-2.0 */
/* Every release in every dialect it speaks: one tcase per cell, one tnsim per release. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "common/tst.h"
#include "common/tst_priv.h"

#define CELL_TIMEOUT_S 60

static const struct tst_cell cells[] = {
    { "22.12", "ddp" },  { "22.12", "rest" },    { "23.10", "ddp" },
    { "23.10", "rest" }, { "24.04", "ddp" },     { "24.04", "rest" },
    { "24.10", "ddp" },  { "24.10", "rest" },    { "25.04", "jsonrpc" },
    { "25.04", "rest" }, { "25.10", "jsonrpc" }, { "25.10", "ddp" },
    { "25.10", "rest" }, { "26", "jsonrpc" },
};

#define CELL_COUNT TNS_ARRAY_LEN(cells)

/* By the cell's index; cells of one release share one. */
static struct tst_sim *cell_sims[CELL_COUNT];
static size_t cell_now;

/* tnsim starts in the program's own process, so that it outlives the forked tests. */
static void cell_enter(size_t i)
{
    static const char *const args[] = { "--check-replies", NULL };
    size_t first = i;

    while (first > 0 && strcmp(cells[first - 1].release, cells[i].release) == 0)
        first--;
    if (!cell_sims[first])
        cell_sims[first] = tst_sim_start(cells[i].release, args);
    cell_sims[i] = cell_sims[first];
    cell_now = i;
}

/* Twenty logins a minute would not last for a suite. */
static void cell_begin(void)
{
    tst_sim_reset(cell_sims[cell_now]);
    tst_sim_world(cell_sims[cell_now], "{\"limiter\":{\"reset\":true}}");
}

/* What tnsim said to this test is what the release says: its own published schemas agree. */
static void cell_end(void)
{
    _tns_json_ json_t *stats = tst_sim_get(cell_sims[cell_now], "/stats");
    const json_t *bad = json_object_get(stats, "violations");
    _tns_free_ char *text = tns__json_dump(bad, NULL);

    ck_assert_msg(json_is_array(bad) && json_array_size(bad) == 0, "tnsim strayed: %s",
                  text);
}

void tst__cells_stop(void)
{
    for (size_t i = 0; i < CELL_COUNT; i++) {
        bool is_first = i == 0 || strcmp(cells[i - 1].release, cells[i].release) != 0;

        if (is_first)
            tst_sim_stop(cell_sims[i]);
        cell_sims[i] = NULL;
    }
}

/* Check's fixtures take no argument: one function per cell carries its index. */
#define CELL_SETUP(n)                                                                      \
    static void cell_setup_##n(void)                                                       \
    {                                                                                      \
        cell_enter(n);                                                                     \
    }
CELL_SETUP(0)
CELL_SETUP(1)
CELL_SETUP(2)
CELL_SETUP(3)
CELL_SETUP(4)
CELL_SETUP(5)
CELL_SETUP(6)
CELL_SETUP(7)
CELL_SETUP(8)
CELL_SETUP(9)
CELL_SETUP(10)
CELL_SETUP(11)
CELL_SETUP(12)
CELL_SETUP(13)

static const SFun cell_setups[] = {
    cell_setup_0,  cell_setup_1,  cell_setup_2,  cell_setup_3,  cell_setup_4,
    cell_setup_5,  cell_setup_6,  cell_setup_7,  cell_setup_8,  cell_setup_9,
    cell_setup_10, cell_setup_11, cell_setup_12, cell_setup_13,
};
_Static_assert(TNS_ARRAY_LEN(cell_setups) == CELL_COUNT, "one setup function per cell");

static bool cell_is_wanted(const char *name)
{
    const char *wanted = getenv("TNS_TEST_CELLS");
    size_t len = strlen(name);

    if (!wanted || !*wanted)
        return true;
    for (const char *p = wanted; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, name, len) == 0 && (p[len] == ',' || p[len] == '\0'))
            return true;
    }
    return false;
}

void tst_matrix(Suite *s, void (*add)(TCase *tc))
{
    /* Check keeps the names by pointer */
    static char names[CELL_COUNT][24];

    for (size_t i = 0; i < CELL_COUNT; i++) {
        TCase *tc;

        snprintf(names[i], sizeof(names[i]), "%s/%s", cells[i].release, cells[i].dialect);
        if (!cell_is_wanted(names[i]))
            continue;
        tc = tcase_create(names[i]);
        tcase_add_unchecked_fixture(tc, cell_setups[i], NULL);
        tcase_add_checked_fixture(tc, cell_begin, cell_end);
        tcase_set_timeout(tc, CELL_TIMEOUT_S);
        add(tc);
        suite_add_tcase(s, tc);
    }
}

const struct tst_cell *tst_cell(void)
{
    return &cells[cell_now];
}

const struct tst_sim *tst_cell_sim(void)
{
    return cell_sims[cell_now];
}

bool tst_cell_is(const char *release, const char *dialect)
{
    const struct tst_cell *cell = tst_cell();

    return (!release || strcmp(cell->release, release) == 0) &&
           (!dialect || strcmp(cell->dialect, dialect) == 0);
}
