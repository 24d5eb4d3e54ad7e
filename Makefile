# make reproduce    train the course's models and compare them with what the course prints (ARGS="..." for tgc)
# make test         the tests, flake8 and mypy, on the package as users get it
# make lint         flake8 and mypy alone
# make bench        our engines and other frameworks on the same models (ARGS="..." for it; WHAT=tools or another one
#                   for the other benchmarks, ARGS=--help says what there is)
# make bounds       the tests with the oldest versions of all packages that setup.cfg allows
# make docs         the site, in docs/build/html; make notebooks: the tutorial's notebooks from their sources
# make sizes        how large each room of the library is
#
# The first three make an environment in .venv the first time and use it again, until the sources change.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
WHAT ?= training

# The tests must see the installed package, whatever the caller has set.
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Folders too: they change when a file in them is deleted.
SOURCES := Makefile setup.cfg pyproject.toml README.md LICENSE \
    $(shell find tinygrad_course models visualize docs/notebooks \( -type d -o -name '*.py' -o -name py.typed \) \
        ! -name __pycache__)
# After `pip install -e .` nothing tells but this file that the environment has no regular install any more.
EDITABLE := $(wildcard $(VENV)/lib/python*/site-packages/__editable__*tinygrad_course*)

.NOTPARALLEL:
.PHONY: reproduce test lint bench bounds sizes docs notebooks clean again

reproduce: $(VENV)/installed-all
	$(VENV)/bin/tgc reproduce $(ARGS)

# All run, so that one failure does not hide another. pytest is called by its own name, as
# `python -m pytest` would import the sources here and not what is installed; mypy runs elsewhere for the same reason.
# Tests use all cores, a file each; so one core is left to the BLAS of each, which otherwise wait for each other.
PYTEST = OPENBLAS_NUM_THREADS=1 $(1)/bin/pytest -n auto --dist loadfile

test: $(VENV)/installed-test
	@failed=; $(MAKE) --no-print-directory lint || failed=" lint"; \
	echo pytest; $(call PYTEST,$(VENV)) || failed="$$failed pytest"; \
	if [ -n "$$failed" ]; then echo "make test: failed:$$failed" >&2; exit 1; fi

lint: $(VENV)/installed-test
	@failed=; \
	echo flake8; $(VENV)/bin/flake8 || failed="$$failed flake8"; \
	echo mypy; (cd $(VENV) && bin/mypy --config-file $(CURDIR)/setup.cfg --cache-dir $(CURDIR)/.mypy_cache) \
	    || failed="$$failed mypy"; \
	if [ -n "$$failed" ]; then echo "make lint: failed:$$failed" >&2; exit 1; fi

# An environment of its own; the oldest Python is the one to try it with: make bounds PYTHON=python3.10
bounds:
	rm -rf $(VENV)-bounds build
	$(PYTHON) -m venv $(VENV)-bounds
	$(VENV)-bounds/bin/python tests/shared/bounds.py > $(VENV)-bounds/bounds.txt
	$(VENV)-bounds/bin/python -m pip install --quiet --constraint $(VENV)-bounds/bounds.txt '.[all,test]'
	rm -rf build
	$(call PYTEST,$(VENV)-bounds) $(ARGS)

# The site, in docs/build/html: offline, every warning an error, every code block executed.
docs: $(VENV)/installed-test
	$(VENV)/bin/sphinx-build -W -n --keep-going -b html docs docs/build/html

# The tutorial's notebooks, without outputs, from their sources.
notebooks: $(VENV)/installed-test
	$(VENV)/bin/python docs/extensions/write_notebooks.py

sizes:
	@$(PYTHON) tests/shared/sizes.py

bench: $(VENV)/installed-all
	$(VENV)/bin/python tests/benchmarks $(WHAT) $(ARGS)

# A folder build/ left over from before would put files into the package that are deleted by now.
define install
rm -rf build
$(VENV)/bin/python -m pip install --quiet '.[$(EXTRAS)]'
rm -rf build
touch $(STAMPS)
endef

$(VENV)/installed-all: EXTRAS = all
$(VENV)/installed-all: STAMPS = $@
$(VENV)/installed-all: $(VENV)/bin/pip $(SOURCES) $(if $(EDITABLE),again)
	$(install)

$(VENV)/installed-test: EXTRAS = all,test,docs
$(VENV)/installed-test: STAMPS = $@ $(VENV)/installed-all
$(VENV)/installed-test: $(VENV)/bin/pip $(SOURCES) $(if $(EDITABLE),again)
	$(install)

# pip is what the creation of an environment ends with.
$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "make: there is no $(PYTHON) here: install Python 3.10" \
	    "or newer, or name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "make: $(PYTHON) is" \
	    "`$(PYTHON) --version 2>&1`, but Python 3.10 or newer is needed; if you have one, name it:" \
	    "make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) cannot make environments," \
	    "its modules venv and ensurepip are missing: on Debian and Ubuntu, apt-get install python3-venv" >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV)

again:

clean:
	rm -rf $(VENV) $(VENV)-bounds build *.egg-info .mypy_cache .pytest_cache .hypothesis
