# Each target sets up what it needs in .venv: nothing has to be installed by hand but Python.
#
#   make train DATA=folder EPOCHS=5 ARGS="--batch-size 100"
#   make test JOBS=0 ARGS="tests/test_linear.py -x"
#   make PYTHON=/opt/python3.13/bin/python3 test
#   make test-gpu NNLITE_CUDA=12

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: train test test-slow test-gpu certify reproduce reproduce-quick \
	benchmark benchmark-gpu lint format clean help

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --prefer-binary
JOBS ?= 2
ARGS ?=

train: $(VENV)/.for-train  ## train the LeNet on Fashion-MNIST (DATA=folder, EPOCHS=n, ARGS=...)
	@$(PY) -m examples.fashion_lenet \
		$(if $(DATA),--data "$(DATA)") $(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

# one BLAS thread each, or the JOBS processes fight over the cores
test: $(VENV)/.for-test  ## run the tests (JOBS=processes, 0 for none; ARGS=...)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) $(ARGS)

test-slow: $(VENV)/.for-test  ## run the tests that take minutes
	@$(PY) -m pytest -m slow $(ARGS)

certify: $(VENV)/.for-test  ## check every op on every kind of input, write docs/certificate.md
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PY) -m tests.certify --jobs $(JOBS) $(ARGS)

test-gpu:  ## run the tests for a CUDA device on it (NNLITE_CUDA=12|13, ARGS=...)
	@$(WITH_CUDA) -m tests.gpu $(ARGS)

reproduce: $(VENV)/.for-examples  ## run the five published experiments on the full data (DATA=folder)
	@$(PY) -m examples --all --out runs $(if $(DATA),--data "$(DATA)") $(ARGS)

reproduce-quick: $(VENV)/.for-examples  ## the same on the samples, in a few minutes
	@$(PY) -m examples --all --quick --out runs $(ARGS)

benchmark: $(VENV)/.for-test  ## measure against PyTorch (ARGS="--only lenet")
	@$(PY) -m benchmarks.cpu $(ARGS)

benchmark-gpu:  ## measure against PyTorch on a CUDA device (ARGS="--only lenet --tf32")
	@$(WITH_CUDA) -m benchmarks.gpu $(ARGS)

lint: $(VENV)/.for-lint  ## check style, types and layering
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy --strict nnlite
	@$(VENV)/bin/lint-imports

format: $(VENV)/.for-lint  ## bring the source into form
	@$(VENV)/bin/ruff check --fix
	@$(VENV)/bin/ruff format

clean:  ## remove .venv, caches and runs
	rm -rf $(VENV) runs build dist *.egg-info .*_cache .hypothesis .coverage
	find nnlite tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

# A Python that has all it takes serves as it is: machines with a GPU often come so, some without a
# network. Else .venv, with the CuPy for the CUDA version that nvidia-smi or NNLITE_CUDA names.
define WITH_CUDA
set -eu; \
for python in $(PYTHON) python3 $(PY); do \
	if "$$python" -c '$(HAS_CUDA)' 2>/dev/null; then break; fi; \
	python=; \
done; \
if [ -z "$$python" ]; then \
	cuda="$${NNLITE_CUDA:-$$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA[A-Z ]*Version: *\([0-9]*\).*/\1/p')}"; \
	case "$$cuda" in \
		12|13) ;; \
		'') echo "no CUDA device: nvidia-smi names none; NNLITE_CUDA=12 or 13 sets up anyhow" >&2; \
			exit 2;; \
		*) echo "nnlite runs on CUDA 12 and 13, not $$cuda; NNLITE_CUDA=12 or 13 tries" >&2; exit 2;; \
	esac; \
	$(MAKE) --no-print-directory $(VENV)/.for-cuda$$cuda; \
	python=$(PY); \
fi; \
"$$python"
endef
HAS_CUDA := import sys; from importlib.util import find_spec; sys.exit(sys.version_info < (3, 11) or not all(map(find_spec, \
	("cupy", "numpy", "torch", "threadpoolctl", "matplotlib", "pytest", "hypothesis", "sklearn"))))

$(VENV)/.for-train: EXTRAS := plot,progress
$(VENV)/.for-examples: EXTRAS := examples
$(VENV)/.for-test: EXTRAS := plot,progress,test,torch
$(VENV)/.for-cuda12: EXTRAS := plot,progress,test,torch,cuda12
$(VENV)/.for-cuda13: EXTRAS := plot,progress,test,torch,cuda13
$(VENV)/.for-lint: EXTRAS := lint
$(VENV)/.for-%: setup.cfg pyproject.toml | $(PY)
	@echo "installing nnlite[$(EXTRAS)] into $(VENV) (only after changes of setup.cfg)"
	@$(PIP) --editable ".[$(EXTRAS)]"
	@touch $@

$(PY):
	@set -eu; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); \
			echo "'$$python -m venv' failed: on Debian and Ubuntu, install python3-venv" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "nnlite needs Python 3.11 or later, and none was found; name one with" >&2; \
	echo "    make PYTHON=/path/to/python3" >&2; \
	exit 1
