"""Transforms of images, with the names of torchvision.transforms; an image is an array, not a PIL.

Each transform is called with one image. nnlite's own also have ``batch(images)``, which does the
same to many images at once (one more dimension in front) with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nnlite.autograd.tensor import Tensor, wrap
from nnlite.backend import Array, Dtype, array_module, as_dtype, is_array, is_float
from nnlite.data.resident import to_device
from nnlite.errors import ArgumentError, DtypeError, GraphError, ShapeError

_MODES = ("constant", "edge", "reflect", "symmetric")
_MOST_PADDING = 1 << 16


def is_batched(transform: object) -> bool:
    """Whether a transform can take a batch: it says so, and no subclass changed only __call__."""
    if not getattr(transform, "batched", False):
        return False
    owners = [
        next(cls for cls in type(transform).__mro__ if name in vars(cls))
        for name in ("batch", "__call__")
    ]
    return issubclass(owners[0], owners[1])


class Compose:
    """Transforms one after the other: ``Compose([Pad(2), ToTensor()])``."""

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)
        for k, transform in enumerate(self.transforms):
            if not callable(transform):
                raise DtypeError(
                    "Compose",
                    f"transforms[{k}]",
                    expected="something that can be called with an image",
                    got=type(transform).__name__,
                    hint="Compose([ToTensor()]) takes objects, not classes' names",
                )

    @property
    def batched(self) -> bool:
        """Whether all of its transforms can take a batch."""
        return all(is_batched(transform) for transform in self.transforms)

    def __call__(self, image: Any) -> Any:
        """The transformed image."""
        for transform in self.transforms:
            image = transform(image)
        return image

    def batch(self, images: Any) -> Any:
        """As __call__, for images with one more dimension in front."""
        for transform in self.transforms:
            images = transform.batch(images)  # type: ignore[attr-defined]
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


class Lambda:
    """A function as a transform; it always gets one image at a time."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise DtypeError(
                "Lambda",
                "lambd",
                expected="a function",
                got=type(lambd).__name__,
                hint="Lambda(lambda x: x / 2)",
            )
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        """The transformed image."""
        return self.lambd(image)


class Pad:
    """Pad an image on its four sides.

    Takes arrays (H, W) or (H, W, C), and Tensors (..., H, W).

    Args:
        padding: one number for all sides, (left and right, top and bottom), or (left, top, right,
            bottom).
        fill: what to pad with in mode "constant".
        padding_mode: "constant", "edge" (repeat the last pixel), "reflect" (mirror without the
            last pixel), "symmetric" (mirror with it).

    Raises:
        ArgumentError: padding is not one, two or four whole numbers from 0 to 65,536,
            padding_mode is unknown, or (when called) fill does not fit the image's dtype.
        ShapeError: (when called) no image, or smaller than the mirrored part.
    """

    batched = True

    def __init__(
        self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"
    ) -> None:
        sides = list(padding) if isinstance(padding, Sequence) else [padding]
        if len(sides) not in (1, 2, 4) or not all(
            isinstance(p, int) and not isinstance(p, bool) and 0 <= p <= _MOST_PADDING
            for p in sides
        ):
            raise ArgumentError(
                "Pad",
                "padding",
                expected=f"1, 2 or 4 whole numbers from 0 to {_MOST_PADDING:,}",
                got=repr(padding),
                hint="Pad(2) pads all sides, Pad((left, top, right, bottom)) each its own",
            )
        if padding_mode not in _MODES:
            raise ArgumentError(
                "Pad",
                "padding_mode",
                expected="one of " + ", ".join(_MODES),
                got=repr(padding_mode),
                hint='the default is "constant"',
            )
        if isinstance(fill, bool) or not isinstance(fill, (int, float)):
            raise ArgumentError(
                "Pad", "fill", expected="a number", got=repr(fill), hint="0 is black"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode
        left, top, right, bottom = (sides * 4)[:4]  # [p] and [lr, tb] repeat to four sides
        self._widths = ((top, bottom), (left, right))

    def __call__(self, image: Any) -> Any:
        """The transformed image."""
        return self._pad(image, 0)

    def batch(self, images: Any) -> Any:
        """As __call__, for images with one more dimension in front."""
        return self._pad(images, 1)

    def _pad(self, image: Any, lead: int) -> Any:
        if isinstance(image, Tensor):
            _refuse_graph("Pad", image)
            return wrap(self._pad_array(image.array, max(image.ndim - 2, 0), lead))
        return self._pad_array(image, lead, lead)

    def _pad_array(self, x: Array, first: int, lead: int) -> Array:
        """Pad the dimensions ``first`` (height) and ``first + 1`` (width)."""
        if not is_array(x):
            raise _no_image("Pad", x)
        if x.ndim < lead + 2 or first + 2 > x.ndim:
            raise ShapeError(
                "Pad",
                "image",
                expected="an array (H, W[, C]) or a Tensor (..., H, W)",
                got=str(x.shape),
                hint="pad before or after ToTensor, not a flattened image",
            )
        widths = [(0, 0)] * x.ndim
        widths[first : first + 2] = self._widths
        xp = array_module(x)
        if self.padding_mode == "constant":
            if not _fits(self.fill, x.dtype):
                raise ArgumentError(
                    "Pad",
                    "fill",
                    expected=f"a value of dtype {x.dtype.name}",
                    got=repr(self.fill),
                    hint="pad after ToTensor to fill with fractions",
                )
            return xp.pad(x, widths, mode="constant", constant_values=self.fill)
        spare = {"edge": math.inf, "symmetric": 0, "reflect": -1}[self.padding_mode]
        for axis in (first, first + 1):
            size = x.shape[axis]
            if max(widths[axis]) > size + spare or (size == 0 and max(widths[axis]) > 0):
                raise ShapeError(
                    "Pad",
                    "padding",
                    expected=f"at most what can be mirrored of {x.shape}",
                    got=f"{widths[axis]} in mode {self.padding_mode}",
                    hint="pad less",
                )
        return xp.pad(x, widths, mode=self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad({self.padding!r}, fill={self.fill!r}, padding_mode={self.padding_mode!r})"


class ToTensor:
    """An array (H, W) or (H, W, C) becomes a Tensor (C, H, W).

    uint8 becomes float32 in [0, 1] (x / 255); other dtypes keep their values.

    Raises:
        DtypeError: no array, or of a dtype that Tensors do not have.
        ShapeError: neither 2 nor 3 dimensions.
    """

    batched = True

    def __call__(self, image: Any) -> Tensor:
        """The image as a Tensor."""
        return self._convert(image, 0)

    def batch(self, images: Any) -> Tensor:
        """As __call__, for images with one more dimension in front."""
        return self._convert(images, 1)

    def _convert(self, x: Any, lead: int) -> Tensor:
        if not is_array(x):
            raise _no_image("ToTensor", x)
        if x.ndim not in (lead + 2, lead + 3):
            raise ShapeError(
                "ToTensor",
                "image",
                expected="an array (H, W) or (H, W, C)",
                got=str(x.shape),
                hint="reshape a flattened image first",
            )
        xp = array_module(x)
        # (..., C, H, W)
        x = xp.expand_dims(x, lead) if x.ndim == lead + 2 else xp.moveaxis(x, -1, lead)
        if x.dtype == np.uint8:
            scaled = xp.ascontiguousarray(x).astype(np.float32)
            scaled /= np.float32(255)
            return wrap(scaled)
        return wrap(xp.array(x, dtype=as_dtype(x.dtype, "ToTensor"), order="C"))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """y = (x - mean) / std per channel, for Tensors (..., C, H, W).

    Args:
        mean: one number per channel, or one for all.
        std: likewise; not zero.
        inplace: write into the Tensor instead of making a new one.

    Raises:
        ArgumentError: a number is not finite, or a std is zero.
        DtypeError: (when called) no Tensor, or one of integers; ToTensor comes before.
        ShapeError: (when called) fewer than 3 dimensions, or another number of channels.
    """

    batched = True

    def __init__(
        self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False
    ) -> None:
        self.mean = _finite("mean", mean)
        self.std = _finite("std", std)
        if any(value == 0 for value in self.std):
            raise ArgumentError(
                "Normalize",
                "std",
                expected="numbers other than 0",
                got=repr(std),
                hint="leave a constant channel as it is with std 1",
            )
        self.inplace = inplace

    def __call__(self, tensor: Any) -> Tensor:
        """The normalised Tensor."""
        return self._normalize(tensor, 0)

    def batch(self, images: Any) -> Tensor:
        """As __call__, for images with one more dimension in front."""
        return self._normalize(images, 1)

    def _normalize(self, tensor: Any, lead: int) -> Tensor:
        if not isinstance(tensor, Tensor) or not is_float(tensor.dtype):
            got = type(tensor).__name__
            if isinstance(tensor, Tensor):
                got = f"a Tensor of {tensor.dtype.name}"
            raise DtypeError(
                "Normalize",
                "tensor",
                expected="a float Tensor",
                got=got,
                hint="put ToTensor() before it",
            )
        _refuse_graph("Normalize", tensor)
        x = tensor.array
        counts = {len(self.mean), len(self.std)} - {1}
        if x.ndim < lead + 3 or counts - {x.shape[-3]}:
            raise ShapeError(
                "Normalize",
                "tensor",
                expected=f"(..., C, H, W) with C={max(counts, default='any')}",
                got=str(x.shape),
                hint="mean and std have one number per channel",
            )
        mean, std = self._beside(self.mean, x), self._beside(self.std, x)
        if not self.inplace:
            out = x - mean
            out /= std
            return wrap(out)
        x -= mean
        x /= std
        tensor.bump_version()
        return tensor

    @staticmethod
    def _beside(numbers: tuple[float, ...], x: Array) -> Any:
        """One number as it is, several as an array (C, 1, 1) on x's device and in its dtype."""
        if len(numbers) == 1:
            return numbers[0]  # nothing to copy to a device with each batch
        return to_device(np.array(numbers, x.dtype).reshape(-1, 1, 1), wrap(x).device)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


def _finite(argument: str, value: float | Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise ArgumentError(
            "Normalize",
            argument,
            expected="finite numbers, one per channel",
            got=repr(value),
            hint="Normalize((0.5,), (0.5,))",
        )
    return tuple(numbers.tolist())


def _fits(fill: float, dtype: Dtype) -> bool:
    if is_float(dtype):
        return True
    low, high = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return low <= fill <= high and fill == int(fill)  # NaN fails the first, inf too


def _no_image(op: str, value: object) -> DtypeError:
    return DtypeError(
        op,
        "image",
        expected="a NumPy array",
        got=type(value).__name__,
        hint="numpy.asarray(image) makes one of a PIL image",
    )


def _refuse_graph(op: str, tensor: Tensor) -> None:
    if tensor.requires_grad:
        raise GraphError(
            op,
            "image",
            expected="data outside the graph",
            got="a tensor with requires_grad=True",
            hint="transforms have no derivative: detach() it, or compute with operators",
        )
