# SPDX-License-Identifier: Apache-2.0
# These tests run the real program.
$(O)/t/session/test_session_holder $(O)/t/session/test_session_sweep \
	$(O)/t/session/test_session_crowd: | $(O)/bin/tnsessiond
