"""What the report on the autoencoder says, on numbers made up for the purpose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import nnlite
from examples.autoencoder import lecture, measures, readings


def families(**mse: list[list[float]]) -> Any:
    """Trainings by reading, one per seed, with these errors of the first epochs."""
    return {name: [SimpleNamespace(mse=values) for values in seeds] for name, seeds in mse.items()}


def test_verdict() -> None:
    assert measures.verdict([2, 3], [1, 2]) == "higher with each seed"
    assert measures.verdict([1, 2], [2, 3]) == "lower with each seed"
    assert measures.verdict([1], [2]) == "lower (one seed)"
    assert measures.verdict([1, 3], [2, 2]).startswith("not consistently")
    assert measures.verdict([2, 2], [2, 2]).startswith("not consistently")


def test_readings_are_told_apart_where_they_differ_most() -> None:
    # published: 0.0740, 0.0427, 0.0316
    told = families(
        inert=[[0.074, 0.0428, 0.0316], [0.074, 0.0426, 0.0316]],
        scaled=[[0.072, 0.0363, 0.0310], [0.072, 0.0365, 0.0310]],
    )
    text = readings._apart(told)
    assert "furthest apart in epoch 2: inert differs from the published MSE by -0.1 %" in text
    assert "scaled by -14.8 %" in text
    assert text.endswith("within 0.5 %. So the published run is inert.")
    told["inert"], told["scaled"] = told["scaled"], told["inert"]
    assert readings._apart(told).endswith("So the published run is scaled.")
    mixed = families(inert=[[0.074], [0.070]], scaled=[[0.071], [0.065]])
    assert readings._apart(mixed).endswith("so that does not tell them apart.")


def test_clean_images_are_explained_by_the_mean_of_the_noise() -> None:
    x, noisy = nnlite.zeros(2, 4), nnlite.full((2, 4), 0.25)

    def said(**errors: float) -> str:
        return " ".join(lecture._clean_images({"inert": [errors]}, x, noisy))

    text = said(mse_noisy=0.006, mse_clean=0.02, mse_shifted=0.005)
    assert "worse than noisy ones (0.02 against 0.006)" in text
    assert "lifts their mean from 0.000 to 0.250" in text
    assert text.endswith("have 0.005: so it is the mean that the network misses, not the noise.")
    other = said(mse_noisy=0.006, mse_clean=0.02, mse_shifted=0.01)
    assert other.endswith("so the missing mean does not explain it in this run.")
    assert said(mse_noisy=0.006, mse_clean=0.005, mse_shifted=0.005) == ""
