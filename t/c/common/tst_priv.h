/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of t/c/common. */
#ifndef TNS_T_COMMON_TST_PRIV_H
#define TNS_T_COMMON_TST_PRIV_H

#include <stddef.h>

void tst__cells_stop(void);
void tst__mkdtemp(char *ret, size_t cap, const char *name);
void tst__remove_tree(const char *path);

#endif
