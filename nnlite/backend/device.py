"""Devices by PyTorch's names: "cpu", "cuda", "cuda:1"."""

from __future__ import annotations

from dataclasses import dataclass

from nnlite.errors import DeviceError


@dataclass(frozen=True)
class Device:
    """Where an array lives. ``str(device)`` is the name that ``device(...)`` takes."""

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (
            f", index={self.index})" if self.index is not None else ")"
        )

    def unavailable(self) -> DeviceError:
        """The error that says why no array can be made on this device."""
        return DeviceError(
            "device",
            expected="a device that nnlite knows: 'cpu', 'cuda' or 'cuda:INDEX'",
            got=repr(str(self)),
            hint="leave device= out, or use 'cpu'",
        )


CPU = Device("cpu")


def device(name: str | Device | int, index: int | None = None) -> Device:
    """A device from its name, as ``torch.device``: ``device("cpu")``, ``device("cuda:0")``.

    A number is that of a GPU: ``device(1)`` is ``device("cuda:1")``.

    Making one touches no hardware; whether it is there shows when an array is put on it.

    Raises:
        DeviceError: the name is not of the form TYPE or TYPE:INDEX.
    """
    if isinstance(name, Device):
        return name
    if isinstance(name, int) and not isinstance(name, bool) and name >= 0 and index is None:
        return Device("cuda", name)
    kind, colon, number = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not kind.isalpha() or (colon and not number.isdecimal()) or (colon and index is not None):
        raise DeviceError(
            "device",
            "name",
            expected="'cpu', 'cuda' or 'cuda:INDEX'",
            got=repr(name),
            hint="for example nnlite.device('cpu')",
        )
    return Device(kind, int(number) if colon else index)
