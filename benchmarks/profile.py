"""Where a training step's time goes, op by op: ``python -m benchmarks.profile lenet``."""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks import works
from nnlite.autograd.op import Op

REST = ("all else: Python", "")


class Clock:
    """Adds up the time inside the outermost of the calls that it wraps."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.calls: dict[tuple[str, str], int] = defaultdict(int)
        self._inside = False

    def wrap(self, function: Callable[..., Any], name: str, part: str) -> Callable[..., Any]:
        """The function, timed under (name, part) unless another timed one is running."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside = True
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name, part] += time.perf_counter() - start
                self.calls[name, part] += 1
                self._inside = False

        return timed


def watch(clock: Clock, optimizer_class: type) -> None:
    """Have the clock time every op's forward and backward, and the optimizer."""
    ops = list(Op.__subclasses__())
    for op in ops:
        ops += op.__subclasses__()
        for part in ("forward", "backward"):
            if part in vars(op):
                setattr(op, part, staticmethod(clock.wrap(getattr(op, part), op.__name__, part)))
    for method in ("step", "zero_grad"):
        wrapped = clock.wrap(getattr(optimizer_class, method), "optimizer", method)
        setattr(optimizer_class, method, wrapped)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("network", choices=sorted(works.NETWORKS), help="whose training step")
    parser.add_argument("--batch", type=int, help="batch size (that of the experiment)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure (3)")
    parser.add_argument("--threads", type=int, default=2, help="threads (2)")
    args = parser.parse_args()

    L = works.Library("nnlite")
    L.lib.set_num_threads(args.threads)
    clock = Clock()
    watch(clock, L.optim.Optimizer)
    step = works.training(L, args.network, args.dtype, args.batch)
    for _ in range(3):
        step()
    clock.seconds.clear()
    clock.calls.clear()
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    begin = time.perf_counter()
    while time.perf_counter() - begin < args.seconds:
        clock.seconds.clear()
        start = time.perf_counter()
        step()
        clock.seconds[REST] = time.perf_counter() - start - sum(clock.seconds.values())
        for key, seconds in clock.seconds.items():
            spent[key].append(seconds)

    # the fastest twentieth: a busy moment of the machine is no property of an op
    fast = {key: statistics.quantiles(values, n=20)[0] for key, values in spent.items()}
    total, steps = sum(fast.values()), len(spent[REST])
    print(f"{args.network}: {1e3 * total:.3f} ms per step, the fastest twentieth of {steps} steps")
    print(f"{'op':<24}{'part':<10}{'calls':>6}{'ms':>9}{'share':>8}")
    for key, seconds in sorted(fast.items(), key=lambda item: -item[1]):
        calls = f"{clock.calls[key] / steps:.0f}" if key in clock.calls else ""
        print(f"{key[0]:<24}{key[1]:<10}{calls:>6}{1e3 * seconds:>9.3f}{seconds / total:>8.1%}")


if __name__ == "__main__":
    main()
