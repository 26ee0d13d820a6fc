"""What the tests of the stand-in share."""

from __future__ import annotations

import operator

import numpy as np

from tests.strict import StrictArray

NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.le,
    operator.eq,
    operator.ne,
    operator.gt,
    operator.ge,
]
IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]


def same(a: StrictArray, b: object) -> None:
    """The same numbers, shape and dtype."""
    assert type(a) is StrictArray
    expected = np.asarray(b)
    np.testing.assert_array_equal(a.get(), expected)
    assert a.shape == expected.shape
    assert a.dtype == expected.dtype
