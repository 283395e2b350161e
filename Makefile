# ctcr: `make` builds build/ctcr, `make test` proves it, `make help` lists the rest.
# O=DIR puts a build elsewhere (sanitizers: make O=build/asan SAN=address,undefined; O=build/asan scripts/run-tests).
O       ?= build
V       ?=
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
SAN     ?=
VERSION := 0.1.0

PKGS    := libprotobuf-c libnl-3.0 libnl-route-3.0 libcap libnftnl libmnl libxxhash libarchive libbpf
WARN    := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	   -Wformat=2 -Wwrite-strings -Wpointer-arith -Wlogical-op -Wduplicated-cond \
	   -Wundef -Wno-unused-parameter -fno-common
ifneq ($(CI)$(WERROR),)
WARN    += -Werror
endif
CFLAGS  ?= -O2 -g
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DCTCR_VERSION='"$(VERSION)"' -Isrc -I. -I$(O) \
	   $(WARN) $(CFLAGS) $(shell pkg-config --cflags $(PKGS)) $(if $(SAN),-fsanitize=$(SAN))
LIBS    := $(shell pkg-config --libs $(PKGS)) -lpthread
LDFLAGS += $(if $(SAN),-fsanitize=$(SAN))

PROTO   := $(wildcard proto/*.proto)
PROTO_C := $(PROTO:%.proto=$(O)/%.pb-c.c)
PROTO_H := $(PROTO:%.proto=$(O)/%.pb-c.h)
SRC     := $(filter-out src/main.c,$(wildcard src/*.c src/*/*.c src/*/*/*.c netlock/*.c lxc/*.c))
OBJ     := $(SRC:%.c=$(O)/%.o) $(PROTO_C:.c=.o) $(O)/proto/descriptors.pb-c.o $(O)/parasite/blob.o
UNIT    := $(patsubst %.c,$(O)/%,$(wildcard zdtm/unit/*.c))
TESTS   := $(patsubst %.c,$(O)/%,$(wildcard zdtm/tests/*.c))
TOOLS   := $(patsubst %.c,$(O)/%,$(wildcard zdtm/tools/*.c))

Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)')

.PHONY: all unit-build zdtm-build test unit lint format bench install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(O)/ctcr $(O)/libexec/criu

$(O)/ctcr: $(O)/src/main.o $(O)/libctcr.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/libexec/criu: $(O)/ctcr
	$(Q)mkdir -p $(@D) && ln -sf ../ctcr $@

$(O)/libctcr.a: $(OBJ)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $(OBJ)

$(O)/%.o: %.c | $(PROTO_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/proto/%.pb-c.o: $(O)/proto/%.pb-c.c
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -O1 -g -I$(O) $(if $(SAN),-fsanitize=$(SAN)) -c -o $@ $<

$(O)/proto/%.pb-c.c $(O)/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTOC)
	$(Q)mkdir -p $(@D) && protoc-c -I. --c_out=$(O) $<

# Every message there is, for `ctcr show`.
$(O)/proto/descriptors.pb-c.c: $(PROTO_H)
	$(Q){ printf '#include "%s"\n' $(PROTO:%.proto=%.pb-c.h); \
		echo 'extern const ProtobufCMessageDescriptor *const image_descriptors[];'; \
		echo 'const ProtobufCMessageDescriptor *const image_descriptors[] = {'; \
		sed -n 's/^extern const ProtobufCMessageDescriptor \(.*\);/\t\&\1,/p' $(PROTO_H); echo '(void *)0 };'; } >$@

# The executor: freestanding, position independent, one flat section; never instrumented (no SAN): it runs in others.
BLOB_CFLAGS := -std=gnu11 -Os -g0 -fPIE -ffreestanding -fno-stack-protector -fcf-protection=none \
	   -fno-asynchronous-unwind-tables -fno-jump-tables -mno-red-zone -mgeneral-regs-only \
	   -nostdlib -I. -Isrc -Wall -Wextra
$(O)/parasite/executor.elf: parasite/executor.c parasite/entry.S parasite/protocol.h parasite/blob.lds
	$(call say,BLOB)
	$(Q)mkdir -p $(@D) && $(CC) $(BLOB_CFLAGS) -Wl,-T,parasite/blob.lds -Wl,--no-dynamic-linker \
		-static-pie -Wl,-z,noexecstack -Wl,--build-id=none -o $@ parasite/entry.S parasite/executor.c

$(O)/parasite/executor.bin: $(O)/parasite/executor.elf
	$(Q)objcopy -O binary -j .blob $< $@

$(O)/parasite/blob.o: parasite/blob.S $(O)/parasite/executor.bin
	$(Q)$(CC) -c -DBLOB='"$(O)/parasite/executor.bin"' -o $@ $<

unit-build: $(UNIT)
$(O)/zdtm/unit/%: zdtm/unit/%.c $(O)/libctcr.a
	$(call say,UNIT)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(O)/libctcr.a $(LIBS) -lcmocka

zdtm-build: $(TESTS) $(TOOLS)
TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Izdtm/lib -Wall -Wextra -Wno-unused-parameter
$(O)/zdtm/lib/zdtm.o: zdtm/lib/zdtm.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/zdtm/tests/%: zdtm/tests/%.c $(O)/zdtm/lib/zdtm.o
	$(call say,TEST)
	$(Q)mkdir -p $(@D) && $(CC) $(TEST_CFLAGS) -MMD -MP -o $@ $< $(O)/zdtm/lib/zdtm.o -lpthread -lrt -lcap
$(O)/zdtm/tools/%: zdtm/tools/%.c
	$(call say,TOOL)
	$(Q)mkdir -p $(@D) && $(CC) $(TEST_CFLAGS) -static -o $@ $< -lpthread

test: all unit-build zdtm-build
	$(Q)O=$(O) scripts/run-tests

unit: unit-build
	$(Q)O=$(O) scripts/run-tests unit

lint:
	$(Q)scripts/lint

format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

bench: all zdtm-build
	$(Q)O=$(O) bench/run
	$(Q)O=$(O) bench/net

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/libexec/ctcr $(DESTDIR)$(PREFIX)/share/ctcr/action-scripts \
		$(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(O)/ctcr $(DESTDIR)$(PREFIX)/sbin/ctcr
	ln -sf ../../sbin/ctcr $(DESTDIR)$(PREFIX)/libexec/ctcr/criu
	install -m 755 lxc/lxc-checkpoint $(DESTDIR)$(PREFIX)/sbin/ctcr-lxc-checkpoint
	install -m 755 $(wildcard scripts/action-scripts/*) $(DESTDIR)$(PREFIX)/share/ctcr/action-scripts
	install -m 644 $(wildcard docs/man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1

clean:
	rm -rf $(O)

help:
	@echo 'make [O=DIR] [V=1] [SAN=address,undefined]   build/ctcr and build/libexec/criu'
	@echo 'make test | unit | lint | bench | format | install [PREFIX= DESTDIR=] | clean'

-include $(OBJ:.o=.d) $(O)/src/main.d $(UNIT:=.d) $(TESTS:=.d) $(O)/zdtm/lib/zdtm.d
