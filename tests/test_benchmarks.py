"""The measuring commands: what they write, and that nothing but figures depends on the machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cpu, memory, overhead, pair, report, scaling, works

NNLITE, TORCH = ("nnlite", "eager"), ("torch", "eager")


def side(library: str, variant: str, seconds: list[float], error: str = "") -> pair.Side:
    """A side without a process."""
    return pair.Side(library, variant, None, None, seconds, error)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def team() -> Iterator[pair.Team]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")
        with pair.Team(threads=1) as found:
            yield found


# -- arithmetic ------------------------------------------------------------------------------

ROW = cpu.Row("made-up", "training", (), 2.5, 1.2, (cpu.FUSED, cpu.COMPILE))


def test_ratios_are_those_of_the_minima() -> None:
    sides = [
        side("nnlite", "eager", [4.0, 2.0, 3.0]),
        side("torch", "eager", [6.0, 9.0, 7.0]),
        side("torch", "fused", [5.0, 2.0, 8.0]),
        side("jax", "eager", [0.5]),
    ]
    result = cpu.judge(ROW, sides)
    assert result["sides"]["nnlite"]["minimum"] == 2.0
    assert result["sides"]["nnlite"]["median"] == 3.0
    assert result["ratios"] == {"torch": 3.0, "torch fused": 1.0, "jax": 0.25}
    alone = {"captured": None}
    assert result["written"] == {"ratio": 3.0, "target": 2.5, "reached": True, **alone}
    best = {"side": "torch fused", "ratio": 1.0, "target": 1.2, "reached": False, **alone}
    assert result["best"] == best


def test_a_captured_step_may_reach_a_target() -> None:
    sides = [
        side("nnlite", "eager", [2.0]),
        side("nnlite", "captured", [1.0]),
        side("torch", "eager", [4.0]),
        side("torch", "fused", [3.0]),
    ]
    result = cpu.judge(ROW, sides)
    assert result["written"] == {"ratio": 2.0, "captured": 4.0, "target": 2.5, "reached": True}
    assert result["best"]["captured"] == 3.0
    cells = [line.split() for line in cpu.lines("made-up", result)]
    assert cells[1] == ["nnlite", "captured", "1000", "1000"]
    assert cells[2] == ["torch", "4000", "4000", "2.00", "4.00", "2.5", "yes"]


def test_the_best_variant_may_be_the_one_as_written() -> None:
    sides = [
        side("nnlite", "eager", [1.0]),
        side("torch", "eager", [2.0]),
        side("torch", "fused", [3.0]),
    ]
    best = cpu.judge(ROW, sides)["best"]
    assert (best["side"], best["ratio"], best["reached"]) == ("torch", 2.0, True)


def test_a_failed_variant_is_shown_and_left_out() -> None:
    error = 'Traceback (most recent call last):\n  File "x", line 1\nRuntimeError: no compiler\n'
    sides = [
        side("nnlite", "eager", [1.0]),
        side("torch", "eager", [2.0]),
        side("torch", "compile", [0.1], error),  # one round, then it failed
    ]
    result = cpu.judge(ROW, sides)
    assert result["best"]["side"] == "torch"
    assert result["ratios"]["torch compile"] is None
    last = cpu.lines("made-up", result)[-1]
    assert last.split()[:4] == ["torch", "compile", "-", "-"]
    assert last.endswith("failed: RuntimeError: no compiler")


def test_without_our_own_time_nothing_is_reached() -> None:
    sides = [side("nnlite", "eager", [], "ValueError: x"), side("torch", "eager", [2.0])]
    result = cpu.judge(ROW, sides)
    nothing = {"ratio": None, "captured": None, "reached": None}
    assert result["written"] == {"target": 2.5, **nothing}
    assert result["best"] == {"side": None, "target": 1.2, **nothing}


def test_memory_and_import_must_stay_below_their_targets() -> None:
    assert memory.judge(3.0, 4.0) == {"ratio": 0.75, "target": 1.0, "reached": True}
    assert memory.judge(5.0, 4.0)["reached"] is False
    assert memory.judge(None, 4.0)["reached"] is None
    assert report.reached(1.0, 1.0) is report.reached(1.0, 1.0, most=True) is True


def test_the_slope_is_the_exponent() -> None:
    sizes = [2, 4, 8, 16]
    assert report.slope(sizes, [3.0 * n**1.5 for n in sizes]) == pytest.approx(1.5)
    assert report.slope(sizes, [4.0, None, None, 32.0]) == pytest.approx(1.0)
    assert report.slope([2], [1.0]) is None


def test_numbers_have_three_digits() -> None:
    shown = [report.number(x) for x in (None, 0.01234, 1.5, 123.4, 98765.4)]
    assert shown == ["-", "0.0123", "1.50", "123", "98765"]


# -- processes -------------------------------------------------------------------------------


def test_both_libraries_use_the_threads_they_are_told(team: pair.Team) -> None:
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert [s.ask(("threads",)) for s in team.sides(NNLITE, TORCH)] == [1, 1]


def test_children_do_not_see_the_thread_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with pair.own_threads():
        assert not set(pair.THREAD_VARIABLES) & set(os.environ)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_side_that_fails_does_not_stop_the_others(team: pair.Team) -> None:
    sides = team.sides(NNLITE, ("no_such_library", "eager"))
    pair.measure(sides, "chain", (3,), rounds=2, seconds=1e-9)
    assert len(sides[0].seconds) == 2
    assert not sides[0].error
    assert sides[1].seconds == []
    assert sides[1].reason == "ModuleNotFoundError: No module named 'no_such_library'"
    pair.measure(sides[:1], "training", ("no-network",), rounds=1)
    assert sides[0].reason == "KeyError: 'no-network'"
    pair.measure(sides[:1], "chain", (3,), rounds=1, seconds=1e-9)
    assert not sides[0].error, "an error ends with the work that caused it"


def test_a_killed_process_is_reported_and_replaced() -> None:
    with pair.Team(threads=1) as team:
        (first,) = team.sides(NNLITE)
        first.process.kill()
        pair.measure([first], "chain", (3,), rounds=1)
        assert first.error == "the process ended: exit status -9"
        (second,) = team.sides(NNLITE)
        assert second is not first


def test_processes_end_when_the_block_is_left_by_an_error() -> None:
    class StopError(Exception):
        pass

    sides = []

    def fail() -> None:
        with pair.Team(threads=1) as team:
            sides.extend(team.sides(NNLITE))
            sides[0].pipe.send(("build", "chain", (10**7,)))  # still at it when asked to end
            raise StopError

    with pytest.raises(StopError):
        fail()
    assert sides[0].process.exitcode is not None


def test_every_op_on_ten_numbers_runs_on_both(team: pair.Team) -> None:
    sides = team.sides(NNLITE, TORCH)
    for name, builder, args in overhead.listed(list(works.OPS)):
        if builder == "op" and args[-1]:  # both ways
            pair.measure(sides, builder, args, rounds=0)
            assert [s.error for s in sides] == ["", ""], name


def test_paired_works(team: pair.Team) -> None:
    results = overhead.paired(team.sides(NNLITE, TORCH), ["add"], rounds=1, seconds=1e-9)
    assert list(results) == [
        "add forward",
        "add both ways",
        "1,000 adds both ways",
        "LeNet's Adam step",
    ]
    for result in results.values():
        ours, theirs = result["sides"]["nnlite"], result["sides"]["torch"]
        assert result["ratio"] == theirs["minimum"] / ours["minimum"]
    assert "add forward" in overhead.words(results, overhead.imports([], 1))


def test_growth(team: pair.Team) -> None:
    curve = scaling.CURVES["depth"]._replace(sizes=(1, 2, 3))
    result = scaling.grow(team.sides(NNLITE, TORCH), curve, rounds=1, seconds=1e-9)
    assert set(result["sides"]) == set(result["slopes"]) == {"nnlite", "torch"}
    assert all(len(r["seconds"]) == 1 for records in result["sides"].values() for r in records)
    assert len(scaling.words("depth", result).splitlines()) == 6


def test_late_epochs_compute_with_denormal_numbers(team: pair.Team) -> None:
    result = scaling.late(team.sides(NNLITE, TORCH), epochs=8)
    for record in result["sides"].values():
        assert len(record["seconds"]) == 8
        assert record["loss"] < 1e-6
    # what the measurement is about: they are there to be met, and nnlite sets them to 0
    assert result["sides"]["torch"]["denormal"] > 0.05
    assert result["sides"]["nnlite"]["denormal"] < result["sides"]["torch"]["denormal"]
    assert "late / early" in scaling.words(scaling.LATE, result)


# -- commands --------------------------------------------------------------------------------


def check_file(out: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / f"{name}.json").read_text())
    assert set(content) == {"command", "date", "machine", "settings", "results"}
    assert content["command"].startswith(f"python -m benchmarks.{name} ")
    assert {"cpu", "cores", "python", "numpy", "blas", "torch"} <= set(content["machine"])
    assert content["settings"]["threads"] == 1
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    results: dict[str, Any] = content["results"]
    return results


def test_cpu_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--rounds 1 --seconds 1e-9 --threads 1 --only chain,lenet-infer-1"
    assert cpu.main([*options.split(), "--out", str(tmp_path)]) == 0
    results = check_file(tmp_path, "cpu")
    assert list(results) == ["lenet-infer-1", "chain"]
    for result in results.values():
        minima = {name: side["minimum"] for name, side in result["sides"].items()}
        assert result["written"]["ratio"] == minima["torch"] / minima["nnlite"]
        assert result["best"] is None
    sides = results["lenet-infer-1"]["sides"]
    captured = sides["torch"]["minimum"] / sides["nnlite captured"]["minimum"]
    assert results["lenet-infer-1"]["written"]["captured"] == captured
    assert set(results["chain"]["sides"]) == {"nnlite", "torch"}
    assert capsys.readouterr().out.endswith(f"\nwritten to {tmp_path}: cpu.json, cpu.png\n")


def test_memory_command(tmp_path: Path) -> None:
    options = "--rounds 1 --steps 1 --threads 1 --batch 8 --only autoencoder"
    assert memory.main([*options.split(), "--out", str(tmp_path)]) == 0
    sides = check_file(tmp_path, "memory")["autoencoder"]["sides"]
    weights = 4 * (784 * 400 + 400 + 400 * 784 + 784)
    for name in ("nnlite", "torch"):
        assert sides[name]["bytes"] > 4 * weights, "weights, gradients and two moments"


def test_memory_reports_a_failure() -> None:
    result = memory.fresh("no_such_library", "lenet", 1, 1, 1)
    assert result["bytes"] is None
    assert "no_such_library" in result["error"]


def test_imports_are_timed_in_fresh_processes() -> None:
    result = overhead.imports(["numpy", "no_such_module"], rounds=1)
    assert len(result["sides"]["numpy"]["seconds"]) == 1
    assert result["sides"]["numpy"]["minimum"] > 0
    assert "no_such_module" in result["sides"]["no_such_module"]["error"]
    assert result["ratio"] is result["reached"] is None


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (cpu.main, ["--only", "lenet,nope"], "no row 'nope'"),
        (cpu.main, ["--only", ","], "expected names of rows"),
        (cpu.main, ["--rounds", "0"], "expected 1 or more, got 0"),
        (cpu.main, ["--threads", "two"], "expected a whole number, got 'two'"),
        (cpu.main, ["--seconds", "nan"], "expected a number above 0, got 'nan'"),
        (overhead.main, ["--only", "nope"], "no op 'nope'"),
        (scaling.main, ["--only", "nope"], "no work 'nope'"),
        (memory.main, ["--only", "nope"], "no network 'nope'"),
    ],
)
def test_bad_arguments(
    main: Any, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_rows_are_chosen_by_pattern() -> None:
    everything = cpu.rows(100)
    chosen = cpu.choose(everything, "chain,*-infer-1,lenet")
    names = [row.name for row in chosen]
    assert names == ["lenet", *(f"{n}-infer-1" for n in works.NETWORKS), "chain"]
    assert len({row.name for row in everything}) == len(everything) == 18


def test_channels_last_is_for_convolutions_and_compile_on_request() -> None:
    by_name = {row.name: row for row in cpu.rows(100)}
    asked = {name: by_name[name].sides(False, True) for name in ("mlp-small", "cnn", "chain")}
    assert asked["mlp-small"] == [cpu.NNLITE, cpu.CAPTURED, cpu.EAGER, cpu.FUSED, cpu.JAX]
    convolutions = [cpu.FUSED, cpu.CHANNELS_LAST]
    assert asked["cnn"] == [cpu.NNLITE, cpu.CAPTURED, cpu.EAGER, *convolutions]
    assert asked["chain"] == [cpu.NNLITE, cpu.EAGER]
    assert cpu.COMPILE in by_name["autoencoder"].sides(True, False)
    assert cpu.COMPILE not in by_name["chain"].sides(True, False)
