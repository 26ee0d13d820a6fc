"""What scripts ask of ``torch.cuda``: devices, waiting, memory and seeds.

Importing this, and asking ``is_available()`` where CuPy is not installed, imports nothing. What
needs a device raises ``errors.DeviceError`` where there is none, and says what is missing.
"""

from nnlite.cuda.capture import capture
from nnlite.cuda.devices import (
    current_device,
    device,
    device_count,
    get_device_capability,
    get_device_name,
    is_available,
    set_device,
    synchronize,
)
from nnlite.cuda.memory import (
    empty_cache,
    max_memory_allocated,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    reset_peak_memory_stats,
)
from nnlite.cuda.seeds import get_rng_state, manual_seed, manual_seed_all, set_rng_state

__all__ = [
    "capture",
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_rng_state",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
    "set_rng_state",
    "synchronize",
]
