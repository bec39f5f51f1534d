# SPDX-License-Identifier: Apache-2.0
# Stand-in: real modules of PVE::Storage load it, the plugin never uses it.
package PVE::CephConfig;

use v5.36;

1;
