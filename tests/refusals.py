"""Every call that PyTorch refuses, made in nnlite: run by test_refusals.py, and under python -O.

``python -O -m tests.refusals`` prints what is wrongly accepted or badly refused, and the counts.
"""

from __future__ import annotations

import itertools
import re
import sys
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch

import nnlite
import nnlite.nn.functional as F
from nnlite import nn
from nnlite.errors import NnliteError
from tests import torch_errors
from tests.cases import collect
from tests.mutations import mutated
from tests.op_driver import ours, theirs

NUMBERS_MIX = "a number stands for a tensor wherever numbers and tensors mix in nnlite's operators"
NO_DIM = "dim=None (and () or []) means all dimensions in every reduction"
NO_KERNEL = "PyTorch has no kernel for it, and the result is plain"

ACCEPTED = {
    r"^(eq|ne|lt|le|gt|ge|maximum|minimum|isclose|logical_(and|or|xor))\b.*(-\d|a number)$": (
        NUMBERS_MIX
    ),
    r"^(max|min) with (dim|other) .*None$": NO_DIM,
    r"^(prod|logsumexp)\b.*argument 1 (None|\[\])$": NO_DIM,
    r"^squeeze .*argument 1 None$": "None is the default: all dimensions of size 1",
    r"^tile .*argument 1 -?\d+$": "tile(x, 2) is tile(x, (2,)), as repeat has it",
    r"^adaptive_\w+ .*argument 1 None$": "None keeps a size, so it may stand for both",
    r"^F\.(un)?fold .*empty$": "without channels the result is empty",
    r"^pad from itself .*argument (0 (one more dimension|0-d|bool)|1 .*)$": NO_KERNEL,
    r"^gaussian_nll_loss .*argument 2 (a number|\d+)$": "documented by PyTorch, but fails",
    r"^AdamW?-(8|9|10|11)$": "PyTorch's limits of foreach: here a 0-d tensor is a number",
}
"""What nnlite deliberately accepts and PyTorch refuses: a pattern of the call, and the reason."""

Answer = tuple[str, str]  # how nnlite answered, and the call


def _answer(torch_call: Callable[[], Any], call: Callable[[], Any]) -> str:
    """How nnlite answers a call, as one word.

    "refused" is right where PyTorch refuses too; "stricter" and "fine" say nothing against it.
    """
    try:
        torch_call()
        refused = False
    except Exception:
        refused = True
    try:
        call()
    except NnliteError as error:
        if not (error.op and error.expected and error.got and error.hint):
            return f"incomplete message: {error}"
        return "refused" if refused else "stricter"
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return "accepted" if refused else "fine"


def listed() -> Iterator[Answer]:
    """The calls that PyTorch's own tests expect to fail; the reason where one has no counterpart.

    A warning counts as a refusal in both libraries.
    """
    for source in (torch_errors.functions, torch_errors.modules, torch_errors.optimizers):
        for name, case in source():
            if isinstance(case, str):
                yield f"left out: {case}", name
            else:
                yield _answer(case.torch_call, case.call), name


def replaced(samples: int = 4) -> Iterator[Answer]:
    """The calls of the op table, with each argument replaced in each way."""
    for case in collect():
        fn = case.fn
        public = getattr(fn, "__module__", "").startswith("nnlite") and "." not in fn.__qualname__
        if not public:
            continue
        for what, sample in mutated(case, samples):

            def torch_call(case: Any = case, sample: Any = sample) -> None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs(sample).run(case.torch_fn)

            def call(case: Any = case, sample: Any = sample) -> Any:
                return ours(sample).run(case.fn)

            yield _answer(torch_call, call), f"{case.name} {what}"


def faults(answers: Iterator[Answer]) -> tuple[list[str], Counter[str], set[str]]:
    """(what is wrong, how often each answer came, which exceptions were used)."""
    torch.set_num_threads(1)
    wrong, counts, used = [], Counter[str](), set()
    for answer, call in answers:
        if answer == "accepted":
            pattern = next((p for p in ACCEPTED if re.search(p, call)), None)
            if pattern is not None:
                used.add(pattern)
                counts["excepted"] += 1
                continue
        counts[answer] += 1
        if answer not in ("refused", "stricter", "fine") and not answer.startswith("left out"):
            wrong.append(f"{call}: {answer}")
    return wrong, counts, used


# -- absurd sizes ----------------------------------------------------------------------------------

HUGE = 2**62
X, IMAGE = nnlite.ones(2, 3), nnlite.ones(1, 1, 4, 4)
ABSURD: dict[str, Callable[[], Any]] = {
    "zeros": lambda: nnlite.zeros((2**40,)),
    "ones": lambda: nnlite.ones(2**21, 2**21),
    "empty": lambda: nnlite.empty(2**31, 2**31, 2**31),
    "full": lambda: nnlite.full((HUGE, 4), 0.5),
    "rand": lambda: nnlite.rand(2**40),
    "randn": lambda: nnlite.randn(HUGE),
    "randint": lambda: nnlite.randint(2, (2**40,)),
    "randperm": lambda: nnlite.randperm(2**40),
    "normal": lambda: nnlite.normal(0.0, 1.0, (2**40,)),
    "arange": lambda: nnlite.arange(2**40),
    "arange, small steps": lambda: nnlite.arange(0, 1, 1e-18),
    "linspace": lambda: nnlite.linspace(0, 1, 2**40),
    "eye": lambda: nnlite.eye(2**31),
    "eye, not square": lambda: nnlite.eye(2, HUGE),
    "expand, then copied": lambda: nnlite.ones(1).expand(2**40).clone(),
    "broadcast_to": lambda: nnlite.broadcast_to(X, (HUGE, 2, 3)),
    "repeat": lambda: X.repeat(2**40, 1),
    "tile": lambda: nnlite.tile(X, (2**40,)),
    "outer": lambda: nnlite.outer(*[nnlite.ones(2**20).expand(2**20)] * 2),
    "pad": lambda: F.pad(X, (HUGE, 0)),
    "pad, reflect": lambda: F.pad(X, (HUGE, 0), "reflect"),
    "pad, replicate": lambda: F.pad(X, (HUGE, 0), "replicate"),
    "one_hot": lambda: F.one_hot(nnlite.tensor([0, 1]), num_classes=HUGE),
    "one_hot of a large class": lambda: F.one_hot(nnlite.tensor([HUGE])),
    "bincount": lambda: nnlite.bincount(nnlite.tensor([HUGE])),
    "bincount, minlength": lambda: nnlite.bincount(nnlite.tensor([0]), minlength=HUGE),
    "diag": lambda: nnlite.diag(nnlite.ones(1).expand(2**21)),
    "unflatten": lambda: nnlite.unflatten(X, 1, (HUGE, 3)),
    "view": lambda: X.view(HUGE, HUGE),
    "conv2d, padding": lambda: F.conv2d(IMAGE, nnlite.ones(1, 1, 3, 3), padding=2**40),
    "fold": lambda: F.fold(nnlite.ones(1, 4, 9), (2**31, 2**31), 2),
    "interpolate": lambda: F.interpolate(IMAGE, scale_factor=2.0**30),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(IMAGE, 2**31),
    "adaptive_max_pool2d": lambda: F.adaptive_max_pool2d(IMAGE, 2**31),
    "Linear": lambda: nn.Linear(2**31, 2**31),
    "Conv1d": lambda: nn.Conv1d(2**20, 2**20, 3),
    "Conv2d": lambda: nn.Conv2d(2**20, 2**20, 3),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(2**20, 2**20, 3),
    "PReLU": lambda: nn.PReLU(2**40),
    "Embedding": lambda: nn.Embedding(2**31, 2**31),
    "BatchNorm2d": lambda: nn.BatchNorm2d(2**40),
    "LayerNorm": lambda: nn.LayerNorm((2**31, 2**31)),
    "Bilinear": lambda: nn.Bilinear(2**20, 2**20, 2**20),
    "matmul": lambda: nnlite.matmul(
        nnlite.ones(1, 1).expand(2**21, 1), nnlite.ones(1, 1).expand(1, 2**21)
    ),
    "add of broadcast views": lambda: nnlite.ones(1, 1).expand(2**21, 1) + nnlite.ones(2**21),
    "meshgrid": lambda: nnlite.meshgrid(*[nnlite.ones(1).expand(2**21)] * 2, indexing="ij"),
    "cat": lambda: nnlite.cat([nnlite.ones(1).expand(2**39)] * 2),
    "stack": lambda: nnlite.stack([nnlite.ones(1).expand(2**39)] * 2),
}  # fmt: skip

MEMORY = 10 * 2**20


def absurd(name: str) -> str:
    """What is wrong with how nnlite answers an absurd size: nothing, if all is well."""
    tracemalloc.start()
    try:
        ABSURD[name]()
    except NnliteError as error:
        problem = "" if error.op and error.expected and error.hint else f"incomplete: {error}"
    except Exception as error:
        problem = f"raised {type(error).__name__}: {error}"
    else:
        problem = "accepted"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return problem or (f"{peak} bytes were allocated" if peak > MEMORY else "")


def main() -> None:
    """Print all faults, and how many calls were made."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
    wrong, counts, _ = faults(itertools.chain(listed(), replaced(1)))
    wrong += [f"{name}: {problem}" for name in ABSURD if (problem := absurd(name))]
    print(*wrong, sep="\n")
    print(f"{counts['refused']} refused, {len(wrong)} faults, optimize={sys.flags.optimize}")


if __name__ == "__main__":
    main()
