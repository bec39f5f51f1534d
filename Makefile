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
# The lab's own build, in which a protection can be switched off: t/lab/README.md.
LAB_BREAK ?=

# The sanitizers bring their own checks of what FORTIFY wraps.
TNS_CFLAGS = -std=gnu11 -D_GNU_SOURCE -Ilib -Ilib/include $(PKG_CFLAGS) $(OPT) $(WARNINGS) \
	$(if $(SANITIZE),$(SANITIZE),$(HARDEN)) -fPIC -fvisibility=hidden -pthread \
	$(if $(LAB_BREAK),-DTNS_LAB_BREAK) $(CFLAGS)
TNS_LDFLAGS = $(SANITIZE) -Wl,-z,relro,-z,now -Wl,--as-needed -pthread $(LDFLAGS)

Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.PHONY: all check help clean always
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

# PREFIX may differ from the last time.
$(O)/libtnstor.pc: lib/libtnstor.pc.in always
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
$(foreach p,$(if $(filter volume,$(LAYERS)),tnctl) $(if $(filter session,$(LAYERS)),tnsessiond),$(eval $(call program,$(p))))

all: $(ALL)

# ---- tests in C ----------------------------------------------------------------------

# The ones of the chosen layers, and those that stand beside the library (tools).
TEST_DIRS = $(foreach l,$(LAYERS) $(TEST_MORE),t/c/$(l))
TEST_MORE ?= $(if $(filter volume,$(LAYERS)),tnctl tnsessiond)
TEST_SRC := $(sort $(wildcard $(addsuffix /test_*.c,$(TEST_DIRS))))
TEST_PROGS = $(TEST_SRC:t/c/%.c=$(O)/t/%)
COMMON_OBJ = $(patsubst %.c,$(O)/%.o,$(sort $(wildcard t/c/common/*.c)))

$(O)/t/c/%.o: CFLAGS += $(CHECK_CFLAGS) -It/c -DTNS_TEST_SRCDIR='"$(CURDIR)"' \
	-DTNS_TEST_BUILDDIR='"$(abspath $(O))"'

# Folders of tests may share helpers: every other .c beside a test is linked with it.
define test_program
$$(O)/t/$(1:t/c/%.c=%): $$(O)/$(1:.c=.o) \
		$$(patsubst %.c,$$(O)/%.o,$$(filter-out $$(wildcard $(dir $(1))test_*.c),$$(wildcard $(dir $(1))*.c))) \
		$$(COMMON_OBJ) $$(LIB_A)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pie $$(TNS_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) $$(CHECK_LIBS)
# two layers may have a test of the same name: both are run
run-$(basename $(notdir $(1))):: $$(O)/t/$(1:t/c/%.c=%)
	$$(Q)$$(TEST_ENV) $$(RUN_WITH) $$<
.PHONY: run-$(basename $(notdir $(1)))
endef
$(foreach s,$(TEST_SRC),$(eval $(call test_program,$(s))))

tests: $(TEST_PROGS)
.PHONY: tests

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# ---- everything that is checked without privilege ------------------------------------

PERL_TESTS ?= $(sort $(wildcard t/build/*.t t/perl/*.t t/sim/t/*.t t/bin/*.t t/tnctl/*.t))
JOBS ?= 2
TEST_TIMEOUT ?= 900
# The bindings and the commands find what was just built.
TEST_ENV = LD_LIBRARY_PATH=$(abspath $(O))$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH)) \
	TNS_BUILD=$(abspath $(O))

.PHONY: check-built setup
setup:
	@.ci/setup check

check: setup
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@$(MAKE) --no-print-directory check-built

check-built: all tests
	@$(TEST_ENV) t/run -j $(JOBS) -t $(TEST_TIMEOUT) $(TEST_PROGS) $(PERL_TESTS)

# The plugin on the releases that `make check` does not play.
PLUGIN_RELEASES ?= 22.12 23.10 24.04 24.10 25.04 26
.PHONY: check-releases $(PLUGIN_RELEASES:%=check-release-%)
check-releases: $(PLUGIN_RELEASES:%=check-release-%)
$(PLUGIN_RELEASES:%=check-release-%): check-release-%: all
	@printf 'the plugin on %s\n' $*
	@$(TEST_ENV) TNS_TEST_RELEASE=$* t/run -j $(JOBS) -t $(TEST_TIMEOUT) t/perl/plugin.t t/perl/sequences.t

# Only the programs in C; what check-asan and check-valgrind run.
.PHONY: check-c
check-c: tests
	@$(TEST_ENV) CK_TIMEOUT_MULTIPLIER=$(or $(SLOWER),1) t/run -j $(JOBS) -t $(TEST_TIMEOUT) \
		$(if $(RUN_WITH),--with '$(RUN_WITH)') $(TEST_PROGS)

# What `check` shows of volumes in a few releases, in all of them: crash, failing call and lost
# reply at every step, 2 000 random operations of eight nodes, the bytes of the real target.
.PHONY: check-volumes
check-volumes: tests
	@TNS_TEST_FULL=1 $(TEST_ENV) t/run -j $(JOBS) -t 3300 $(filter $(O)/t/volume/%,$(TEST_PROGS))

# Only the faults at every step, in the cells that `check` leaves out. They wait a lot: six at a time.
SWEEP_STEP ?= 1
SWEEP_CELLS ?= 22.12/ddp 22.12/rest 23.10/ddp 23.10/rest 24.04/ddp 24.04/rest 24.10/ddp 24.10/rest \
	25.04/jsonrpc 25.04/rest 25.10/ddp 25.10/rest 26/jsonrpc
SWEEPS = $(subst /,-,$(SWEEP_CELLS:%=check-sweep-%))
.PHONY: check-sweeps $(SWEEPS)
check-sweeps: tests
	@$(MAKE) --no-print-directory -j6 $(SWEEPS)
$(SWEEPS): check-sweep-%: tests
	@TNS_TEST_FULL=1 TNS_TEST_CELLS=$(subst -,/,$*) TNS_TEST_SWEEP_STEP=$(SWEEP_STEP) $(TEST_ENV) t/run -j 1 -t 3300 $(O)/t/volume/test_sweep

# Under the sanitizers one release of each dialect, and of the sweeps every third step.
ASAN_CELLS ?= 24.10/ddp,25.10/rest,26/jsonrpc
.PHONY: check-asan check-valgrind
check-asan:
	@TNS_TEST_CELLS=$(ASAN_CELLS) TNS_TEST_SWEEP_STEP=3 \
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
		LSAN_OPTIONS=suppressions=$(CURDIR)/.ci/lsan.supp:print_suppressions=0 \
		$(MAKE) --no-print-directory O=$(O)-asan LAYERS='$(LAYERS)' SLOWER=4 check-c \
		SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' OPT='-O1 -g'

# Memory that was never written, which no sanitizer sees: base, and everything that takes apart what
# comes from outside. Programs without a network: where a NAS is played, valgrind takes too long.
VALGRIND_TESTS = $(foreach t,base/test_*.c rpc/test_dialects.c rpc/test_errmap.c rpc/test_jobs.c \
	rpc/test_mux.c rpc/test_rest.c nas/test_bulk.c nas/test_decode.c nas/test_requests.c \
	session/test_session_opts.c device/test_parse.c,$(wildcard t/c/$(t)))
VALGRIND = valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	--child-silent-after-fork=no --suppressions=.ci/valgrind.supp
check-valgrind:
	@TNS_TEST_CELLS=25.10/jsonrpc $(MAKE) --no-print-directory O=$(O) TEST_SRC='$(VALGRIND_TESTS)' SLOWER=20 \
		check-c RUN_WITH='$(VALGRIND)'

# What needs the lab: a guest with a kernel initiator.
ifneq ($(wildcard t/lab/check),)
.PHONY: check-lab
check-lab: all
	@$(TEST_ENV) t/lab/check $(LAB)

# One scenario without one protection: it must fail. LAB="--break stale reuse"
.PHONY: check-lab-broken
check-lab-broken:
	@$(MAKE) --no-print-directory O=$(O)-broken LAB_BREAK=1 all
	@TNS_BUILD=$(abspath $(O)-broken) t/lab/check $(LAB)
endif

.PHONY: demo
demo:
	@.ci/setup check
	@$(MAKE) --no-print-directory all
	@$(TEST_ENV) t/demo

# ---- lint ----------------------------------------------------------------------------

.PHONY: lint format
lint:
	@O=$(O) .ci/lint

format:
	clang-format -i $(or $(FILES),$(shell git ls-files '*.c' '*.h'))

# ---- fuzz ----------------------------------------------------------------------------

FUZZERS = $(patsubst t/fuzz/fuzz_%.c,%,$(sort $(wildcard t/fuzz/fuzz_*.c)))
FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_MAKE = $(MAKE) --no-print-directory O=$(O)-fuzz CC=clang OPT='-O1 -g' SANITIZE='$(FUZZ_FLAGS)' \
	LAYERS='$(LAYERS)' WARN_ONLY=1

.PHONY: fuzz fuzzers build-fuzzers list-fuzzers $(FUZZERS:%=fuzz-%)
fuzz:
	@O=$(O) FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(JOBS) .ci/fuzz

# Before several of them run side by side: each of those would build the library.
build-fuzzers:
	@$(FUZZ_MAKE) -j$(JOBS) fuzzers

list-fuzzers:
	@printf "%s\n" $(FUZZERS)

fuzzers: $(FUZZERS:%=$(O)/fuzz/%)

$(O)/t/fuzz/%.o: CFLAGS += -It/c

$(O)/fuzz/%: $(O)/t/fuzz/fuzz_%.o $(LIB_A)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -pie -pthread -o $@ $^ $(PKG_LIBS)

# New inputs stay with the build; what was found goes to the corpus by hand, with its fix.
$(FUZZERS:%=fuzz-%): fuzz-%:
	@$(FUZZ_MAKE) $(O)-fuzz/fuzz/$*
	@mkdir -p $(O)-fuzz/corpus/$* $(wildcard t/fuzz/corpus/$*)
	@printf 'fuzzing %s for %s s\n' $* $(FUZZ_SECONDS)
	@$(O)-fuzz/fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 -verbosity=0 \
		-print_final_stats=1 -artifact_prefix=$(O)-fuzz/$*- $(O)-fuzz/corpus/$* $(wildcard t/fuzz/corpus/$*)

# ---- install -------------------------------------------------------------------------

BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/tnstor
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR ?= $(PREFIX)/share/man
PERLDIR ?= $(PREFIX)/share/perl5
PERLARCHDIR ?= $(if $(filter /usr,$(PREFIX)),$(shell perl -MConfig -e 'print $$Config{vendorarch}'),$(PREFIX)/lib/perl5)
INSTALL = install

.PHONY: install
install: all $(if $(XS_OBJ),$(O)/xs-install/TNStor.so)
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	$(INSTALL) -m 644 $(LIB_SO) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtnstor.so
	$(INSTALL) -m 644 $(O)/libtnstor.pc $(DESTDIR)$(LIBDIR)/pkgconfig/
	$(INSTALL) -m 644 lib/include/tnstor.h $(DESTDIR)$(PREFIX)/include/
	$(if $(wildcard tnctl/*.c),$(INSTALL) -D -m 755 $(O)/bin/tnctl $(DESTDIR)$(BINDIR)/tnctl)
	$(if $(wildcard tnsessiond/*.c),$(INSTALL) -D -m 755 $(O)/bin/tnsessiond $(DESTDIR)$(LIBEXECDIR)/tnsessiond)
	$(foreach u,$(wildcard tnsessiond/*.service tnsessiond/*.socket),$(INSTALL) -D -m 644 $(u) $(DESTDIR)$(UNITDIR)/$(notdir $(u)) &&) :
	$(if $(wildcard perl),cd perl && find . -name '*.pm' -exec $(INSTALL) -D -m 644 {} $(DESTDIR)$(PERLDIR)/{} \;)
	$(if $(XS_OBJ),$(INSTALL) -D -m 644 $(O)/xs-install/TNStor.so $(DESTDIR)$(PERLARCHDIR)/auto/TNStor/TNStor.so)
	$(foreach m,$(wildcard man/*.[1-8]),$(INSTALL) -D -m 644 $(m) $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)) &&) :

# ---- the rest ------------------------------------------------------------------------

clean:
	rm -rf $(O) $(O)-asan $(O)-broken $(O)-valgrind $(O)-fuzz $(CLEAN_EXTRA)

help:
	@echo 'all (default)    library, bindings, commands        install   DESTDIR= PREFIX=/usr'
	@echo 'check            set up, build, all tests           check-asan, check-valgrind, lint, fuzz'
	@echo 'check-releases   the plugin on every release       check-sweeps, check-volumes   faults, volumes'
	@echo 'run-test_NAME    one program of t/c                 demo      a NAS, a storage, a volume'
	@echo 'check-lab        scenarios in a guest with a kernel initiator: LAB="--ci" or LAB="life reuse"'
	@echo 'format FILES=..  clang-format in place              clean'
	@echo 'variables: O=build LAYERS="base wire .." WARN_ONLY=1 V=1 FUZZ_SECONDS=60 JOBS=2'
