"""Question 2: the same training on the CPU and on the GPU, or what is missing for that."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

import nnlite
from examples.questions.comparison import seconds
from nnlite import optim
from nnlite.errors import DeviceError

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

GPU = "cuda"
LARGE_BATCH = 20  # times the usual batch


def answer(run: Run, project: Project) -> None:
    """Train on each device at two batch sizes, and report the times."""
    missing = why_missing()
    n = len(project.train_set)
    sizes = sorted({min(run.batch_size, n), min(LARGE_BATCH * run.batch_size, n)})
    results: dict[tuple[str, int], History] = {}
    for device, size in itertools.product(["cpu"] if missing else ["cpu", GPU], sizes):
        if run.interrupted:
            break
        there = project.on(device)
        nnlite.manual_seed(run.seed)
        model = there.network()
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        history = there.train(f"gpu/{device}/batch {size}", model, optimizer, batch_size=size)
        if history.complete and not history.diverged:
            results[device, size] = history
    if not results:
        return

    run.text(
        "A training moves to the GPU in two places: the network with model.to(device), and the "
        "data with images.to(device), labels.to(device). Here the data are moved once, before the "
        "training; the loop itself names no device. Every result that the loop reads (loss.item()) "
        "waits until the GPU is done, so the times below are those of finished work."
    )
    rows = [
        [device, size, h.updates[0], seconds([h]), milliseconds(h), n / min(h.seconds), h.percent]
        for (device, size), h in results.items()
    ]
    columns = ["device", "batch size", "updates / epoch", "s / epoch", "ms / update"]
    columns += ["images / s, best epoch", "test accuracy in %"]
    formats = ["", "", "", ".3f", ".3f", ",.0f", ".2f"]
    run.table("gpu", columns, rows, "Time by device", formats=formats, csv=True)
    if missing:
        run.text(
            f"There is no GPU in this run. nnlite says: {missing}. Where there is one, this "
            "question trains on both, and --device cuda answers all questions on it."
        )
    else:
        compare_devices(run, results, sizes)
    explain_overhead(run, results, sizes)


def why_missing() -> str:
    """Why nothing can be put on the GPU; "" where it can."""
    try:
        nnlite.zeros(1, device=GPU)
    except DeviceError as error:
        return str(error)
    return ""


def milliseconds(history: History) -> float:
    """Per update, the median over the epochs."""
    return 1000 * float(np.median(np.divide(history.seconds, history.updates)))


def compare_devices(run: Run, results: dict[tuple[str, int], History], sizes: list[int]) -> None:
    """How much faster, and how far the two trainings agree."""
    for size in sizes:
        if not {("cpu", size), (GPU, size)} <= results.keys():
            continue
        cpu, gpu = results["cpu", size], results[GPU, size]
        ratio = milliseconds(cpu) / milliseconds(gpu)
        run.value(f"gpu/speedup/batch {size}", ratio)
        times = f"{ratio:.1f} times as fast as"
        if ratio < 1:
            times = f"slower, by a factor of {1 / ratio:.1f}, than"
        run.text(
            f"At batch size {size} the GPU is {times} the CPU. The training losses of the first "
            f"epoch are {cpu.train_loss[0]:.5f} and {gpu.train_loss[0]:.5f}, the test accuracies "
            f"at the end {cpu.percent:.2f} and {gpu.percent:.2f} %: equal seeds give equal "
            "networks only as far as both draw the same random numbers and add in the same order."
        )


def explain_overhead(run: Run, results: dict[tuple[str, int], History], sizes: list[int]) -> None:
    """Time per update = fixed part + part per image, from the two batch sizes."""
    if len(sizes) < 2:
        return
    small, large = sizes
    for device in dict.fromkeys(device for device, _ in results):
        if not {(device, small), (device, large)} <= results.keys():
            continue
        a, b = milliseconds(results[device, small]), milliseconds(results[device, large])
        per_image = (b - a) / (large - small)
        fixed = a - per_image * small
        share = fixed / a
        run.value(f"gpu/{device}/ms_fixed_per_update", fixed)
        run.value(f"gpu/{device}/us_per_image", 1000 * per_image)
        if not 0 < share < 1:
            run.text(
                f"On device {device} the times do not part into a fixed share and one per image."
            )
            continue
        text = (
            f"On device {device} an update takes {a:.3f} ms at batch size {small} and {b:.3f} ms "
            f"at {large}. As a straight line, that is {fixed:.3f} ms for each update whatever its "
            f"size, and {1000 * per_image:.2f} µs per image: at batch size {small}, "
            f"{100 * share:.0f} % of the time is the fixed part. "
        )
        if device == "cpu":
            text += (
                "A GPU computes the part per image faster, but starting its work has a fixed cost "
                f"too, so at batch size {small} it could at best save the other "
                f"{100 - 100 * share:.0f} % unless its fixed part is smaller; larger batches and "
                "networks are where it gains."
            )
        run.text(text)
