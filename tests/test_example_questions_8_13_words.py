"""What questions 8 to 13 of the mini-project say, on numbers made up for the purpose."""

from __future__ import annotations

import numpy as np
import pytest

from examples.questions import batch_sizes, confusion, dropout_gap, response, roc
from examples.questions.batch_sizes import Descent, Size
from examples.questions.dropout_gap import Rate
from nnlite.metrics import roc_auc

ABC = ("A", "B", "C")


# -- 8: dropout --------------------------------------------------------------------------------


def rate(p: float, settled: list[float], test: list[float], running: list[float]) -> Rate:
    """A rate whose last epoch has these numbers, one per seed."""
    last = {"settled": settled, "test": test, "running": running, "noisy": running}
    return Rate(p, **{k: [[0.0, x] for x in v] for k, v in last.items()}, loss_gap=[[0.0]] * 2)


def test_dropout_is_explained_from_the_numbers() -> None:
    none = rate(0.0, [90.0, 91.0], [86.0, 86.0], [89.0, 90.0])
    helps = rate(0.1, [89.0, 90.0], [87.0, 87.0], [88.0, 89.0])
    hurts = rate(0.5, [86.0, 86.0], [85.0, 84.0], [78.0, 80.0])
    mixed = rate(0.3, [88.0, 86.0], [87.0, 84.5], [88.0, 89.0])
    wider = rate(0.7, [92.0, 90.0], [86.0, 86.0], [88.0, 89.0])
    text = dropout_gap.explain([none, helps, hurts, mixed, wider])
    assert "gap is 4.50 points (4.00 to 5.00)" in text[0]
    assert "narrower than without dropout with 2 of 2 seeds, by 2.00 points" in text[1]
    assert "training accuracy changes by -1.00 points, the test accuracy by +1.00" in text[1]
    assert "more of what it has not seen, and less of what it has" in text[1]
    assert "costs more than it gives" in text[2]
    assert "do not agree on whether the test accuracy gains" in text[3]
    assert text[4].endswith("the test accuracy by +0.00.")  # narrower with one seed: no reason
    assert "with 1 of 2 seeds" in text[4]
    assert "highest test accuracy has p = 0.1" in " ".join(text)
    measured = text[-1]  # while training below the test accuracy: p = 0.5 only
    assert "below the test accuracy for p = 0.5, most of all" in measured
    assert "79.00 % against 84.50 %" in measured
    assert "Of these 7.00 points, 7.00 are the zeroed outputs" in measured
    above = dropout_gap.explain([none])
    assert "above the test accuracy at every rate" in above[-1]


def test_dropout_without_a_gap_says_so() -> None:
    none = rate(0.0, [85.0, 86.0], [86.0, 85.0], [84.0, 84.0])
    assert "hardly anything to close" in dropout_gap.explain([none])[0]


# -- 9: batch sizes ----------------------------------------------------------------------------


def size(batch: int, seconds: float, loss: list[float], accuracy: list[float]) -> Size:
    """A batch size of 1,000 images with two equal seeds, measured after 1, 2 and 4 updates."""
    clock = [seconds, 2 * seconds, 4 * seconds]
    one = Descent(clock, loss, loss, accuracy)
    return Size(batch, 1000, [1, 2, 4], [one, one], memory=batch * 1000)


def test_batch_sizes_are_explained_from_the_numbers() -> None:
    one = size(1, 0.001, [2.0, 2.5, 1.0], [10.0, 30.0, 76.0])
    ten = size(10, 0.002, [2.0, 1.5, 1.0], [30.0, 75.0, 77.0])
    full = size(1000, 0.1, [2.0, 1.9, 1.5], [10.0, 20.0, 40.0])
    sizes = [one, ten, full]
    assert batch_sizes.common_level(sizes) == 75  # two of three
    assert batch_sizes.common_level([full]) == 40
    assert batch_sizes.common_level([size(1, 1.0, [1.0] * 3, [10.0] * 3)]) is None
    text = " ".join(batch_sizes.explain(sizes, 75))
    assert "1 ms at batch size 1 (stochastic) and 100 ms at 1,000 (batch)" in text
    assert "100.0 times as long for 1,000 times as many images" in text
    assert "90.0 % of the time per image" in text
    assert "Most images per second has batch size 1,000 (batch): 10,000" in text
    assert "reached first by batch size 1 (stochastic), after 0.004 s" in text
    assert "with the fewest images by 1 (stochastic), after 0.004 epochs" in text
    assert "Not at all by 1,000 (batch)" in text
    assert "1 (stochastic): 2 of 4; 10: 0 of 4; 1,000 (batch): 0 of 4" in text
    assert "highest test accuracy has batch size 10: 77.00 %" in text
    assert "its update takes 1.0 MB" in text
    slow = size(1000, 10.0, [2.0, 1.9, 1.5], [10.0, 20.0, 40.0])
    text = " ".join(batch_sizes.explain([one, slow], None))
    assert "Most images per second has batch size 1 (stochastic): 1,000 against 100" in text
    assert "whatever its size" not in text  # ten thousand times as long for a thousand images


def test_a_slow_seed_does_not_change_the_time() -> None:
    three = size(10, 1.0, [2.0, 1.0, 0.5], [10.0, 50.0, 90.0])
    late = Descent([50.0, 60.0, 70.0], [2.0, 1.0, 0.5], [2.0, 1.0, 0.5], [10.0, 50.0, 90.0])
    three.descents.append(late)
    assert three.clock.tolist() == [1.0, 2.0, 4.0]
    assert three.seconds_per_update == 1.0
    text = " ".join(batch_sizes.explain([three], 50))
    assert "reached first by batch size 10, after 2 s; with the fewest images by 10" in text


# -- 10: confusion -----------------------------------------------------------------------------


MATRIX = np.array([[60, 40, 0], [10, 90, 0], [3, 0, 0]])


def test_a_class_in_words() -> None:
    assert confusion.describe_class(MATRIX, ABC, 0) == (
        "A: of 100 images 60 were recognised (TP; recall 60.0 %), 40 taken for something else "
        "(FN), most often for B (40). 73 times the answer was A; 13 of them are wrong (FP; "
        "precision 82.2 %), most often given to B (10) and C (3). The other 90 images neither are "
        "A nor were taken for it (TN)."
    )
    assert "The answer C was never given" in confusion.describe_class(MATRIX, ABC, 2)
    empty = np.array([[5, 0], [0, 0]])
    assert "no image of it" in confusion.describe_class(empty, ABC[:2], 1)


def test_the_most_frequent_confusions_in_words() -> None:
    text = confusion.explain_pairs([MATRIX, MATRIX.T], ABC)
    assert "40 of 100 images of A were taken for B; the other way round it is 10 of 100" in text[0]
    assert "fewer than 5 of 100" in text[0]
    assert "Of all 53 errors 100 % lie within these 3 of 3 pairs: A and B (50)" in text[1]
    assert "most frequent confusion with 1 of 2 seeds" in text[2]
    even = np.array([[90, 10], [8, 92]])
    assert "by chance" in confusion.explain_pairs([even], ABC[:2])[0]
    assert confusion.confusions(np.diag([3, 4])) == []


# -- 11: response ------------------------------------------------------------------------------


def test_response_in_words() -> None:
    p = np.array([0.5, 0.25, 0.25])
    bits = np.array([0.0, 1.0, 1.4, 1.58])
    wrong = response.Response("test image 7", np.log(p), p, 2)
    text = " ".join(response.describe(wrong, ABC, bits))
    assert wrong.entropy == pytest.approx(1.5)
    assert "Test image 7: A with 50.0 %, then B with 25.0 %" in text
    assert "1.50 bits of at most 1.58; the network is surer of 75 % of the test images" in text
    assert "The target is C, which comes third" in text
    assert "-ln 0.2500 = 1.3863" in text
    assert "largest for C, -0.7500, and the squares sum to 0.8750" in text
    right = response.Response("test image 7", np.log(p), p, 0)
    assert "The target is A, as answered" in response.describe(right, ABC, bits)[1]
    unknown = response.Response("noise", np.log(p), p, None)
    assert len(response.describe(unknown, ABC, bits)) == 1


@pytest.mark.parametrize(
    ("sure", "verdict"),
    [(3, "sure of something that it never saw"), (1, "no proof"), (0, "not sure")],
)
def test_noise_in_words(sure: int, verdict: str) -> None:
    rows = [[0.95, 0.03, 0.02]] * sure + [[0.2, 0.5, 0.3]] * (4 - sure)
    text = response.describe_noise(np.array(rows), ABC)[0]
    assert verdict in text
    assert f"at least 90 % for {sure} of them" in text


# -- 12: ROC -----------------------------------------------------------------------------------


def test_roc_is_explained_from_the_numbers() -> None:
    targets = np.array([0, 0, 1, 1, 2, 2])
    p = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.45, 0.4, 0.15]])
    p = np.concatenate([p, [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]])
    areas = roc_auc(targets, p)
    assert areas.auc == pytest.approx([7 / 8, 7 / 8, 1])  # counted by hand: one pair of eight
    matrix = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 2]])
    text = " ".join(roc.explain_classes([areas], matrix, ABC))
    assert "C is the easiest to tell from the rest (AUC 1.0000), A the hardest (0.8750)" in text
    assert "of the 8 pairs of an image of A and one of another class, 1 are ranked" in text
    assert "ranked right in 87.5 % of the pairs, but the answer itself finds only 50.0 %" in text
    assert "finds 50.0 % at 25.00 % false positives; a threshold at that price" in text
    averages = roc.explain_averages([areas], matrix.sum(axis=1))
    assert f"the mean of the 3 areas, {11 / 12:.4f}" in averages[1]
    assert "differ by up to 0.1250" in averages[1]
    assert "All classes have as many images, so the difference" in averages[2]
    uneven = roc.explain_averages([areas], np.array([2, 2, 200]))[2]
    assert "class" not in uneven  # the sizes change more than half of the difference


def test_a_class_without_images_has_no_curve() -> None:
    p = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1]])
    areas = roc_auc(np.array([0, 1]), p)
    matrix = np.diag([1, 1, 0])
    assert "Without images, and so without a curve: C." in roc.explain_classes([areas], matrix, ABC)
    assert "not defined" in roc.explain_averages([areas], matrix.sum(axis=1))[1]
