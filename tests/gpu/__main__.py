"""``python -m tests.gpu``: all that can be tested on a CUDA device, in one command.

The op suite and every other test for a device, by pytest in several processes (a device serves
them in turns; what they mostly do is to call it, and to compile kernels on the first run), then the
certificate. Arguments are passed on to pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec

import nnlite
from nnlite.backend.threads import available_cores
from nnlite.errors import NnliteError
from tests.gpu import selection

MOST_JOBS = 8  # each has a context of its own, of some hundred MiB


def missing() -> str | None:
    """Why nothing can be tested here, in one line; None where it can."""
    try:
        nnlite.zeros(1, device="cuda")
    except NnliteError as error:
        return " ".join(str(error).split())
    return None


def commands(jobs: int, torch: bool, more: Sequence[str] = ()) -> dict[str, list[str]]:
    """The programs to run, by what they do; without PyTorch those that need no oracle."""
    files = [p for p in selection.files() if torch or not selection.needs_torch(p)]
    spread = ["-n", str(jobs), "--dist", "worksteal"] if jobs > 1 and find_spec("xdist") else []
    # slow tests, too: what is slow on a CPU is not on a device
    tests = ["pytest", "--device", "cuda", "-q", "-m", "", *spread, *more, *map(str, files)]
    found = {"tests": [sys.executable, "-m", *tests]}
    if torch:
        certify = ["tests.certify", "--device", "cuda", "--jobs", str(jobs)]
        found["certificate"] = [sys.executable, "-m", *certify]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; the exit status: 0 all passed, 1 something failed or was left out, 2 no device."""
    first = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=first)
    jobs = min(MOST_JOBS, available_cores())
    parser.add_argument("--jobs", type=int, default=jobs, help=f"processes ({jobs})")
    options, more = parser.parse_known_args(arguments)
    why = missing()
    if why is not None:
        print(f"python -m tests.gpu: {why}", file=sys.stderr)
        return 2
    print(f"on {nnlite.cuda.get_device_name()}, {options.jobs} processes", flush=True)
    nnlite.cuda.empty_cache()
    torch = find_spec("torch") is not None
    report, failed = [], not torch
    # one BLAS thread each, or the processes fight over the cores
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name, command in commands(options.jobs, torch, more).items():
        began = time.monotonic()
        status = subprocess.run(command, env=environment, cwd=selection.FOLDER.parent).returncode
        failed = failed or status != 0
        said = "passed" if status == 0 else f"failed, exit status {status}"
        report.append(f"{name}: {said}, {time.monotonic() - began:.0f} s")
    if not torch:
        left = sum(map(selection.needs_torch, selection.files()))
        report.append(f"incomplete: PyTorch is missing, {left} files and the certificate left out")
    print("\n".join(report))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
