"""What is measured on a trained autoencoder, and the means and ranges over its seeds.

A "family" is the trainings of one variant, one per seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

import nnlite
import nnlite.nn.functional as F
from examples.shared import Run

if TYPE_CHECKING:
    from examples.denoising_autoencoder import Autoencoder, Trained

NEAR_ZERO_CODE, NEAR_ZERO_WEIGHT = 0.05, 0.01  # smaller in magnitude counts as near zero

Family = Sequence["Trained"]
Families = Mapping[str, Family]
Measured = Mapping[str, Sequence[Mapping[str, float]]]


@nnlite.no_grad()
def measure(model: Autoencoder, x: nnlite.Tensor, noisy: nnlite.Tensor) -> dict[str, float]:
    """What an autoencoder does with the test images.

    Args:
        x, noisy: the images without and with noise, (N, 784).

    Returns:
        ``mse_noisy``, ``mse_clean``: of the reconstruction from noisy and from clean images;
        ``mse_shifted``: from clean images to which the mean of the noise is added, pixel by pixel;
        ``mse_no_code``: of what the decoder makes of a code of zeros, its bias alone;
        ``code``, ``code_noisy``: mean |code| of clean and of noisy images; ``code_near_zero``:
        share of its elements in %, clean images;
        ``units_near_zero``: how many of the 400 units are near zero for every image;
        ``weights_near_zero``: share of the decoder's weights in %; ``contrast``: standard
        deviation of a reconstructed pixel over the images, mean over the pixels.
    """
    code = model.encode(x)  # (N, 400)
    clean = model.decode(code)  # (N, 784)
    code_noisy = model.encode(noisy)
    shifted = (x + (noisy - x).mean(0)).clamp(0, 1)
    small = (code.abs() < NEAR_ZERO_CODE).cpu().numpy()
    weights = (model.decoder.weight.abs() < NEAR_ZERO_WEIGHT).cpu().numpy()
    return {
        "mse_noisy": F.mse_loss(model.decode(code_noisy), x).item(),
        "mse_clean": F.mse_loss(clean, x).item(),
        "mse_shifted": F.mse_loss(model.decode(model.encode(shifted)), x).item(),
        "mse_no_code": F.mse_loss(model.decode(code * 0), x).item(),
        "code": code.abs().mean().item(),
        "code_noisy": code_noisy.abs().mean().item(),
        "code_near_zero": 100 * float(small.mean()),
        "units_near_zero": int(small.all(axis=0).sum()),
        "weights_near_zero": 100 * float(weights.mean()),
        "contrast": float(clean.cpu().numpy().std(axis=0).mean()),
    }


def gradients_at_code(
    model: Autoencoder, x: nnlite.Tensor, noisy: nnlite.Tensor, readings: Sequence[str]
) -> dict[str, np.ndarray]:
    """The gradient that reaches the code under each reading, (N, 400); the model stays as it is."""
    found, own = {}, model.penalty
    for reading in readings:
        model.penalty = reading
        code = model.encode(noisy)
        loss = F.mse_loss(model.decode(model.penalise(code, x.numel())), x)
        (gradient,) = nnlite.autograd.grad(loss, [code])
        found[reading] = gradient.cpu().numpy()
    model.penalty = own
    return found


def untrained(run: Run, trained: Trained) -> Autoencoder:
    """The network as it was before its training."""
    model = type(trained.model)(trained.variant.penalty).to(run.device, run.dtype)
    model.load_state_dict({name: nnlite.from_numpy(w) for name, w in trained.before.items()})
    return model


# -- over the seeds ----------------------------------------------------------------------------


def mean(measured: Sequence[Mapping[str, float]], key: str) -> float:
    """The mean over the seeds."""
    return float(np.mean([each[key] for each in measured]))


def curves(family: Family, name: str) -> np.ndarray:
    """A series of all seeds, cut to the epochs that all have, (seeds, E); E may be 0."""
    series = [values for t in family if (values := getattr(t, name))]
    shortest = min(map(len, series), default=0)
    return np.array([values[:shortest] for values in series])


def of_epoch(family: Family, name: str, epoch: int) -> list[float] | None:
    """The seeds' values of an epoch; None where none reached it."""
    series = [getattr(t, name) for t in family]
    return [values[epoch - 1] for values in series if len(values) >= epoch > 0] or None


def last(family: Family, name: str) -> list[float]:
    """The seeds' values of the last epoch."""
    return [values[-1] for t in family if (values := getattr(t, name))]


def beside(values: Sequence[float] | None, published: float, more: str = "") -> str:
    """By how much the seeds' mean differs from a published value, as a reason in a table."""
    if not values:
        return ""
    reason = f"{100 * (float(np.mean(values)) / published - 1):+.1f} %"
    if len(values) > 1:
        reason += f"; {len(values)} seeds differ by {max(values) - min(values):.2g}"
    return reason + more


def verdict(a: Sequence[float], b: Sequence[float]) -> str:
    """How the values a compare with b, seed by seed; "than ..." can follow."""
    pairs = list(zip(a, b, strict=False))
    each = "with each seed" if len(pairs) > 1 else "(one seed)"
    if pairs and all(x > y for x, y in pairs):
        return f"higher {each}"
    if pairs and all(x < y for x, y in pairs):
        return f"lower {each}"
    return "not consistently higher or lower"
