"""Writing weights: whole or not at all, whatever happens in between."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.io import load_npz, load_safetensors, save_npz, save_safetensors

FORMATS = [
    pytest.param(save_npz, load_npz, ".npz", id="npz"),
    pytest.param(save_safetensors, load_safetensors, ".safetensors", id="safetensors"),
]


# -- whole or not at all ---------------------------------------------------------------------


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
def test_a_failure_leaves_the_old_file(
    save: Any, load: Any, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastNN#13, cs249r_book PR #2068, revbayes#930."""
    path = tmp_path / f"weights{ending}"
    save({"w": nnlite.ones(2)}, path)
    for name in ("fsync", "replace"):

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space left"):
                save({"w": nnlite.zeros(2)}, path)
        assert load(path)["w"].tolist() == [1.0, 1.0]
        assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
def test_links_and_permissions_are_kept(save: Any, load: Any, ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    target, link = folder / f"weights{ending}", tmp_path / f"latest{ending}"
    link.symlink_to(target)
    save({"w": nnlite.ones(2)}, link)
    assert link.is_symlink()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    target.chmod(0o640)
    save({"w": nnlite.zeros(2)}, link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert load(target)["w"].tolist() == [0.0, 0.0]
    assert os.listdir(folder) == [target.name]


@pytest.mark.parametrize(("save", "load", "ending"), FORMATS)
def test_over_a_file_that_is_mapped(save: Any, load: Any, ending: str, tmp_path: Path) -> None:
    """safetensors#762: saving what lies in the file itself zeroed it. safetensors #762."""
    path = tmp_path / f"weights{ending}"
    np.arange(6.0).tofile(path)
    mapped = np.memmap(path, dtype=np.float64, mode="r", shape=(6,)).view(np.ndarray)
    save({"w": nnlite.from_numpy(mapped)}, path)
    assert load(path)["w"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert mapped.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


WRITER = """
import sys, nnlite
from nnlite.io import save_npz
k = 0
print("ready", flush=True)
while True:
    save_npz({"a": nnlite.full((200_000,), float(k)), "b": nnlite.full((9,), float(k))},
             sys.argv[1])
    k += 1
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process as POSIX does")
def test_killed_while_saving(tmp_path: Path) -> None:
    """adaptdl#70, PR #81."""
    path = tmp_path / "weights.npz"
    save_npz({"a": nnlite.zeros(200_000), "b": nnlite.zeros(9)}, path)
    rng = np.random.default_rng(0)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.01, 0.06))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        loaded = load_npz(path)
        assert len(set(loaded["a"].tolist()) | set(loaded["b"].tolist())) == 1
        assert len([n for n in os.listdir(tmp_path) if n.endswith(".part")]) <= 1
    save_npz({}, path)
    assert os.listdir(tmp_path) == [path.name]


def test_the_litter_of_the_living_stays(tmp_path: Path) -> None:
    from nnlite.files import atomic_write

    path = tmp_path / "weights.npz"
    with atomic_write(path) as slow:
        slow.write(b"slow")
        save_npz({"w": nnlite.ones(1)}, path)
        assert load_npz(path)["w"].tolist() == [1.0]
    assert path.read_bytes() == b"slow"


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_from_and_to_a_device(ending: str, device: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{ending}"
    nnlite.save({"w": nnlite.ones(2).to(nnlite.device(device))}, path)
    assert nnlite.load(path)["w"].tolist() == [1.0, 1.0]
    assert str(nnlite.load(path, map_location=nnlite.device(device))["w"].device) == device
