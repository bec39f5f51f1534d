/* SPDX-License-Identifier: Apache-2.0 */
/* Fallible allocation behind one counter, so that a test can make any single one of them fail. */
#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only tests set fail_at; atomics, because a resolver thread may allocate beside us. */
static atomic_size_t mem_count;
static atomic_size_t mem_fail_at;

static int mem_may_go_on(void)
{
    size_t n = atomic_fetch_add_explicit(&mem_count, 1, memory_order_relaxed) + 1;

    if (n != atomic_load_explicit(&mem_fail_at, memory_order_relaxed))
        return 1;
    errno = ENOMEM; /* as malloc does */
    return 0;
}

void tns__mem_fail_at(size_t n)
{
    atomic_store(&mem_count, 0);
    atomic_store(&mem_fail_at, n);
}

size_t tns__mem_count(void)
{
    return atomic_load(&mem_count);
}

void *tns__alloc(size_t size)
{
    return tns__calloc(1, size);
}

void *tns__calloc(size_t n, size_t size)
{
    if (!mem_may_go_on())
        return NULL;

    /* calloc(0) may answer NULL, which here only ever means that memory is out */
    return n && size ? calloc(n, size) : calloc(1, 1);
}

void *tns__realloc(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes) || !mem_may_go_on())
        return NULL;

    return realloc(p, bytes ? bytes : 1);
}

char *tns__strdup(const char *s)
{
    return tns__strndup(s, strlen(s));
}

char *tns__strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = tns__alloc(len + 1);

    if (copy)
        memcpy(copy, s, len);
    return copy;
}

char *tns__asprintf(const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = tns__vasprintf(fmt, ap);
    va_end(ap);
    return text;
}

char *tns__vasprintf(const char *fmt, va_list ap)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        return NULL;

    text = tns__alloc((size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, ap);
    return text;
}

void tns__free(void *p)
{
    free(p);
}

static void *mem_json_malloc(size_t size)
{
    return mem_may_go_on() ? malloc(size) : NULL;
}

void tns__mem_hook_jansson(void)
{
    json_set_alloc_funcs(mem_json_malloc, free);
}
