"""The texts of the CUDA sources. They are data: nothing of the package they lie in is imported."""

from __future__ import annotations

from functools import cache

__all__ = ["source"]

_REAL = {"float32": "float", "float64": "double"}


@cache
def source(family: str, dtype: str) -> str:
    """The text of ``family.cu`` behind ``common.cuh``, for "float32" or "float64"."""
    from importlib.resources import files  # here: it takes as long to load as ten of our files

    here = files("nnlite").joinpath("ops", "kernels", "cuda")
    parts = [f"#define REAL {_REAL[dtype]}\n"]
    for name in ("common.cuh", f"{family}.cu"):
        # so that a compiler's message names the file and its line
        parts.append(f'#line 1 "{name}"\n{here.joinpath(name).read_text(encoding="utf-8")}')
    return "".join(parts)
