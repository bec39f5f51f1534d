# SPDX-License-Identifier: Apache-2.0
# libtnstor: library, bindings, commands and tests. `make help` lists the targets.

# Where everything that is made goes, and which layers of lib/ take part.
O ?= build
LAYERS ?= base wire rpc session nas device volume

PREFIX ?= /usr
DESTDIR ?=
MULTIARCH := $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null)
LIBDIR ?= $(PREFIX)/lib/$(MULTIARCH)
FUZZ_SECONDS ?= 60

VERSION := $(shell awk '/define TNS_VERSION_(MAJOR|MINOR|PATCH)/ { v = v s $$3; s = "." } END { print v }' lib/include/tnstor.h)
SONAME := libtnstor.so.0

# ---- flags ---------------------------------------------------------------------------

PKGS = jansson libwebsockets openssl libiscsi
# -isystem: headers of others need not pass our warnings
pkg_cflags = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1) 2>/dev/null))
pkg_libs = $(shell pkg-config --libs $(1) 2>/dev/null)
PKG_CFLAGS := $(call pkg_cflags,$(PKGS))
PKG_LIBS := $(call pkg_libs,$(PKGS))
CHECK_CFLAGS := $(call pkg_cflags,check)
CHECK_LIBS := $(call pkg_libs,check)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wconversion -Wsign-conversion -Wcast-qual -Wvla -Wundef -Wimplicit-fallthrough \
	$(if $(WARN_ONLY),,-Werror)
HARDEN = -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
OPT ?= -O2 -g
SANITIZE ?=

# The sanitizers bring their own checks of what FORTIFY wraps.
TNS_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Ilib -Ilib/include $(PKG_CFLAGS) $(OPT) $(WARNINGS) \
	$(if $(SANITIZE),$(SANITIZE),$(HARDEN)) -fPIC -fvisibility=hidden -pthread $(CFLAGS)
TNS_LDFLAGS = $(SANITIZE) -Wl,-z,relro,-z,now -Wl,--as-needed -pthread $(LDFLAGS)

Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.PHONY: all check help clean
.SECONDARY:

# ---- the library ---------------------------------------------------------------------

LIB_SRC := $(foreach l,$(LAYERS),$(sort $(wildcard lib/$(l)/*.c)))
ALL :=
CLEAN_EXTRA :=

# A folder may say more about itself: its fragment adds to these variables, or brings rules.
-include $(sort $(wildcard */files.mk */*/files.mk))

LIB_OBJ = $(LIB_SRC:%.c=$(O)/%.o)
LIB_A = $(O)/libtnstor.a
LIB_SO = $(O)/$(SONAME)

ALL += $(LIB_A) $(LIB_SO) $(O)/libtnstor.so $(O)/libtnstor.pc

$(O)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TNS_CFLAGS) $(CFLAGS_$(subst /,_,$(<D))) -MMD -MP -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# The list of exported symbols follows the header; a change shows up as a change to commit.
lib/libtnstor.map: lib/include/tnstor.h .ci/symbols
	$(Q).ci/symbols --update $@

$(LIB_SO): $(LIB_OBJ) lib/libtnstor.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,lib/libtnstor.map \
		$(if $(SANITIZE),,-Wl,-z,defs) $(TNS_LDFLAGS) -o $@ $(LIB_OBJ) $(PKG_LIBS)

$(O)/libtnstor.so: $(LIB_SO)
	@ln -sf $(SONAME) $@

$(O)/libtnstor.pc: lib/libtnstor.pc.in Makefile
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

# ---- the commands --------------------------------------------------------------------

define program
$(if $(wildcard $(1)/*.c),
ALL += $$(O)/bin/$(1)
$$(O)/bin/$(1): $$(patsubst %.c,$$(O)/%.o,$$(sort $$(wildcard $(1)/*.c))) $$(LIB_A)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pie $$(TNS_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
)
endef
$(foreach p,tnctl tnsessiond,$(eval $(call program,$(p))))

all: $(ALL)

# ---- tests in C ----------------------------------------------------------------------

# The ones of the chosen layers, and those that stand beside the library (tools).
TEST_DIRS = $(foreach l,$(LAYERS) $(TEST_MORE),t/c/$(l))
TEST_MORE ?= $(if $(filter volume,$(LAYERS)),tnctl tnsessiond)
TEST_SRC := $(sort $(wildcard $(addsuffix /test_*.c,$(TEST_DIRS))))
TEST_PROGS = $(foreach s,$(TEST_SRC),$(O)/t/$(basename $(notdir $(s))))
COMMON_OBJ = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard t/c/common/*.c)))

$(O)/t/c/%.o: CFLAGS += $(CHECK_CFLAGS) -It/c -DTNS_TEST_SRCDIR='"$(CURDIR)"' \
	-DTNS_TEST_BUILDDIR='"$(abspath $(O))"'

# Folders of tests may share helpers: every other .c beside a test is linked with it.
define test_program
$$(O)/t/$(basename $(notdir $(1))): $$(O)/$(1:.c=.o) \
		$$(patsubst %.c,$$(O)/%.o,$$(filter-out $$(wildcard $(dir $(1))test_*.c),$$(wildcard $(dir $(1))*.c))) \
		$$(COMMON_OBJ) $$(LIB_A)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pie $$(TNS_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) $$(CHECK_LIBS)
run-$(basename $(notdir $(1))): $$(O)/t/$(basename $(notdir $(1)))
	$$(Q)$$(RUN_WITH) $$<
.PHONY: run-$(basename $(notdir $(1)))
endef
$(foreach s,$(TEST_SRC),$(eval $(call test_program,$(s))))

tests: $(TEST_PROGS)
.PHONY: tests

-include $(shell find $(O) -name '*.d' 2>/dev/null)
