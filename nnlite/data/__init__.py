"""Datasets, loaders and transforms, by the names of torch.utils.data and torchvision."""

from nnlite.data import transforms
from nnlite.data.collate import default_collate, default_convert
from nnlite.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from nnlite.data.loader import DataLoader
from nnlite.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
    "transforms",
]
