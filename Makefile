# Hawser. `make help` lists the targets; V=1 shows the commands; objects are under build/<variant>/.
#
# WITH_REDIS, WITH_IPSEC_MB, WITH_JEMALLOC: auto (where the library is there), 1 or 0.
# WERROR=1 makes warnings errors, as lint, the checks under sanitizers and .ci/run do.

VARIANT  ?= default
BUILD    := build/$(VARIANT)
PREFIX   ?= /usr/local
DESTDIR  ?=
ifeq ($(origin CC),default)
CC       := gcc
endif
CFLAGS   ?= -O2 -g
WERROR   ?=
# Each optional library: whether it is there.
WITH_REDIS    ?= auto
WITH_IPSEC_MB ?= auto
WITH_JEMALLOC ?= auto
with = $(if $(filter auto,$(WITH_$(1))),$(shell { $(2); } >/dev/null 2>&1 && echo 1),$(filter-out 0 no,$(WITH_$(1))))
REDIS    := $(call with,REDIS,pkg-config --exists hiredis)
# Debian's package has no .pc file.
IPSEC_MB := $(call with,IPSEC_MB,echo '\#include <intel-ipsec-mb.h>' | $(CC) -E -x c -)
JEMALLOC := $(call with,JEMALLOC,pkg-config --exists jemalloc)
PKGS     := gnutls libconfig jansson libsctp nettle $(if $(REDIS),hiredis)
FOLDERS  := base config sctp transport tls mux control proxy
VERSION  := 0.1.0

WARNINGS := -Wall -Wextra $(if $(filter-out 0,$(WERROR)),-Werror) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
            -Wcast-qual -Wvla -Wpointer-arith -Wundef -Wwrite-strings
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANITIZE_coverage := --coverage
SANITIZE_fuzz := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE := $(SANITIZE_$(VARIANT))

ALL_CPPFLAGS := -I. -D_GNU_SOURCE -DHAWSER_VERSION='"$(VERSION)"' \
                $(if $(REDIS),,-DWITHOUT_REDIS) $(if $(IPSEC_MB),,-DWITHOUT_IPSEC_MB) $(shell pkg-config --cflags $(PKGS)) $(CPPFLAGS)
ALL_CFLAGS   := -std=c11 $(WARNINGS) $(CFLAGS) $(SANITIZE)
# jemalloc gives freed memory back sooner and shares less between threads than the C library's
# allocator (docs/decisions/). The checkers bring their own.
ALLOCATOR    := $(if $(filter asan tsan valgrind fuzz coverage,$(VARIANT)),,$(if $(JEMALLOC),-ljemalloc))
# IPSec_MB: AES-GCM with wide instructions, on amd64 (docs/decisions/).
LIBS         := $(if $(IPSEC_MB),-lIPSec_MB) $(shell pkg-config --libs $(PKGS)) -pthread
ALL_LDFLAGS  := $(LDFLAGS) $(SANITIZE)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

# Libraries in link order: a folder may use those to its right. `ar q`, because two rooms may have files
# of one name.
libs_of = $(foreach f,$(1),$(BUILD)/lib$(f).a)
MAIN    := proxy/cli/main.c
NOT_BUILT := $(MAIN) tls/store_redis$(if $(REDIS),_none).c
sources = $(filter-out $(NOT_BUILT),$(wildcard $(1)/*.c $(1)/*/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

TOOLS   := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c)) \
           $(patsubst tests/tools/preload/%.c,$(BUILD)/tools/%.so,$(wildcard tests/tools/preload/*.c))
NO_TESTS := $(if $(REDIS),,tests/unit/tls/test_store_redis.c tests/fuzz/fuzz_redis.c)
UNITS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(NO_TESTS),$(wildcard tests/unit/*/test_*.c tests/sim/test_*.c tests/conformance/test_*.c)))

WITH_WORDS := Redis: $(if $(REDIS),yes,no); AES-GCM: $(if $(IPSEC_MB),libipsec-mb where the processor has VAES on 512 bits; else ,)GnuTLS; allocator: $(if $(JEMALLOC),jemalloc,the C library's)

.PHONY: all tools units unit clean distclean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/hawser build/hawser ## build/hawser
	@echo "$(WITH_WORDS)"

build/hawser: $(BUILD)/hawser
	$(Q)ln -sfn $(VARIANT)/hawser $@

# `hawser bench resume` runs the program's own tunnels, so it is linked in.
$(BUILD)/hawser: $(BUILD)/proxy/cli/main.o $(call objects,$(wildcard bench/resume/*.c)) $(call libs_of,proxy control mux tls transport sctp config base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(ALLOCATOR) $(LIBS)

# Objects that depend on the choice of libraries are made again when that changes.
$(BUILD)/hawser $(BUILD)/libtls.a $(call objects,$(shell grep -rl --include=*.c 'WITHOUT_[A-Z]' $(FOLDERS) tests)): $(BUILD)/with
$(BUILD)/with: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo "$(WITH_WORDS)" | cmp -s - $@ || echo "$(WITH_WORDS)" >$@

define folder_rule
$(BUILD)/lib$(1).a: $(call objects,$(call sources,$(1)))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar qcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rule,$(f))))

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

tools: $(TOOLS) ## the helper programs of the tests
$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(call libs_of,sctp base)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tools/%.so: tests/tools/preload/%.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fPIC -shared -o $@ $<

# The transport for tests: both ends in one process.
MEMORY := $(BUILD)/tests/libmemory.a
$(MEMORY): $(call objects,$(wildcard tests/memory/*.c))
	$(Q)rm -f $@ && ar rcs $@ $^

# A unit test of a folder links only what that folder may use, so that layers stay honest.
unit_base      := base
unit_config    := config base
unit_sctp      := sctp base
unit_transport := transport sctp base
unit_tls       := tls base
unit_mux       := mux base
unit_control   := control config base
unit_proxy     := proxy control mux tls transport sctp config base

define unit_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(BUILD)/tests/lib/tap.o $(if $(filter transport proxy,$(1)),$(MEMORY)) $(call libs_of,$(unit_$(1)))
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rule,$(f))))

# The simulator of two SCTP engines, which a fuzzer uses, too.
$(BUILD)/tests/libsim.a: $(call objects,$(filter-out tests/sim/test_%,$(wildcard tests/sim/*.c)))
	$(Q)rm -f $@ && ar rcs $@ $^

# A peer of another make: Debian's usrsctp, which is in no other program.
$(BUILD)/tests/unit/transport/test_udp_interop: $(BUILD)/tests/peers/usrsctp.o
$(BUILD)/tests/unit/transport/test_udp_interop: LIBS += $(shell pkg-config --libs usrsctp)

$(BUILD)/tests/sim/test_%: $(BUILD)/tests/sim/test_%.o $(BUILD)/tests/lib/tap.o $(BUILD)/tests/libsim.a $(call libs_of,mux tls transport sctp base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/conformance/test_%: $(BUILD)/tests/conformance/test_%.o $(BUILD)/tests/lib/tap.o $(MEMORY) $(call libs_of,transport sctp base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# The player of conformance scripts; the public ones are not here: docs/conformance.md.
ETSI := $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(wildcard tests/conformance/etsi_*.c))
$(BUILD)/tests/conformance/test_etsi: $(BUILD)/tests/lib/tap.o
$(BUILD)/tests/conformance/etsi $(BUILD)/tests/conformance/test_etsi: $(BUILD)/tests/conformance/%: \
    $(BUILD)/tests/conformance/%.o $(ETSI) $(call libs_of,sctp base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

units: $(UNITS) ## build the unit tests
# make unit FOLDER=mux builds and runs the unit tests of one folder.
unit: $(filter $(BUILD)/tests/unit/$(FOLDER)/%,$(UNITS)) ## run the unit tests of FOLDER
	$(Q)for t in $^; do echo "# $$t"; $$t || exit 1; done

# make bench: Hawser and its peers side by side: build/bench/results.{md,json} and plots, in a quarter
# of an hour. QUICK=1 takes 4 minutes; PEERS="none ssh" chooses.
BENCHES := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
$(BUILD)/bench/%: $(BUILD)/bench/%.o $(call libs_of,mux tls transport sctp base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/bench/line: $(BUILD)/tests/sim/line.o
# As the program is; the others count what the C library's allocator holds.
$(BUILD)/bench/transport_bench: LIBS += $(ALLOCATOR)

BENCH_WITH = TOOLS=$(abspath $(BUILD))/tools BENCHES=$(abspath $(BUILD))/bench HAWSER=$(abspath $(BUILD))/hawser

.PHONY: bench bench-layers check-old-cpu
bench: $(BUILD)/hawser tools $(BENCHES) ## Hawser beside haproxy, nginx, stunnel, ssh, spiped and no tunnel
	$(Q)$(BENCH_WITH) OUT=$(abspath build/bench) bench/run $(if $(QUICK),--quick) $(if $(PEERS),--peers "$(PEERS)")

# make bench-layers: transport, TLS and mux each alone, one table: build/bench/layers.md.
bench-layers: $(BENCHES) ## what each layer costs alone
	$(Q)mkdir -p build/bench && $(BENCH_WITH) bench/layers >build/bench/layers.md && cat build/bench/layers.md

# make bench-lab: the same peers on lines with delay, loss and a cut: build/bench-lab/results.{md,json}.
.PHONY: bench-lab
bench-lab: $(BUILD)/hawser tools $(BENCHES) ## Hawser beside its peers on bad lines, in the lab
	$(Q)TOOLS=$(abspath build/default/tools) BENCHES=$(abspath $(BUILD))/bench HAWSER=$(abspath $(BUILD))/hawser \
	    OUT=$(abspath build/bench-lab) bench/lab $(if $(QUICK),--quick) $(if $(PEERS),--peers "$(PEERS)")

# make bench-wan: the same peers and TCP on lines as they are outside: build/bench-wan/wan.{md,json,svg}. Needs
# root and /dev/net/tun. QUICK=1 takes 6 minutes; LINES="lte wifi", PEERS="hawser" and ROUNDS=3 choose.
.PHONY: bench-wan wan-one
bench-wan: $(BUILD)/hawser tools $(BENCHES) ## Hawser beside its peers and TCP on lossy, jittery, long lines
	$(Q)$(BENCH_WITH) OUT=$(abspath build/bench-wan) bench/wan $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	    $(if $(PEERS),--peers "$(PEERS)") $(if $(LINES),--lines "$(LINES)")

wan-one: $(BUILD)/hawser build/hawser tools $(BUILD)/bench/line ## what bench/wan-one needs: one figure on one line

# make check: every test that this machine can run. ONLY="pattern..." chooses, SCALE divides sizes:
# programs under a sanitizer are several times slower. The helper programs are always plain ones.
SCALE_asan := 4
SCALE_tsan := 8
LIMIT_asan := 300
LIMIT_tsan := 300
REPLAYS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(NO_TESTS),$(wildcard tests/fuzz/fuzz_*.c)))
RUN_TESTS = BUILD=$(BUILD) NOT_BUILT='$(NO_TESTS:tests/%.c=%)' SCALE=$(or $(SCALE),$(SCALE_$(VARIANT)),1) LIMIT=$(or $(LIMIT_$(VARIANT)),120) scripts/run-tests $(ONLY)

$(BUILD)/tests/fuzz/fuzz_sctp_packet: $(BUILD)/tests/lib/tap.o
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/tests/libsim.a $(call libs_of,proxy mux control tls transport sctp config base)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: check check-variant check-kernel check-asan check-tsan check-valgrind fuzz demo
check: all check-variant ## run all tests

# Kernel SCTP, in the lab (tests/lab/README.md); LAB=uml or LAB=direct chooses its kernel.
check-kernel: $(BUILD)/hawser $(BUILD)/tests/conformance/test_transport $(BUILD)/tests/conformance/test_auth $(filter $(BUILD)/tests/unit/transport/test_kernel%,$(UNITS)) ## the tests that need a kernel with SCTP and netem
	$(Q)$(MAKE) --no-print-directory VARIANT=default BUILD=build/default tools
	$(Q)KINDS=lab $(RUN_TESTS)

# As on another processor: no AES, no AVX, no CLMUL. What takes minutes there (it emulates each
# instruction), and what limits the memory that qemu itself needs, is left out.
OLD_CPU_NOT  := %/test_children %/test_corrupted %/test_crafted %/test_spoilt %/test_thread
OLD_CPU      := $(filter-out $(OLD_CPU_NOT),$(foreach t,base/% tls/% mux/% sctp/% transport/test_packet,\
                  $(filter $(BUILD)/tests/unit/$(t),$(UNITS))))
# The checksum, too, as where there is SSE4.2 and nothing wider.
OLD_CPU_RUNS := $(OLD_CPU:%=qemu64:%) $(patsubst %,Nehalem:%,$(filter %/test_crc32c,$(OLD_CPU)))
check-old-cpu: $(OLD_CPU) ## unit tests of base, tls, mux and sctp on a processor without AES and AVX
	$(Q)passed=0; failed=0; for t in $(if $(filter x86_64,$(shell uname -m)),$(OLD_CPU_RUNS)); do \
	    if timeout 120 qemu-x86_64 -cpu $${t%%:*} $${t#*:} >$(BUILD)/old-cpu.out 2>&1 </dev/null; then \
	        passed=$$((passed + 1)); \
	    else \
	        failed=$$((failed + 1)); echo "$$t: exit code $$?"; grep -A 3 '^not ok' $(BUILD)/old-cpu.out; \
	    fi; done; echo "$$passed passed, $$failed failed"; [ $$failed -eq 0 ]

check-asan: ## all tests under AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=asan WERROR=1 check-variant

check-tsan: ## all tests under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=tsan WERROR=1 check-variant

# What is left without the optional libraries: it builds, and what it says is what it has.
WITHOUT := $(patsubst %,build/without/tests/%,unit/config/test_verify_conflicts unit/tls/test_store unit/tls/test_vaes_gcm unit/tls/test_record fuzz/fuzz_config)
.PHONY: check-without
check-without: ## build without Redis, libipsec-mb and jemalloc, and run some tests
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=without WITH_REDIS=0 WITH_IPSEC_MB=0 WITH_JEMALLOC=0 WERROR=1 build/without/hawser $(WITHOUT)
	$(Q)$(foreach t,$(filter-out %/fuzz_config,$(WITHOUT)),$(t) >build/without/out || { grep '^not ok' build/without/out; exit 1; };) \
	    build/without/tests/fuzz/fuzz_config tests/fuzz/corpus/config >build/without/out

# The tools are made last, because in the default variant both makes would write the same files.
check-variant: $(BUILD)/hawser $(UNITS) $(REPLAYS)
	$(Q)$(MAKE) --no-print-directory VARIANT=default BUILD=build/default tools build/default/bench/line
	$(Q)$(RUN_TESTS)

check-valgrind: $(UNITS) $(REPLAYS) ## unit tests, conformance and simulations under valgrind
	$(Q)UNDER='valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
	    KINDS='unit conformance sim fuzz' BUILD=$(BUILD) LIMIT=600 scripts/run-tests $(ONLY)

# make coverage: lines of sctp/ that the engine's tests run, file by file; at least 95% of all. gcov is gcc's.
COVERING := $(filter unit/sctp/% sim/test_sctp% sim/test_congestion conformance/test_etsi fuzz/fuzz_sctp%,\
              $(patsubst $(BUILD)/tests/%,%,$(UNITS) $(REPLAYS)))
.PHONY: coverage
coverage: ## lines of the engine that its tests run
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=coverage CC=gcc CFLAGS='-O0 -g' $(COVERING:%=build/coverage/tests/%)
	$(Q)scripts/coverage

# make fuzz: each fuzz target for SECONDS (600), two at a time, with clang's libFuzzer. Needs clang and
# libclang-rt-14-dev (scripts/install-packages fuzz). ONLY="fuzz_packet ..." chooses.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: ## let libFuzzer look for bad input, SECONDS each
	$(Q)$(MAKE) --no-print-directory -j2 VARIANT=fuzz CC=clang CFLAGS='-O1 -g' $(patsubst %,build/fuzz/fuzzers/%,$(or $(ONLY),$(FUZZERS)))
	$(Q)scripts/run-fuzzers $(or $(SECONDS),600) $(or $(ONLY),$(FUZZERS))

$(BUILD)/fuzzers/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/libsim.a $(call libs_of,proxy mux control tls transport sctp config base)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# make demo: what it can do, on this machine; DEMO_ARGUMENTS=--keep leaves it running, DEMO_ARGUMENTS='--line
# lte' shows it on such a line beside stunnel.
demo: all $(if $(findstring --line,$(DEMO_ARGUMENTS)),wan-one) ## show it at work: nginx and curl, 1 GB through one association
	$(Q)scripts/demo $(DEMO_ARGUMENTS)

# Everything that reads the sources without running them; under a minute on two processors.
SOURCES = $(sort $(shell find . -name '*.[ch]' ! -path './build/*' -printf '%P\n'))
SCRIPTS = $(sort $(shell find . -type f ! -path './build/*' ! -path './.git/*' -printf '%P\n' | \
            xargs awk 'FNR == 1 { if (/^\#!.*sh/ || FILENAME ~ /\.sh$$/) print FILENAME; nextfile }'))
LINT_OBJECTS = $(patsubst %.c,build/lint/%.o,$(filter %.c,$(SOURCES)))

.PHONY: lint lint-format lint-rules lint-clang lint-cppcheck lint-shell format help install
lint: lint-format lint-rules lint-shell lint-clang lint-cppcheck ## check style, layers, sizes, names; clang, cppcheck, shellcheck

format: ## lay out all sources as .clang-format says
	$(Q)clang-format -i $(SOURCES)

lint-format:
	$(Q)printf '%s\n' $(SOURCES) | xargs -P2 -n16 clang-format --dry-run -Werror

lint-rules:
	$(Q)scripts/check-layers
	$(Q)scripts/check-size
	$(Q)scripts/check-claims
	$(Q)scripts/check-rules
	$(Q)scripts/check-interface
	$(Q)scripts/check-words
	$(Q)scripts/check-commits

# SC2317: functions that a trap or a name in a variable calls look unreachable to it.
lint-shell:
	$(Q)printf '%s\n' $(SCRIPTS) | xargs -P2 -n8 shellcheck -x -P SCRIPTDIR -e SC2317

# -O0, because the warnings come from clang's front end; the objects show what each file exports.
lint-clang:
	$(Q)$(MAKE) --no-print-directory -s -j2 VARIANT=lint CC=clang WERROR=1 CFLAGS=-O0 $(LINT_OBJECTS)
	$(Q)scripts/check-exports build/lint
	$(Q)scripts/check-stairs build/lint

# uninitvar: it does not see that a called function fills an array; both compilers and valgrind do.
# Not asked of it: what is uninitialised (it does not see a called function fill a buffer; compilers
# and valgrind do), and the order of evaluation (it takes compound literals for side effects).
CPPCHECK_BLIND := uninitvar legacyUninitvar ctuuninitvar unknownEvaluationOrder
lint-cppcheck:
	$(Q)mkdir -p build/lint/cppcheck
	$(Q)cppcheck -q -j2 --error-exitcode=1 --inline-suppr --std=c11 --cppcheck-build-dir=build/lint/cppcheck \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem $(CPPCHECK_BLIND:%=--suppress=%) -I. -D_GNU_SOURCE \
	    -DHAWSER_VERSION='"$(VERSION)"' $(filter %.c,$(SOURCES))

install: $(BUILD)/hawser ## install under DESTDIR and PREFIX
	install -D -m 755 $(BUILD)/hawser $(DESTDIR)$(PREFIX)/bin/hawser
	install -D -m 644 docs/hawser.8 $(DESTDIR)$(PREFIX)/share/man/man8/hawser.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/hawser LICENSE README.md docs/[A-Z]*.md
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' packaging/hawser@.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/hawser@.service

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST) | sort

clean distclean: ## remove build/
	$(Q)rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
