"""Fashion-MNIST and MNIST, from disk, from the network or from the sample inside nnlite."""

from nnlite.datasets.csv import read_csv
from nnlite.datasets.fashion_mnist import FashionMNIST, load_fashion_mnist
from nnlite.datasets.idx import read_idx
from nnlite.datasets.images import ImageData
from nnlite.datasets.mnist import MNIST, load_mnist

__all__ = [
    "MNIST",
    "FashionMNIST",
    "ImageData",
    "load_fashion_mnist",
    "load_mnist",
    "read_csv",
    "read_idx",
]
