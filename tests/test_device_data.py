"""Datasets on a device: gathered there, the same batches, no copy to the host; pinned batches."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Tensor
from nnlite.backend import Generator
from nnlite.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from nnlite.data.resident import Gatherer
from nnlite.data.transforms import Compose, Lambda, Normalize, Pad, ToTensor
from nnlite.datasets import FashionMNIST
from nnlite.datasets.sources import SAMPLE_FOLDER
from nnlite.errors import DeviceError, NnliteIndexError
from tests.strict import StrictArray, StrictBackend, forbid_transfers, transfers
from tests.strict.module import StrictFunction

TRANSFORM = Compose([Pad(2), ToTensor(), Normalize((0.5,), (0.5,))])


def rows(n: int = 23) -> TensorDataset:
    rng = np.random.default_rng(0)
    x = nnlite.from_numpy(rng.normal(size=(n, 3)).astype(np.float32))
    return TensorDataset(x, nnlite.from_numpy(np.arange(n)))


def images(**options: Any) -> FashionMNIST:
    return FashionMNIST(SAMPLE_FOLDER, train=False, **options)


def seeded(dataset: Any, **options: Any) -> DataLoader:
    return DataLoader(dataset, generator=Generator().manual_seed(3), **options)


def host(batches: list[Any]) -> list[list[np.ndarray]]:
    return [[x.to(device="cpu").numpy() for x in batch] for batch in batches]


def same(ours: list[Any], plain: list[Any]) -> None:
    assert len(ours) == len(plain)
    for batch, want in zip(host(ours), host(plain), strict=True):
        for x, y in zip(batch, want, strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype


DATASETS: dict[str, Callable[[], Any]] = {
    "tensors": rows,
    "images": images,
    "transformed": lambda: images(transform=TRANSFORM),
    "one by one": lambda: images(
        transform=Compose([Lambda(lambda image: image[:9]), ToTensor()]),
    ),
}


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 10, "shuffle": True},
        {"batch_size": 7, "shuffle": True, "drop_last": True},
        {"batch_size": 4},
    ],
)
def test_the_same_batches_as_on_the_cpu_gathered_on_the_device(name: str, options: dict) -> None:
    dataset, size = DATASETS[name](), 23
    if name != "tensors":
        dataset.data, dataset.targets = dataset.data[:size], dataset.targets[:size]
    plain = [list(seeded(dataset, **options)) for _ in range(2)]
    assert dataset.to("strict") is dataset
    loader = seeded(dataset, **options)
    with forbid_transfers():
        first = list(loader)
        second = list(loader)
    assert {str(x.device) for batch in first for x in batch} == {"strict"}
    same(first, plain[0])
    if options.get("shuffle"):  # a new order in each pass, from one stream of numbers
        with pytest.raises(AssertionError):
            same(second, first)
    else:
        same(second, first)
    same(list(seeded(dataset.to("cpu"), **options)), plain[0])


def test_images_stay_bytes_on_the_device() -> None:
    dataset = images().to("strict")
    assert type(dataset.data) is StrictArray
    assert type(dataset.targets) is StrictArray
    assert (dataset.data.dtype, dataset.data.shape) == (np.uint8, (1000, 28, 28))
    assert (dataset.targets.dtype, dataset.targets.shape) == (np.int64, (1000,))
    image, label = dataset[5]
    np.testing.assert_array_equal(image.get(), images().data[5])
    assert label == images().targets[5]
    assert type(label) is int


def test_one_upload_per_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = images(transform=TRANSFORM).to("strict")
    uploads = []
    call = StrictFunction.__call__

    def counted(self: StrictFunction, *args: Any, **kwargs: Any) -> Any:
        if self.name in ("asarray", "array") and isinstance(args[0], np.ndarray):
            uploads.append(args[0].shape)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(StrictFunction, "__call__", counted)
    assert len(list(DataLoader(dataset, 100, shuffle=True))) == 10
    assert uploads == [(1000,)]


@pytest.mark.parametrize("device", ["strict", "cpu"])
def test_parts_of_a_dataset(device: str) -> None:
    dataset = rows()
    parts = random_split(dataset, [0.6, 0.4], generator=Generator().manual_seed(0))
    nested = Subset(Subset(dataset, range(5, 15)), [-1, 0, 3, 3])
    options = {"batch_size": 3, "shuffle": True}
    sets = [*parts, nested]
    plain = [list(seeded(part, **options)) for part in sets]
    dataset.to(device)
    with forbid_transfers():
        ours = [list(seeded(part, **options)) for part in sets]
    for got, want in zip(ours, plain, strict=True):
        same(got, want)
        assert {str(x.device) for batch in got for x in batch} == {device}


def test_a_part_may_be_changed_between_passes() -> None:
    dataset = rows().to("strict")
    chosen = [1, 2]
    loader = DataLoader(Subset(dataset, chosen), 2)
    assert host(list(loader))[0][1].tolist() == [1, 2]
    chosen[0] = 7
    assert host(list(loader))[0][1].tolist() == [7, 2]
    chosen[0] = 23
    with pytest.raises(NnliteIndexError, match="got 23"):
        list(loader)


def test_a_gatherer_gets_no_other_numbers_than_those_of_its_samples() -> None:
    asked: list[list[int]] = []

    class Recorder(Dataset[Any]):
        def __len__(self) -> int:
            return 5

        def __gatherer__(self) -> Gatherer:
            return Gatherer(nnlite.device("strict"), lambda index: asked.append(index.tolist()))

    for _ in DataLoader(Subset(Recorder(), [-1, 2, -5]), 2):
        pass
    assert asked == [[4, 2], [0]]


class Doubled(TensorDataset):
    def __getitem__(self, index: Any) -> Any:
        x, y = super().__getitem__(index)
        return x * 2, y


class Bytes(FashionMNIST):
    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image[:2].copy(), label


@pytest.mark.parametrize("inside", [False, True])
def test_a_subclass_with_its_own_items_is_respected(inside: bool) -> None:
    plain = Doubled(*rows().tensors)
    wanted = list(DataLoader(plain, 4))
    dataset: Any = Doubled(*rows().tensors).to("strict")
    same(list(DataLoader(Subset(dataset, range(23)) if inside else dataset, 4)), wanted)
    pictures = Bytes(SAMPLE_FOLDER, train=False).to("strict")
    (image, labels) = next(iter(DataLoader(pictures, 3)))
    assert (str(image.device), image.shape, labels.tolist()) == (
        "strict",
        (3, 2, 28),
        images().targets[:3].tolist(),
    )


class Backwards(Dataset[Any]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Any:
        return iter(range(self.n - 1, -1, -1))


def test_samplers_and_collate_functions_of_ones_own() -> None:
    plain, dataset = rows(), rows().to("strict")
    for options in (
        {"batch_size": 5, "sampler": Backwards(23)},
        {"batch_sampler": [[0, 5], [-1]]},
        {"batch_size": 5, "collate_fn": default_collate},
    ):
        with forbid_transfers():
            ours = list(DataLoader(dataset, **options))
        same(ours, list(DataLoader(plain, **options)))
    with pytest.raises(NnliteIndexError, match="got 23"):  # CuPy would take another row in silence
        list(DataLoader(dataset, 5, sampler=RandomSampler(Backwards(24))))
    drawn = RandomSampler(dataset, replacement=True, num_samples=50)
    with forbid_transfers():
        assert sum(len(x) for x, _ in DataLoader(dataset, 8, sampler=drawn)) == 50
        joined = list(DataLoader(ConcatDataset([dataset, dataset]), 46))
    assert joined[0][0].shape == (46, 3)


def test_moving_a_dataset_is_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, pictures, receive, calls = rows(), images(), StrictBackend.receive, []

    def full(self: Any, *args: Any) -> Any:
        calls.append(args)
        if len(calls) % 2 == 0:
            raise DeviceError("device", got="no memory")
        return receive(self, *args)

    monkeypatch.setattr(StrictBackend, "receive", full)
    for each in (dataset, pictures):
        with pytest.raises(DeviceError, match="no memory"):
            each.to("strict")
        with pytest.raises(DeviceError, match="tpu"):
            each.to("tpu")
    assert {str(x.device) for x in dataset.tensors} == {"cpu"}
    assert type(pictures.data) is np.ndarray


def test_labels_through_a_target_transform_pass_by_the_host() -> None:
    dataset = images(target_transform=lambda label: label + 1).to("strict")
    before = transfers.count
    _, labels = next(iter(DataLoader(dataset, 4)))
    assert transfers.count == before + 1
    assert labels.tolist() == (images().targets[:4] + 1).tolist()


@pytest.mark.parametrize("mean", [(0.5,), (0.5, 0.25)])
def test_transforms_compute_on_the_device(mean: tuple[float, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 2)).astype(np.uint8)
    for mode in ("constant", "edge", "reflect", "symmetric"):
        pixels = Compose([ToTensor(), Pad(1, padding_mode=mode), Normalize(mean, mean)])
        want = pixels.batch(x)
        with forbid_transfers():
            got = pixels.batch(StrictBackend().asarray(x))
        same([[got]], [[want]])


# -- pinned memory -----------------------------------------------------------------------------


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the stand-in's driver locked: copies of host arrays."""
    made: list[np.ndarray] = []

    def pin(self: Any, x: np.ndarray) -> np.ndarray:
        made.append(x.copy())
        return made[-1]

    monkeypatch.setattr(StrictBackend, "pin", pin, raising=False)
    return made


class Own:
    """Neither a Tensor nor a container."""

    def pin_memory(self) -> str:
        return "pinned by itself"


def test_batches_in_pinned_memory(pins: list[np.ndarray]) -> None:
    loader = DataLoader(rows(), 5, pin_memory=True, pin_memory_device="strict")
    batches = list(loader)
    same(batches, list(DataLoader(rows(), 5)))
    arrays = [x.array for batch in batches for x in batch]
    assert len(arrays) == len(pins) == 10
    assert all(a is b for a, b in zip(arrays, pins, strict=True))
    moved = batches[0][0].to(device="strict", non_blocking=True)
    same([[moved]], [[batches[0][0]]])


def test_pinning_goes_through_containers(pins: list[np.ndarray]) -> None:
    pair = namedtuple("pair", "a b")
    x = nnlite.ones(2)
    made = {"x": x, "list": [x, (x,)], "pair": pair(x, "text"), "own": Own(), "n": 3}
    there = Tensor(StrictBackend().asarray(np.ones(2)))
    loader = DataLoader(
        [0],
        collate_fn=lambda _: {**made, "there": there},
        pin_memory=True,
        pin_memory_device="strict",
    )
    (batch,) = loader
    assert len(pins) == 4
    assert batch["x"].array is pins[0]
    assert type(batch["pair"]) is pair
    assert type(batch["list"][1]) is tuple
    assert (batch["pair"].b, batch["own"], batch["n"]) == ("text", "pinned by itself", 3)
    assert batch["there"] is there


def test_pinning_without_a_gpu_warns_as_pytorch_does() -> None:
    if nnlite.cuda.is_available():
        pytest.skip("there is a GPU, and memory is pinned")
    with pytest.warns(UserWarning, match="no GPU"):
        loader = DataLoader(rows(), 5, pin_memory=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(loader)) == 5
    with pytest.raises(DeviceError, match="tpu"):
        DataLoader(rows(), 5, pin_memory=True, pin_memory_device="tpu")
