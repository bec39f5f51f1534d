/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that can fail, and that tests make fail at the N-th call. */
#ifndef TNS_BASE_MEM_H
#define TNS_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* All return NULL when memory is out; all memory comes zeroed. Free with tns__free. */
void *tns__alloc(size_t size);
void *tns__calloc(size_t n, size_t size);
/* Grows an array of n elements; the new part is not zeroed. The old one stays on failure. */
void *tns__realloc(void *p, size_t n, size_t size);
char *tns__strdup(const char *s);
char *tns__strndup(const char *s, size_t n);
char *tns__asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *tns__vasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
void tns__free(void *p);

/*
 * For the sweep: the n-th allocation from now fails (0: none does). jansson allocates through
 * the same counter once tns__mem_hook_jansson() was called, which only tests do: the hook is
 * process-global.
 */
void tns__mem_fail_at(size_t n);
size_t tns__mem_count(void);
void tns__mem_hook_jansson(void);

#endif
