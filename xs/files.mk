# SPDX-License-Identifier: Apache-2.0
# The Perl bindings: xsubpp from the Perl that is there, its own compiler flags, our library.

PERL ?= perl
XS_SO = $(O)/xs/auto/TNStor/TNStor.so
# -isystem: perl.h does not pass our warnings, our own files do.
XS_CFLAGS = $(shell $(PERL) -MConfig -e 'print "$$Config{ccflags} -isystem $$Config{archlibexp}/CORE"')
XS_VERSION = $(VERSION)
XS_WARN = -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement -Wno-cast-function-type
XS_DEF = -DVERSION='"$(XS_VERSION)"' -DXS_VERSION='"$(XS_VERSION)"'
XS_OBJ = $(O)/xs/TNStor.o $(O)/xs/glue.o $(O)/xs/convert.o
XSUBPP = $(shell $(PERL) -MExtUtils::ParseXS -e 'print $$INC{"ExtUtils/ParseXS.pm"} =~ s/ParseXS\.pm$$/xsubpp/r')
XS_TYPEMAP = $(shell $(PERL) -MConfig -e 'print "$$Config{privlibexp}/ExtUtils/typemap"')

ALL += $(if $(filter volume,$(LAYERS)),$(XS_SO))

$(O)/xs/TNStor.c: xs/TNStor.xs xs/volume.xsh xs/typemap
	$(call say,XSUBPP,$<)
	@mkdir -p $(@D)
	$(Q)$(PERL) $(XSUBPP) -noprototypes -typemap $(XS_TYPEMAP) -typemap $(CURDIR)/xs/typemap \
		xs/TNStor.xs >$@.tmp && mv $@.tmp $@

$(XS_OBJ): CFLAGS_XS = $(XS_CFLAGS) $(PKG_CFLAGS) -isystem lib/include -Ixs $(OPT) $(XS_WARN) \
	$(if $(WARN_ONLY),,-Werror) $(if $(SANITIZE),$(SANITIZE),$(HARDEN)) $(XS_DEF) -fPIC

$(O)/xs/TNStor.o: $(O)/xs/TNStor.c xs/glue.h lib/include/tnstor.h
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_XS) -c -o $@ $<

$(O)/xs/%.o: xs/%.c xs/glue.h lib/include/tnstor.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_XS) -c -o $@ $<

$(XS_SO): $(XS_OBJ) $(LIB_SO) $(O)/libtnstor.so
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(TNS_LDFLAGS) -Wl,-rpath,'$$ORIGIN/../../..' -o $@ $(XS_OBJ) \
		-L$(O) -ltnstor -ljansson

# What is installed finds the library where the system has it.
$(O)/xs-install/TNStor.so: $(XS_OBJ) $(LIB_SO) $(O)/libtnstor.so
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(TNS_LDFLAGS) -o $@ $(XS_OBJ) -L$(O) -ltnstor -ljansson
