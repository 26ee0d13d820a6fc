"""The errors of nnlite.

Every refusal names the op, the argument, what was expected, what it got, and one hint, in that
order, so that the message alone is enough to mend the call::

    ShapeError: conv2d: input: expected 1 channel, as weight (8, 1, 5, 5) has,
    got 3 channels in (64, 3, 28, 28); hint: ...

Each class is also the built-in error that a user would catch (ValueError, TypeError, ...).
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CaptureError",
    "DataError",
    "DeviceError",
    "DeviceMemoryError",
    "DoubleBackwardError",
    "DtypeError",
    "GradcheckError",
    "GraphError",
    "MissingDeviceError",
    "MissingExtraError",
    "ModuleAttributeError",
    "NnliteError",
    "NnliteIndexError",
    "NnliteKeyError",
    "ShapeError",
    "StateDictError",
]


class NnliteError(Exception):
    """Base of all errors raised by nnlite.

    Args:
        op: the function or class that refuses, as the user calls it ("conv2d", "Adam").
        argument: the argument at fault ("weight"); empty where no single one is.
        expected: what would have been accepted.
        got: what came instead.
        hint: one sentence on what to do about it.

    The text is put together when it is printed, so that raising stays cheap.
    """

    def __init__(
        self,
        op: str,
        argument: str = "",
        *,
        expected: str = "",
        got: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(op, argument, expected, got, hint)
        self.op = op
        self.argument = argument
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        parts = []
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.got:
            parts.append(f"got {self.got}")
        text = ": ".join(part for part in (self.op, self.argument, ", ".join(parts)) if part)
        return f"{text}; hint: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        return (_rebuild, (type(self), self.op, self.argument, self.expected, self.got, self.hint))


def _rebuild(
    cls: type[NnliteError], op: str, argument: str, expected: str, got: str, hint: str
) -> NnliteError:
    return cls(op, argument, expected=expected, got=got, hint=hint)


class ShapeError(NnliteError, ValueError):
    """A shape, a number of dimensions or a size that does not fit."""


class DtypeError(NnliteError, TypeError):
    """A dtype, or the type of an argument, that does not fit."""


class ArgumentError(NnliteError, ValueError):
    """A value outside its range: a negative stride, a probability of 2, a NaN learning rate."""


class NnliteIndexError(NnliteError, IndexError):
    """A dimension, an index or a label that lies outside."""


class NnliteKeyError(NnliteError, KeyError):
    """A name that is not there."""


class DeviceError(NnliteError, RuntimeError):
    """Operands on different devices, or a device that is not there."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device's memory does not hold what was asked for; nothing is lost, the process goes on."""


class GraphError(NnliteError, RuntimeError):
    """A misuse of the graph: a second backward, a saved value changed in place."""


class CaptureError(NnliteError, RuntimeError):
    """A step that cannot be captured: it reads values, or does other things from call to call."""


class DoubleBackwardError(GraphError, NotImplementedError):
    """An op without a second derivative was differentiated with create_graph=True."""


class GradcheckError(NnliteError, RuntimeError):
    """A gradient check failed: the message names the input, the element and both values."""


class ModuleAttributeError(NnliteError, AttributeError):
    """A module has no such attribute, or ``super().__init__()`` was not called."""


class StateDictError(NnliteError, RuntimeError):
    """A state_dict that does not fit; lists every mismatch at once."""


class DataError(NnliteError, ValueError):
    """A data file that is missing, truncated, corrupt, too large or something else entirely."""


class MissingExtraError(NnliteError, ImportError):
    """An optional dependency is not installed; names the extra that brings it."""


class MissingDeviceError(MissingExtraError, DeviceError):
    """The library that computes on a device is not installed; names the extra that brings it."""
