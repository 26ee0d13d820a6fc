"""The memory that training takes, against PyTorch: ``python -m benchmarks.memory``.

Each figure comes from a fresh process: its peak over a few training steps, less what it held after
the imports (one step of a tiny network among them, since both libraries import on first use) and
with the batch in memory. So it counts parameters, gradients, Adam's moments, what the graph keeps,
and work space.
"""

from __future__ import annotations

import gc
import multiprocessing as mp
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import pair, report, works
from benchmarks.report import Json

TARGET = 1.0  # at most PyTorch's
LIBRARIES = ("nnlite", "torch")
MIB = 2**20


def peak() -> int:
    """The most memory this process has held so far, in bytes.

    On Linux VmHWM, which is ru_maxrss of this program alone: after fork and exec ru_maxrss begins
    with the size of the process that started it.
    """
    with suppress(OSError):
        for entry in Path("/proc/self/status").read_text().splitlines():
            if entry.startswith("VmHWM:"):
                return int(entry.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Let the peak begin anew with what the process holds now; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def train(library: str, network: str, batch: int | None, steps: int, threads: int) -> int:
    """In a fresh process: the bytes that so many training steps need."""
    L = works.Library(library)
    L.set_num_threads(threads)
    tiny = works.deep(L, depth=1, width=2, batch=2)
    tiny()
    x, y = works.batch_of(L, network, batch=batch)
    gc.collect()
    forget_peak()
    before = peak()
    step = works.training_on(L, network, x, y)
    for _ in range(steps):
        step()
    return peak() - before


def fresh(library: str, *args: Any) -> Json:
    """What train measured in a process of its own: its bytes, or why there are none."""
    with pair.own_threads(), ProcessPoolExecutor(1, mp.get_context("spawn")) as pool:
        try:
            return {"bytes": pool.submit(train, library, *args).result(), "error": None}
        except Exception as error:  # of the library, whatever it is: the others go on
            return {"bytes": None, "error": f"{type(error).__name__}: {error}".splitlines()[0]}


def compare(network: str, rounds: int, steps: int, threads: int, batch: int | None = None) -> Json:
    """The median of a few processes for each library, and nnlite's over PyTorch's."""
    runs = {library: [] for library in LIBRARIES}  # type: dict[str, list[Json]]
    for _ in range(rounds):
        for library in LIBRARIES:
            runs[library].append(fresh(library, network, batch, steps, threads))
    sides: Json = {}
    for library, done in runs.items():
        sizes = [run["bytes"] for run in done]
        errors = [run["error"] for run in done if run["error"]]
        sides[library] = {
            "bytes": None if errors else statistics.median(sizes),
            "runs": sizes,
            "error": errors[0] if errors else None,
        }
    return {"sides": sides, **judge(sides["nnlite"]["bytes"], sides["torch"]["bytes"])}


def judge(ours: float | None, theirs: float | None) -> Json:
    """The ratio nnlite / PyTorch, and whether it is at most 1."""
    value = ours / theirs if ours is not None and theirs else None
    return {"ratio": value, "target": TARGET, "reached": report.reached(value, TARGET, most=True)}


def words(results: dict[str, Json]) -> str:
    """The table."""
    rows = []
    for name, result in results.items():
        sides = result["sides"]
        sizes = [sides[library]["bytes"] for library in LIBRARIES]
        cells = [report.number(None if size is None else size / MIB) for size in sizes]
        failed = "; ".join(f"{k}: {v['error']}" for k, v in sides.items() if v["error"])
        verdict = [report.number(result["ratio"]), f"{TARGET:g}", report.answer(result["reached"])]
        rows.append([name, *cells, *verdict, failed])
    header = ["training", "nnlite MiB", "torch MiB", "nnlite/torch", "target", "reached", ""]
    return report.table(header, rows)


def draw(results: dict[str, Json]) -> Any:
    """The picture: nnlite's memory over PyTorch's."""
    values = {name: result["ratio"] for name, result in results.items()}
    targets = dict.fromkeys(results, TARGET)
    label = "nnlite's memory over PyTorch's"
    return report.ratio_figure({"at most": values}, label, {"at most": targets})


def command(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = report.Parser("memory", __doc__, rounds=3)
    parser.add_argument("--only", metavar="NETWORK,...", help=f"among {', '.join(works.NETWORKS)}")
    parser.add_argument("--steps", type=report.whole(1), default=10, help="training steps (10)")
    parser.add_argument("--batch", type=report.whole(1), help="batch size (the experiment's)")
    args = parser.parse_args(arguments)
    chosen = list(works.NETWORKS) if args.only is None else args.only.split(",")
    for name in chosen:
        if name not in works.NETWORKS:
            known = ", ".join(works.NETWORKS)
            parser.error(f"argument --only: no network {name!r}; there are {known}")
    results = {
        name: compare(name, args.rounds, args.steps, args.threads, args.batch) for name in chosen
    }
    print(words(results))
    report.write("memory", args, results, lambda: draw(results), arguments)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    return report.run(command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
