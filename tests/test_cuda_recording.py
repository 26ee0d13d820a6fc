"""What a CUDA graph can hold and what it cannot; the stand-in refuses what CUDA refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nnlite
import nnlite.nn.functional as F
from nnlite.autograd import Tensor
from nnlite.autograd.tape import traced
from nnlite.errors import CaptureError, DeviceMemoryError
from nnlite.ops.kernels import pooling
from nnlite.ops.kernels.cuda import conv
from tests import fake_cupy
from tests.cuda_shim.oracle import needs_compiler
from tests.strict.rules import TransferError
from tests.test_cuda_capture import _graph, on_device

pytestmark = needs_compiler


@pytest.mark.parametrize("own_kernels", [True, False])
@pytest.mark.parametrize(
    "options", [{"padding": 1, "count_include_pad": False}, {"padding": 1, "ceil_mode": True}]
)
def test_windows_with_divisors_of_their_own(
    options: dict[str, Any], own_kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed on the device: a graph holds no upload."""
    if not own_kernels:  # as for very large images
        monkeypatch.setattr(pooling, "_cuda", lambda x, w: None)
    w = on_device(np.ones((1, 2, 6, 6))).requires_grad_()

    def step(x: Tensor) -> Any:
        w.grad = None
        loss = F.avg_pool2d(x * w, 3, 2, **options).square().sum()
        loss.backward()
        return loss, w.grad

    captured = nnlite.cuda.capture(step, [w.detach()])
    for k in range(6):
        x = on_device(np.random.default_rng(k).standard_normal((1, 2, 6, 6)))
        for ours, expected in zip(captured(x), step(x), strict=True):
            np.testing.assert_allclose(ours.tolist(), expected.tolist(), rtol=1e-12)


@pytest.mark.parametrize("own_kernels", [True, False])
def test_products_of_every_kind_can_be_recorded(
    own_kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All go to cuBLAS itself: CuPy's own products refuse to be recorded."""
    if not own_kernels:  # as for very large images
        monkeypatch.setattr(conv, "applies", lambda *args: None)
    w = on_device(np.random.default_rng(0).standard_normal((4, 1, 3, 3))).requires_grad_()

    def step(x: Tensor) -> Any:
        w.grad = None
        y = F.conv2d(F.conv2d(x, w, stride=2, groups=2), w, padding=1, groups=4)
        z = nnlite.einsum("nchw,cdij->nhwdij", y, w) @ w[0, 0]
        (z * F.linear(z, w[1, 0]).sum()).sum().backward()
        return z, w.grad

    captured = nnlite.cuda.capture(step, [on_device(np.ones((2, 2, 5, 5)))])
    for k in range(5):
        x = on_device(np.random.default_rng(k).standard_normal((2, 2, 5, 5)))
        for ours, expected in zip(captured(x), step(x), strict=True):
            np.testing.assert_allclose(ours.tolist(), expected.tolist(), rtol=1e-10)


def test_what_is_copied_in_at_each_replay_is_refused() -> None:
    """The graph would read the host's memory again, whatever is there by then."""

    def copied(x: Tensor) -> Tensor:
        return on_device(np.ones(3))

    step = nnlite.cuda.capture(lambda x: x + traced(copied, x), [on_device(np.zeros(3))])
    for _ in range(3):
        step(on_device(np.zeros(3)))
    with pytest.raises((CaptureError, TransferError), match="from the host"):
        step(on_device(np.zeros(3)))


def test_a_copy_from_the_host_is_refused_while_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """By nnlite: CUDA would record it, and read the host's memory again at each launch."""
    fake_cupy.install(monkeypatch, fake_cupy.make(1)[0])
    _, graph = _graph()
    for work in (lambda: nnlite.ones(3).cuda(), lambda: nnlite.tensor([1.0, 2.0], device="cuda")):
        graph.warm(work)
        with pytest.raises(CaptureError, match="got a copy from the host inside it"):
            graph.record(work)
        work()
    assert graph.record(lambda: nnlite.tensor(2.5, device="cuda")).item() == 2.5  # an argument
    minus = nnlite.tensor(-0.0, device="cuda")
    assert np.signbit(minus.item())  # which filling would lose


def test_a_graph_that_finds_no_memory_says_so() -> None:
    cupy, graph = _graph()
    cupy.cuda.runtime.memGetInfo = lambda: (10, 100)  # type: ignore[attr-defined]
    cupy.cuda.runtime.getDevice = lambda: 0  # type: ignore[attr-defined]
    pool = SimpleNamespace(free_bytes=lambda: 0, used_bytes=lambda: 90)
    cupy.get_default_memory_pool = lambda: pool  # type: ignore[attr-defined]
    with pytest.raises(DeviceMemoryError, match=r"1\.95 KiB in one piece.*10 bytes free of 100"):
        graph._malloc(2000)
    assert graph._malloc(8) == 8
