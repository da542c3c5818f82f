# Everything a newcomer needs: `make demo`, `make test`. The first run makes .venv and installs into it.

PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin

.PHONY: demo test lint bench crash model

demo: .venv/.installed-demo
	@PORT=$(PORT) $(BIN)/python examples/shop/app.py

# Most tests wait for processes, disks and links: two at a time. One file stays together.
test: lint
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.installed
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: .venv/.installed
	@$(BIN)/python -m benchmarks $(CASES)

crash: .venv/.installed
	@$(BIN)/python -m crash $(OPTIONS)

# The stores against their model: so many random sequences of steps for each, with a new seed; then the small
# model of their protocol with more faults at once.
EXAMPLES ?= 3000
model: .venv/.installed
	@MODEL_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q --timeout=0 tests/stores/test_model.py tests/model

# The stamps are newer than pyproject.toml while what it asks for is installed.
.venv/.installed: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ .venv/.installed-demo

.venv/.installed-demo: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || \
		{ echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name yours: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Hypern needs Python 3.11 or newer and $(PYTHON) is older. Name another: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv
