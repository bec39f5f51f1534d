/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the answer of a SCSI device: nothing beyond them is read, and names stay names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/device_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_naa(const uint8_t *data, size_t size)
{
    char naa[33];

    if (tns__vpd_naa(data, size, naa, NULL) == 0 && naa[0] && !tns__is_naa(naa))
        abort();
}

static void check_serial(const uint8_t *data, size_t size)
{
    char serial[64];

    if (tns__vpd_serial(data, size, serial, NULL) == 0 &&
        memchr(serial, '\n', strlen(serial)))
        abort();
}

static void check_capacity(const uint8_t *data, size_t size)
{
    uint32_t blocksize = 0;
    uint64_t bytes = 0;

    if (tns__scsi_capacity(data, size, &bytes, &blocksize, NULL) == 0 && bytes % blocksize)
        abort();
}

/* Ascending, and never out of the range of a LUN number. */
static void check_luns(const uint8_t *data, size_t size)
{
    json_int_t last = -1;
    json_t *luns = NULL;

    if (tns__scsi_luns(data, size, &luns, NULL) < 0)
        return;
    for (size_t i = 0; i < json_array_size(luns); i++) {
        json_int_t lun = json_integer_value(json_array_get(luns, i));

        if (lun < last || lun > 16383)
            abort();
        last = lun;
    }
    json_decref(luns);
}

/* What is accepted as a portal is written in one way, and that way is accepted again. */
static void check_portal(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    char again[TNS__ADDR_TEXT];
    struct tns_addr a, b;

    if (text && tns__addr_parse(text, &a, NULL) == 0) {
        tns__addr_format(&a, again);
        if (tns__addr_parse(again, &b, NULL) < 0 || !tns__addr_equal(&a, &b))
            abort();
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* a copy of exact size, so that a read beyond it is seen */
    uint8_t *copy = malloc(size);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    check_naa(copy, size);
    check_serial(copy, size);
    check_capacity(copy, size);
    check_luns(copy, size);
    check_portal(copy, size);
    free(copy);
    return 0;
}
