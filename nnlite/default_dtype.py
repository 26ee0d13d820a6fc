"""The default dtype: float32, always."""

from __future__ import annotations

from nnlite.backend import Dtype, as_dtype
from nnlite.backend.dtypes import DEFAULT_FLOAT
from nnlite.errors import DtypeError

__all__ = ["get_default_dtype", "set_default_dtype"]


def get_default_dtype() -> Dtype:
    """The dtype of floating numbers where none is given: float32."""
    return DEFAULT_FLOAT


def set_default_dtype(d: object) -> None:
    """Accept float32, which is the default; refuse another.

    A switch for the whole process would change the results of code far away, so there is none.

    Raises:
        DtypeError: another dtype.
    """
    if as_dtype(d, "set_default_dtype") != DEFAULT_FLOAT:
        raise DtypeError(
            "set_default_dtype",
            "d",
            expected="float32",
            got=as_dtype(d).name,
            hint="pass dtype=nnlite.float64 to what makes tensors, and model.to(nnlite.float64)",
        )
