"""Bugs of resuming: what a checkpoint forgets. Files are in test_io.py and test_io_fuzz.py."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import nnlite
import nnlite.nn.functional as F
from nnlite import nn, optim
from nnlite.data import DataLoader, TensorDataset


def _run(steps: int, resume_at: int | None = None) -> list[bytes]:
    """The parameters after each step of a model with dropout, batch norm and a scheduler.

    At step resume_at everything is taken down as state and set up anew, from other seeds.
    """

    def setup() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
        return model, optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    nnlite.manual_seed(1)
    parts = setup()
    seen = []
    for step in range(steps):
        if step == resume_at:
            states = [part.state_dict() for part in parts]
            rng = nnlite.default_generator().get_state()
            nnlite.manual_seed(99)
            parts = setup()
            for part, state in zip(parts, states, strict=True):
                part.load_state_dict(state)
            nnlite.default_generator().set_state(rng)
        model, optimizer, scheduler = parts
        optimizer.zero_grad()
        F.mse_loss(model(nnlite.tensor(x)), nnlite.zeros(6, 2)).backward()
        optimizer.step()
        scheduler.step()
        seen.append(b"".join(v.numpy().tobytes() for v in model.state_dict().values()))
    return seen


def test_resumed_run_is_bit_equal() -> None:
    """Dropout's generator, buffers, counters and rates go on, without a step too many or too few.

    transformers#17032, darts#2463, maxdiffusion PR #484, ms-swift PR #9935, torchtitan#1213,
    virtex#18.
    """
    whole = _run(8)
    for resume_at in (1, 4):
        assert _run(8, resume_at) == whole
    assert len(set(whole)) == 8


def test_order_of_epochs_goes_on_after_a_resume() -> None:
    """A sampler that starts again shows the first epoch's order twice. darts#2463, virtex#18."""
    data = TensorDataset(nnlite.arange(20))

    def epoch(generator: nnlite.Generator) -> list[int]:
        loader = DataLoader(data, 5, shuffle=True, generator=generator)
        return [int(i) for (batch,) in loader for i in batch]

    one = nnlite.Generator().manual_seed(3)
    first = epoch(one)
    state = one.get_state()
    second = epoch(one)
    resumed = nnlite.Generator().manual_seed(77)
    resumed.set_state(state)
    assert epoch(resumed) == second
    assert first != second


def test_the_order_of_names_is_the_same_in_every_process() -> None:
    """Lightning#4045: an order taken from a set differs with the seed of str's hash."""
    code = (
        "import json; from nnlite import nn, optim\n"
        "net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.PReLU())\n"
        "optimizer = optim.Adam(net.parameters())\n"
        "print(json.dumps([list(net.state_dict()), optimizer.state_dict()['param_groups'][0],"
        " dir(nn)], default=str))"
    )
    root = Path(__file__).parent.parent
    answers = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
                cwd=root,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]


def test_nothing_is_unpickled_and_no_archive_unpacked() -> None:
    """pytorch/vision#9517, CVE-2007-4559 (vision PR #7039), huntr PR #1504: paths and code inside
    files; nnlite has no call that could follow them.
    """
    forbidden = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "tarfile"}
    calls = {"extract", "extractall", "unpack_archive", "eval", "exec"}
    folder = Path(nnlite.__file__).parent
    sources = list(folder.rglob("*.py"))
    assert len(sources) > 100
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").partition(".")[0]]
            assert not forbidden & set(names), path
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert called not in calls or _is_method_of_module(node.func), (path, node.lineno)


def _is_method_of_module(func: ast.expr) -> bool:
    """``self.eval()``: Module's way into evaluation mode."""
    return isinstance(func, ast.Attribute) and func.attr == "eval"
