"""Weights to disk and back: safetensors and npz, never pickle."""

from nnlite.io.files import load, load_file, save, save_file
from nnlite.io.npz import load_npz, save_npz
from nnlite.io.safetensors import load_safetensors, save_safetensors

__all__ = [
    "load",
    "load_file",
    "load_npz",
    "load_safetensors",
    "save",
    "save_file",
    "save_npz",
    "save_safetensors",
]
