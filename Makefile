# Every target makes a virtual environment if there is none and installs what is missing.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
SEARCH ?= --space mobilenet --flops 400M

.PHONY: search test test-cluster test-browser slow attack check docs benchmarks clean

search: $(VENV)/installed
	$(VENV)/bin/nas search $(SEARCH)

test: $(VENV)/tested
	$(RUN) -m pytest -n auto --dist worksteal

# Tests start Python many times: modules are compiled once, even if the environment forbids to keep bytecode.
test test-cluster test-browser slow attack: export PYTHONDONTWRITEBYTECODE =

# Tests with clusters and servers, one after another: each takes several processes.
test-cluster: $(VENV)/tested
	$(RUN) -m pytest -m cluster tests/cluster

# Pages of runs in Debian's Chromium; without one the tests say so and are skipped.
test-browser: $(VENV)/browsed
	$(RUN) -m pytest -m browser -rs tests/nas/page

# The long tests, and the property tests with many examples.
slow: $(VENV)/tested
	$(RUN) -m pytest -n auto --dist worksteal -m "slow or hypothesis" --hypothesis-profile many

# Wrong requests, damaged files and kills at random moments: about 15 minutes.
attack: $(VENV)/tested
	$(RUN) -m tests.attack

check: $(VENV)/tested
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# pdoc lists no module of a package beyond its __all__, and it must not run the commands: these are named one by one.
FILES := $(wildcard nas/*.py nas/proxies/*.py search_spaces/*.py)
MODULES := $(filter-out %__ nas.predict nas.read nas.score nas.search,$(subst /,.,$(basename $(FILES))))

docs: $(VENV)/documented
	OMP_NUM_THREADS=1 $(RUN) -m pdoc --docformat google -o site nas nas.optimize nas.proxies \
		nas.study nas.train search_spaces $(MODULES) '!.*\.__main__'

benchmarks: $(VENV)/tested
	$(RUN) -m benchmarks

clean:
	rm -rf $(VENV)

# uv, from PyPI, installs these packages several times faster than pip.
$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet uv

$(VENV)/installed: pyproject.toml $(VENV)/bin/uv
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --editable .
	touch $@

$(VENV)/tested: pyproject.toml $(VENV)/installed
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --editable ".[test]"
	touch $@

$(VENV)/browsed: pyproject.toml $(VENV)/tested
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --editable ".[browser]"
	touch $@

$(VENV)/documented: pyproject.toml $(VENV)/installed
	$(VENV)/bin/uv pip install --quiet --python $(RUN) --editable ".[docs]"
	touch $@
