"""What the convolutions and poolings are given, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnlite.autograd.tensor import Tensor
from nnlite.errors import ArgumentError, DtypeError, ShapeError
from nnlite.ops.common import as_index, check_same_device, need_float
from nnlite.ops.kernels.windows import Pair, Windows
from nnlite.ops.sizes import check_size


@dataclass(frozen=True)
class Convolution:
    """A convolution whose arguments fit together.

    Attributes:
        x, w, b: the tensors as given.
        spatial: 1 for signals, 2 for images.
        batch: number of images; 1 where x is a single one.
        windows: with one row where spatial is 1.
        groups: as given.
        out_shape: of the result.
    """

    x: Tensor
    w: Tensor
    b: Tensor | None
    spatial: int
    batch: int
    windows: Windows
    groups: int
    out_shape: tuple[int, ...]


def sizes(op: str, argument: str, value: Any, spatial: int, least: int) -> tuple[int, ...]:
    """One whole number per spatial dimension, from a number (for all) or a sequence.

    Raises:
        DtypeError: not whole numbers.
        ArgumentError: another count, or a number below least.
    """
    many = isinstance(value, (tuple, list))
    given = tuple(as_index(op, argument, v) for v in (value if many else (value,)))
    if len(given) == 1:
        given = given * spatial
    if len(given) != spatial or any(v < least or v >= 2**31 for v in given):
        count = f"1 or {spatial} numbers" if spatial > 1 else "a number"
        raise ArgumentError(
            op,
            argument,
            expected=f"{count}, {least} or more and below 2^31",
            got=repr(value),
            hint=f"{argument}={least} is the smallest that there is",
        )
    return given


def two(values: Sequence[int], filler: int) -> Pair:
    """(rows, columns) from one or two numbers."""
    return (filler, values[0]) if len(values) == 1 else (values[0], values[1])


def check_conv(
    op: str,
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Convolution:
    """The arguments of conv1d and conv2d."""
    x, w, b = _tensors(op, spatial, input, weight, bias)
    steps = sizes(op, "stride", stride, spatial, 1)
    spread = sizes(op, "dilation", dilation, spatial, 1)
    G = _groups(op, groups, w.shape[0], "output channels (weight's first dimension)")
    C = x.shape[-spatial - 1]
    if w.shape[1] * G != C:
        per_group = f" and groups={G}" if G > 1 else ""
        raise ShapeError(
            op,
            "input",
            expected=f"{_channels(w.shape[1] * G)}, as weight {w.shape}{per_group} has",
            got=f"{_channels(C)} in {x.shape}",
            hint="weight is (out_channels, in_channels / groups, ...), channels come before pixels",
        )
    _check_bias(op, b, w.shape[0])
    size, kernel = x.shape[-spatial:], w.shape[2:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, spread, strict=True)]
    before, total = _padding(op, padding, spatial, steps, reach)
    out = []
    for n, r, p, s in zip(size, reach, total, steps, strict=True):
        if r > n + p:
            raise ShapeError(
                op,
                "weight",
                expected="a kernel no larger than the padded input",
                got=f"kernel {tuple(reach)} (dilation included) on input {x.shape} with padding "
                f"{before}",
                hint="use a smaller kernel or dilation, or more padding",
            )
        out.append((n + p - r) // s + 1)
    windows = Windows(
        two(size, 1), two(out, 1), two(kernel, 1), two(steps, 1), two(before, 0), two(spread, 1)
    )
    lead = x.shape[: x.ndim - spatial - 1]
    shape = check_size(op, (*lead, w.shape[0], *out), "result")
    return Convolution(x, w, b, spatial, lead[0] if lead else 1, windows, G, shape)


def check_conv_transpose(
    op: str,
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Convolution:
    """The arguments of conv_transpose1d and conv_transpose2d.

    The windows are those of the convolution that is reversed: its image is the result here.
    """
    x, w, b = _tensors(op, spatial, input, weight, bias)
    steps = sizes(op, "stride", stride, spatial, 1)
    spread = sizes(op, "dilation", dilation, spatial, 1)
    before = sizes(op, "padding", padding, spatial, 0)
    extra = sizes(op, "output_padding", output_padding, spatial, 0)
    G = _groups(op, groups, w.shape[0], "input channels (weight's first dimension)")
    C, O = x.shape[-spatial - 1], w.shape[1] * G  # noqa: E741
    if w.shape[0] != C:
        raise ShapeError(
            op,
            "input",
            expected=f"{_channels(w.shape[0])}, as weight {w.shape} has",
            got=f"{_channels(C)} in {x.shape}",
            hint="weight is (in_channels, out_channels / groups, ...) in a transposed convolution",
        )
    _check_bias(op, b, O)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, spread, strict=True)):
        raise ArgumentError(
            op,
            "output_padding",
            expected="less than stride or dilation",
            got=f"{extra} with stride {steps} and dilation {spread}",
            hint="it only chooses among the sizes that a stride maps to one",
        )
    size, kernel = x.shape[-spatial:], w.shape[2:]
    out = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(size, steps, before, spread, kernel, extra, strict=True)
    )
    if any(n < 1 for n in out):
        raise ShapeError(
            op,
            "padding",
            expected="a padding that leaves at least one pixel of the result",
            got=f"{before}, which makes the result {out}",
            hint="padding takes rows and columns away from a transposed convolution",
        )
    windows = Windows(
        two(out, 1), two(size, 1), two(kernel, 1), two(steps, 1), two(before, 0), two(spread, 1)
    )
    lead = x.shape[: x.ndim - spatial - 1]
    shape = check_size(op, (*lead, O, *out), "result")
    return Convolution(x, w, b, spatial, lead[0] if lead else 1, windows, G, shape)


def check_images(op: str, input: Any, spatial: int) -> Tensor:
    """A floating tensor with channels and spatial dimensions, with or without a batch.

    Raises:
        DtypeError, ShapeError: it is not.
    """
    x = need_float(op, input)
    names = "(N, C, H, W) or (C, H, W)" if spatial == 2 else "(N, C, L) or (C, L)"
    if x.ndim not in (spatial + 1, spatial + 2):
        raise ShapeError(
            op,
            "input",
            expected=f"{spatial + 2} dimensions or {spatial + 1}: {names}",
            got=f"{x.ndim} in {x.shape}",
            hint="grey images need a channel of size 1: x.unsqueeze(1)",
        )
    if 0 in x.shape[-spatial:] or (x.ndim == spatial + 1 and x.shape[0] == 0):
        raise ShapeError(
            op,
            "input",
            expected="at least one pixel (only the batch may be empty)",
            got=str(x.shape),
            hint="an earlier layer shrank the images to nothing",
        )
    return x


def _tensors(
    op: str, spatial: int, input: Any, weight: Any, bias: Any
) -> tuple[Tensor, Tensor, Tensor | None]:
    x = check_images(op, input, spatial)
    w = need_float(op, weight, "weight")
    b = None if bias is None else need_float(op, bias, "bias")
    if w.ndim != spatial + 2 or 0 in w.shape:
        raise ShapeError(
            op,
            "weight",
            expected=f"{spatial + 2} dimensions, none of size 0: (out, in / groups, "
            + ("kh, kw)" if spatial == 2 else "k)"),
            got=str(w.shape),
            hint="one filter has the shape weight.shape[1:]",
        )
    for argument, t in (("weight", w), ("bias", b)):
        if t is not None and t.dtype != x.dtype:
            raise DtypeError(
                op,
                argument,
                expected=f"{x.dtype.name}, as input has",
                got=t.dtype.name,
                hint="convert the input with .to(weight.dtype), or the module with .double()",
            )
    check_same_device(op, *(t for t in (x, w, b) if t is not None))
    return x, w, b


def _check_bias(op: str, b: Tensor | None, channels: int) -> None:
    if b is not None and b.shape != (channels,):
        raise ShapeError(
            op,
            "bias",
            expected=f"shape ({channels},), one number per output channel",
            got=str(b.shape),
            hint="bias=None leaves it out",
        )


def _groups(op: str, groups: Any, channels: int, what: str) -> int:
    G = as_index(op, "groups", groups)
    if G < 1:
        raise ArgumentError(
            op, "groups", expected="1 or more", got=str(G), hint="groups=1 joins all channels"
        )
    if channels % G:
        raise ShapeError(
            op,
            "groups",
            expected=f"a divisor of the {channels} {what}",
            got=str(G),
            hint="every group has the same number of channels",
        )
    return G


def _padding(
    op: str, padding: Any, spatial: int, stride: Sequence[int], reach: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before the image, and before and after together."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ArgumentError(
                op,
                "padding",
                expected="'same', 'valid', a number or one per dimension",
                got=repr(padding),
                hint="padding='valid' means 0",
            )
        if padding == "valid":
            return (0,) * spatial, (0,) * spatial
        if any(s != 1 for s in stride):
            raise ArgumentError(
                op,
                "padding",
                expected="a number, as stride is not 1",
                got=f"'same' with stride {tuple(stride)}",
                hint="'same' keeps the size, which a stride does not",
            )
        return tuple((r - 1) // 2 for r in reach), tuple(r - 1 for r in reach)
    before = sizes(op, "padding", padding, spatial, 0)
    return before, tuple(2 * p for p in before)


def _channels(n: int) -> str:
    return "1 channel" if n == 1 else f"{n} channels"
