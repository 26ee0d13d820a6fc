"""FashionMNIST and MNIST as Dataset classes, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

from nnlite.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    transforms,
)
from nnlite.datasets import MNIST, FashionMNIST
from nnlite.datasets.images import ImageDataset
from nnlite.datasets.sources import SAMPLE_FOLDER
from tests.test_datasets_sources import ARRAYS, _nowhere, write  # noqa: F401


@pytest.fixture
def fashion() -> FashionMNIST:
    return FashionMNIST(SAMPLE_FOLDER, train=False)


def test_dataset(fashion):
    assert isinstance(fashion, Dataset)
    assert len(fashion) == 1000
    image, label = fashion[3]
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert type(label) is int
    assert label == fashion.targets[3]
    image[...] = 7
    assert not np.array_equal(fashion.data[3], image)
    assert fashion.class_to_idx["Bag"] == 8
    assert "1,000 images" in repr(fashion)
    with pytest.raises(IndexError):
        fashion[1000]


def test_sample_is_announced(tmp_path):
    with pytest.warns(UserWarning, match="not comparable"):
        dataset = FashionMNIST()
    assert dataset.is_sample
    assert len(dataset) == 6000
    with pytest.warns(UserWarning, match="not comparable"):
        FashionMNIST(tmp_path / "new")  # the download into it fails
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FashionMNIST(SAMPLE_FOLDER)  # who names it knows


def test_mnist_class(tmp_path):
    write(tmp_path / "mnist")
    dataset = MNIST(tmp_path, train=True, download=False)
    np.testing.assert_array_equal(dataset.data, ARRAYS["train_images"])
    assert dataset.classes[3] == "3 - three"


def halve(image):
    return image // 2


class Shift(transforms.ToTensor):
    """Changes __call__ only, so its inherited batch() must not be used."""

    def __call__(self, image):
        out = super().__call__(image)
        out.array += 1
        return out


CASES = {
    "none": None,
    "pad first": transforms.Compose(
        [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    ),
    "pad last": transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize((0.2860,), (0.3530,), inplace=True),
            transforms.Pad((1, 2, 3, 4), fill=-1),
        ]
    ),
    "pad only": transforms.Pad((1, 2), padding_mode="reflect"),
    "tensor only": transforms.ToTensor(),
    "function": halve,
    "lambda": transforms.Compose([transforms.Lambda(halve), transforms.ToTensor()]),
    "changed call": transforms.Compose([transforms.Pad(1), Shift()]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", [None, lambda label: label / 2], ids=["label", "half"])
def test_batches_equal_single_images(case, target):
    dataset = FashionMNIST(
        SAMPLE_FOLDER, train=False, transform=CASES[case], target_transform=target
    )
    for batch in ([5], [3, 999, 3, 0]):
        want = default_collate([dataset[i] for i in batch])
        got = dataset.__getbatch__(batch)
        assert type(got) is type(want)
        for x, y in zip(got, want, strict=True):
            assert x.dtype == y.dtype
            assert x.shape == y.shape
            np.testing.assert_array_equal(x.array, y.array)


@pytest.mark.parametrize(("case", "fast"), [("pad first", True), ("lambda", False)])
def test_fast_path_is_taken(fashion, monkeypatch, case, fast):
    fashion.transform = CASES[case]
    calls = []
    original = FashionMNIST.__getitem__

    def spy(self, index):
        calls.append(index)
        return original(self, index)

    monkeypatch.setattr(ImageDataset, "__getitem__", spy)
    for dataset in (fashion, Subset(fashion, range(50))):
        x, _ = next(iter(DataLoader(dataset, batch_size=4)))
        assert x.shape[0] == 4
    assert (len(calls) == 0) == fast


def test_subclass_with_its_own_items_is_respected():
    class Inverted(FashionMNIST):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return 255 - image, label

    dataset = Inverted(SAMPLE_FOLDER, train=False)
    x, _ = next(iter(DataLoader(dataset, batch_size=3)))
    np.testing.assert_array_equal(x.array, 255 - dataset.data[:3])


def test_datasets_add_up(fashion):
    both = fashion + fashion
    assert isinstance(both, ConcatDataset)
    assert len(both) == 2000
    assert both[1003][1] == fashion[3][1]
    assert not isinstance(fashion, TensorDataset)


def test_import_is_light():
    code = (
        "import numpy, sys; before = set(sys.modules); import nnlite.datasets;"
        "new = set(sys.modules) - before;"
        "bad = new & {'urllib.request', 'http.client', 'ssl', 'gzip', 'torch', 'multiprocessing'};"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
