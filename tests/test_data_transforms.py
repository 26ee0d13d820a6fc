"""Transforms, beside torch's own padding and arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nnlite.autograd import Tensor
from nnlite.backend import backend_of
from nnlite.data import transforms as T
from nnlite.data.transforms import is_batched
from nnlite.errors import ArgumentError, DtypeError, GraphError, NnliteError, ShapeError
from tests.conftest import to_device

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 6), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)


def refused(error: type[NnliteError], call) -> None:
    with pytest.raises(error) as caught:
        call()
    it = caught.value
    assert it.op
    assert it.argument
    assert it.expected
    assert it.got
    assert it.hint


def numpy(x):
    array = x.array if isinstance(x, Tensor) else x
    return backend_of(array).to_numpy(array)


# -- ToTensor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [GREY, COLOUR, GREY[::-1, ::2]], ids=["grey", "rgb", "strided"])
def test_to_tensor_uint8(image):
    got = T.ToTensor()(image)
    want = torch.from_numpy(np.atleast_3d(image).copy()).permute(2, 0, 1).float().div(255)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got.array, want.numpy())
    assert got.array.flags.c_contiguous
    assert not np.shares_memory(got.array, image)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "?"])
def test_to_tensor_keeps_other_dtypes(dtype):
    image = RNG.normal(size=(4, 3)).astype(dtype)
    got = T.ToTensor()(image)
    assert got.dtype == image.dtype
    np.testing.assert_array_equal(got.array, image[None])
    assert not np.shares_memory(got.array, image)


def test_to_tensor_refuses():
    refused(DtypeError, lambda: T.ToTensor()([[1, 2]]))
    refused(DtypeError, lambda: T.ToTensor()(Tensor(np.zeros((2, 2)))))
    refused(DtypeError, lambda: T.ToTensor()(np.zeros((2, 2), complex)))
    refused(ShapeError, lambda: T.ToTensor()(np.zeros(4)))
    refused(ShapeError, lambda: T.ToTensor()(np.zeros((1, 2, 2, 3))))
    refused(ShapeError, lambda: T.ToTensor().batch(np.zeros((2, 2))))


# -- Pad ---------------------------------------------------------------------------------------

MODES = {"constant": "constant", "edge": "replicate", "reflect": "reflect"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("padding", "sides"),
    [(2, (2, 2, 2, 2)), ((1, 2), (1, 1, 2, 2)), ((1, 2, 3, 0), (1, 3, 2, 0)), ([3], (3, 3, 3, 3))],
)
def test_pad_as_torch(mode, padding, sides):
    pad = T.Pad(padding, fill=7 if mode == "constant" else 0, padding_mode=mode)
    for image in (GREY, COLOUR):
        x = torch.from_numpy(np.atleast_3d(image).copy()).permute(2, 0, 1)[None].double()
        value = {"value": 7} if mode == "constant" else {}
        want = F.pad(x, sides, mode=MODES[mode], **value)[0].numpy()  # (C, H, W)
        got = pad(image)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(np.moveaxis(np.atleast_3d(got), -1, 0), want)
        tensor = pad(T.ToTensor()(image))  # (C, H, W): the last two dimensions
        assert tensor.shape == want.shape
        if mode != "constant":
            np.testing.assert_array_equal(np.round(tensor.array * 255), want)


def test_pad_symmetric():
    got = T.Pad((2, 0), padding_mode="symmetric")(np.array([[1, 2, 3]]))
    assert got.tolist() == [[2, 1, 1, 2, 3, 3, 2]]  # torchvision's documentation


def test_pad_refuses():
    for padding in (-1, (1, 2, 3), 1.5, (1, 2.0), 2**62, True, (), "ab"):
        refused(ArgumentError, lambda padding=padding: T.Pad(padding))
    refused(ArgumentError, lambda: T.Pad(1, padding_mode="wrap"))
    refused(ArgumentError, lambda: T.Pad(1, fill="x"))
    for fill in (256, -1, 0.5, float("nan"), float("inf")):
        refused(ArgumentError, lambda fill=fill: T.Pad(1, fill=fill)(GREY))
    refused(ShapeError, lambda: T.Pad(5, padding_mode="reflect")(GREY))
    refused(ShapeError, lambda: T.Pad(6, padding_mode="symmetric")(GREY))
    refused(ShapeError, lambda: T.Pad(1, padding_mode="edge")(GREY[:0]))
    refused(ShapeError, lambda: T.Pad(1)(np.zeros(3)))
    refused(ShapeError, lambda: T.Pad(1)(Tensor(np.zeros(3))))
    refused(DtypeError, lambda: T.Pad(1)([[1]]))
    refused(GraphError, lambda: T.Pad(1)(Tensor(np.zeros((2, 2)), requires_grad=True)))


# -- Normalize ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5,), (0.25,)), ((0.1, 0.2, 0.3), (1, 2, -3)), (0.5, 0.5), ([0.5], [1, 2, 3])],
)
def test_normalize(dtype, inplace, mean, std):
    x = RNG.random((3, 4, 5)).astype(dtype)
    tensor = Tensor(x.copy())
    got = T.Normalize(mean, std, inplace)(tensor)
    assert (got is tensor) == inplace
    assert got.dtype == x.dtype
    m, s = (torch.tensor(np.atleast_1d(v), dtype=torch.from_numpy(x).dtype) for v in (mean, std))
    want = (torch.from_numpy(x) - m.view(-1, 1, 1)) / s.view(-1, 1, 1)
    np.testing.assert_array_equal(got.array, want.numpy())
    if not inplace:
        np.testing.assert_array_equal(tensor.array, x)


def test_normalize_refuses():
    for mean, std in (
        ((0.5,), (0,)), ((0.5,), (1, 0)), ((float("nan"),), (1,)), ((0.5,), (float("inf"),)),
        ((), (1,)), ("x", 1), (None, 1), ([[0.5]], 1), (0.5, 0.0),
    ):  # fmt: skip
        refused(ArgumentError, lambda mean=mean, std=std: T.Normalize(mean, std))
    it = T.Normalize((0.1, 0.2, 0.3), (1, 1, 1))
    refused(ShapeError, lambda: it(Tensor(np.zeros((1, 4, 4)))))
    refused(ShapeError, lambda: it(Tensor(np.zeros((4, 4)))))
    refused(ShapeError, lambda: it.batch(Tensor(np.zeros((3, 4, 4)))))
    refused(ShapeError, lambda: T.Normalize((1, 2), (1, 1, 1))(Tensor(np.zeros((3, 4, 4)))))
    refused(DtypeError, lambda: it(np.zeros((3, 4, 4))))
    refused(DtypeError, lambda: it(Tensor(np.zeros((3, 4, 4), np.uint8))))
    refused(GraphError, lambda: it(Tensor(np.zeros((3, 4, 4)), requires_grad=True)))


# -- Compose, Lambda, batches ------------------------------------------------------------------


@pytest.mark.parametrize("images", [np.stack([GREY] * 2 + [GREY.T.reshape(5, 6)]), COLOUR[None]])
@pytest.mark.parametrize(
    "transform",
    [
        T.ToTensor(),
        T.Pad((1, 2, 3, 4), 9),
        T.Compose([T.Pad(2), T.ToTensor(), T.Normalize(0.5, 0.5)]),
        T.Compose([T.ToTensor(), T.Pad(2, 0.5), T.Normalize(0.5, 0.5, inplace=True)]),
        T.Compose([T.ToTensor(), T.Compose([T.Pad((1, 0), padding_mode="edge")])]),
        T.Compose([]),
    ],
    ids=repr,
)
def test_batch_equals_one_by_one(device, images, transform):
    assert is_batched(transform)
    before = images.copy()
    whole = numpy(transform.batch(to_device(images, device)))
    for image, got in zip(images, whole, strict=True):
        want = numpy(transform(to_device(image, device)))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(images, before)


def test_compose():
    calls = T.Compose([lambda x: x + 1, T.Lambda(lambda x: x * 2)])
    assert calls(3) == 8
    assert not is_batched(calls)
    assert not is_batched(lambda x: x)
    assert "Pad(2" in repr(T.Compose([T.Pad(2)]))
    refused(DtypeError, lambda: T.Compose(["ToTensor"]))
    refused(DtypeError, lambda: T.Lambda(3))


def test_subclass_that_changes_only_the_call_is_not_batched():
    class Only(T.Pad):
        def __call__(self, image):
            return image

    class Both(Only):
        def batch(self, images):
            return images

    assert not is_batched(Only(1))
    assert not is_batched(T.Compose([T.Pad(1), Only(1)]))
    assert is_batched(Both(1))
