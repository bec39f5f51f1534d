/* SPDX-License-Identifier: Apache-2.0 */
/* Where records are, and which there are. */
#ifndef TNS_DEVICE_RECORD_PRIV_H
#define TNS_DEVICE_RECORD_PRIV_H

#include "device/device_priv.h"

#define TNS__RECORD_DIR "/var/lib/tnstor"

#endif
