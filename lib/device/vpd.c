/* SPDX-License-Identifier: Apache-2.0 */
/* What SCSI commands answer: identification, serial number, capacity, LUN list, sense. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device_priv.h"

enum { PAGE_SERIAL = 0x80, PAGE_IDENTIFICATION = 0x83 };
enum { CODE_SET_BINARY = 1, DESIGNATOR_NAA = 3, NAA_BYTES = 16 };
#define ASC_LUN_NOT_SUPPORTED 0x25u

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

/* Checks the head of a VPD page; the payload is what both the page and the transfer hold. */
static int page_payload(const uint8_t *page, size_t len, uint8_t code, size_t *ret_len,
                        struct tns_error *err)
{
    size_t payload;

    if (len < 4 || page[1] != code)
        return tns__error_set(err, TNS_E_DEVICE, "the device sent no VPD page 0x%02x",
                              code);
    /* qualifier 0 and type 0: a disk that is there. 0x7f: nothing behind this LUN. */
    if (page[0] != 0)
        return tns__error_set(err, page[0] == 0x7f ? TNS_E_NOTFOUND : TNS_E_DEVICE,
                              "there is no disk behind this LUN (peripheral 0x%02x)",
                              page[0]);
    payload = be16(page + 2);
    if (payload > len - 4)
        return tns__error_set(err, TNS_E_DEVICE, "VPD page 0x%02x is cut short", code);
    *ret_len = payload;
    return 0;
}

static void hex_of(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* A binary NAA designator that names the logical unit, not a port or the target. */
static bool is_naa6(const uint8_t *d)
{
    return (d[0] & 0x0f) == CODE_SET_BINARY && (d[1] & 0x0f) == DESIGNATOR_NAA &&
           (d[1] & 0x30) == 0 && d[3] == NAA_BYTES && d[4] >> 4 == 6;
}

int tns__vpd_naa(const uint8_t *page, size_t len, char ret[33], struct tns_error *err)
{
    char naa[33] = "";
    size_t left;
    int rc = page_payload(page, len, PAGE_IDENTIFICATION, &left, err);

    if (rc < 0)
        return rc;

    for (const uint8_t *d = page + 4; left >= 4; left -= 4u + d[3], d += 4u + d[3]) {
        char other[33];

        if (4u + d[3] > left)
            return tns__error_set(err, TNS_E_DEVICE,
                                  "VPD page 0x83 has a broken designator");
        if (!is_naa6(d))
            continue;
        hex_of(d + 4, NAA_BYTES, other);
        /* two names for one unit: none of them proves anything */
        if (naa[0] && strcmp(naa, other) != 0)
            return tns__error_set(err, TNS_E_IDENTITY,
                                  "the device claims to be both %s and %s", naa, other);
        memcpy(naa, other, sizeof(naa));
    }
    memcpy(ret, naa, sizeof(naa));
    return 0;
}

int tns__vpd_serial(const uint8_t *page, size_t len, char ret[64], struct tns_error *err)
{
    const uint8_t *start = page + 4, *end;
    size_t n;
    int rc = page_payload(page, len, PAGE_SERIAL, &n, err);

    if (rc < 0)
        return rc;

    end = start + n;
    while (start < end && (*start == ' ' || *start == '\0'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\0'))
        end--;
    n = (size_t)(end - start);
    if (n > 63)
        n = 63;
    memcpy(ret, start, n);
    ret[n] = '\0';
    tns__text_clean(ret);
    return 0;
}

int tns__scsi_capacity(const uint8_t *data, size_t len, uint64_t *ret_bytes,
                       uint32_t *ret_blocksize, struct tns_error *err)
{
    uint64_t blocks, bytes;
    uint32_t blocksize;

    if (len < 12)
        return tns__error_set(err, TNS_E_DEVICE, "READ CAPACITY (16) is cut short");
    blocksize = be32(data + 8);
    if (blocksize < 512 || blocksize > 65536 || (blocksize & (blocksize - 1)))
        return tns__error_set(err, TNS_E_DEVICE, "the device reports blocks of %u bytes",
                              blocksize);
    if (__builtin_add_overflow(be64(data), 1u, &blocks) ||
        __builtin_mul_overflow(blocks, blocksize, &bytes))
        return tns__error_set(err, TNS_E_DEVICE,
                              "the device reports an impossible capacity");
    *ret_bytes = bytes;
    *ret_blocksize = blocksize;
    return 0;
}

static int compare_u16(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Peripheral addressing as the standard has it, as LIO has it (16 bits), and flat space. */
static bool lun_of(const uint8_t *entry, uint16_t *ret)
{
    unsigned method = entry[0] >> 6;

    if (method > 1 || be16(entry + 2) || be32(entry + 4))
        return false;
    *ret = (uint16_t)(be16(entry) & 0x3fff);
    return true;
}

int tns__scsi_luns(const uint8_t *data, size_t len, json_t **ret, struct tns_error *err)
{
    _tns_json_ json_t *luns = json_array();
    _tns_free_ uint16_t *numbers = NULL;
    size_t bytes, n = 0;

    if (len < 8)
        return tns__error_set(err, TNS_E_DEVICE, "REPORT LUNS is cut short");
    bytes = be32(data);
    if (bytes % 8 || bytes > len - 8)
        return tns__error_set(err, TNS_E_DEVICE,
                              "REPORT LUNS announces %zu bytes and has %zu", bytes,
                              len - 8);
    numbers = tns__calloc(bytes / 8 + 1, sizeof(*numbers));
    if (!numbers || !luns)
        return tns__error_nomem(err);

    for (size_t at = 0; at < bytes; at += 8) {
        /* well-known units and other exotic addresses are no volumes */
        if (lun_of(data + 8 + at, &numbers[n]))
            n++;
    }
    qsort(numbers, n, sizeof(*numbers), compare_u16);
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(luns, json_integer(numbers[i])) < 0)
            return tns__error_nomem(err);
    }
    *ret = TNS_STEAL(luns);
    return 0;
}

int tns__scsi_sense_error(unsigned key, unsigned ascq, const char *what,
                          struct tns_error *err)
{
    /* numbers only: libiscsi knows no text for many of them, and answers NULL */
    if (key == 5 && ascq >> 8 == ASC_LUN_NOT_SUPPORTED)
        return tns__error_set(err, TNS_E_NOTFOUND, "%s: the target has no such LUN", what);
    return tns__error_set(err, TNS_E_DEVICE, "%s: refused by the device (sense %x/%04x)",
                          what, key, ascq);
}
