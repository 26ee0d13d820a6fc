"""``import nnlite`` is quick and has no side effects. Each check runs in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio", "concurrent.futures", "cupy", "email", "http", "matplotlib", "multiprocessing",
    "pandas", "pip", "scipy", "setuptools", "sklearn", "ssl", "sqlite3", "tkinter", "torch",
    "tqdm", "unittest", "urllib.request", "xml",
}  # fmt: skip


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _modules(statement: str) -> set[str]:
    return set(
        json.loads(_run(f"{statement}\nimport sys, json; print(json.dumps(list(sys.modules)))"))
    )


@pytest.fixture(scope="module")
def beyond_numpy() -> set[str]:
    """The modules that nnlite loads and NumPy does not."""
    return _modules("import nnlite") - _modules("import numpy, json")


def test_nothing_heavy_is_loaded(beyond_numpy: set[str]) -> None:
    assert beyond_numpy & HEAVY == set()


def test_few_modules_beyond_numpys_and_its_own(beyond_numpy: set[str]) -> None:
    """A stand-in, without a clock, for the time: what else of the standard library it loads."""
    own = {name for name in beyond_numpy if name.split(".")[0] == "nnlite"}
    assert own, "nnlite was loaded"
    assert len(beyond_numpy - own) <= 40, sorted(beyond_numpy - own)
    assert len(own) <= 215, "nnlite's own files, read one by one, cost time too"


def test_no_part_of_nnlite_loads_anything_heavy() -> None:
    """Plotting, data and training too: what is optional is imported where it is used."""
    statement = (
        "import importlib, pkgutil, nnlite\n"
        "for module in pkgutil.walk_packages(nnlite.__path__, 'nnlite.'):\n"
        "    importlib.import_module(module.name)"
    )
    optional = {"cupy", "matplotlib", "pandas", "scipy", "sklearn", "torch"}
    assert _modules(statement) & optional == set()


SIDE_EFFECTS = """
import sys, os, threading, random, warnings
import numpy as np
read = []
class Environment(dict):
    def __getitem__(self, key): read.append(key); return dict.__getitem__(self, key)
    def get(self, key, default=None): read.append(key); return dict.get(self, key, default)
    def __contains__(self, key): read.append(key); return dict.__contains__(self, key)
os.environ = Environment(os.environ)
opened = []
sys.addaudithook(lambda event, args: opened.append(event)
                 if event.startswith(("socket.", "subprocess.")) else None)
before = np.geterr(), random.getstate(), np.random.get_state()[1].tolist(), sys.getrecursionlimit()
filters = list(warnings.filters)
directory, path = os.getcwd(), list(sys.path)
import nnlite
own = {n for n in read if n.startswith("NNLITE") or n.startswith(("OMP_", "OPENBLAS_", "CUDA"))}
assert not own, own
assert not opened, opened
assert threading.active_count() == 1, threading.enumerate()
after = np.geterr(), random.getstate(), np.random.get_state()[1].tolist(), sys.getrecursionlimit()
assert after == before
assert warnings.filters == filters
assert (os.getcwd(), list(sys.path)) == (directory, path)
"""


def test_no_side_effects() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SIDE_EFFECTS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
    assert done.stderr == ""
