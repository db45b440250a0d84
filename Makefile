# make train   install into .venv and train the default controller under device noise
# make test    lint, types, import rules, quick tests
# make slow    the tests that take longer
# make browser the tests that open a report in Chromium
# make docs    the documentation as a site, in site/; a link that leads nowhere is an error
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
# Where there is no GPU, torch without CUDA is asked for here: 4 GB less to download.
CPU_WHEELS ?= https://download.pytorch.org/whl/cpu

.PHONY: train test slow browser docs lint install install-dev

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@sed -n 's/^ *"\(torch[^"]*\)",.*/\1/p' pyproject.toml > $(VENV)/torch.txt
	@command -v nvidia-smi > $(VENV)/gpu \
	  || $(BIN)/pip --isolated install --quiet --retries 0 --index-url $(CPU_WHEELS) \
	    --requirement $(VENV)/torch.txt 2> $(VENV)/cpu.log \
	  || echo "no CPU build of torch at $(CPU_WHEELS): the default one comes, with CUDA"
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

train: install
	$(BIN)/qhw train --backend aer_noisy

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist worksteal

slow: install-dev
	$(BIN)/pytest -n 2 --dist worksteal -m slow

browser: install-dev
	$(BIN)/pytest -m browser -rs

docs: install-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
