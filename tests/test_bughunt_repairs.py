"""The checks of the bug hunt: half a repair is not enough, and any whole one will do."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.exercises.bughunt import Verdict, check, find


def changed(name: str, old: str, new: str, folder: Path, *, solved: bool = False) -> Verdict:
    """The verdict on a script (with its bug, or the solution) with one text replaced."""
    bug = find(name)
    text = (bug.solution if solved else bug.script).read_text()
    assert text.count(old) == 1, text.count(old)
    path = folder / "mine.py"
    path.write_text(text.replace(old, new))
    return check(bug, path)


COUNT = "correct += predicted == labels"
STEP = "            loss.backward()\n            optimizer.step()\n"

OTHER_REPAIRS = {
    "view: flatten": ("view", "x.view(784, -1).t()", "x.flatten(1)"),
    "view: by the batch": ("view", "x.view(784, -1).t()", "x.reshape(x.shape[0], -1)"),
    "counting: a tensor of one number": (
        "counting",
        COUNT,
        "correct += (predicted == labels).sum()",
    ),
    "counting: Python's sum": ("counting", COUNT, "correct += sum((predicted == labels).tolist())"),
    "zero_grad: at the end of a step": (
        "zero_grad",
        STEP,
        STEP + "            model.zero_grad()\n",
    ),
    "softmax: log_softmax and nll_loss": (
        "softmax",
        "F.cross_entropy(model(images), labels)",
        "F.nll_loss(model(images).log(), labels)",
    ),
    "graph: detach": ("graph", "total += loss", "total += loss.detach()"),
    "graph: no_grad": ("graph", "def mean_loss(", "@nnlite.no_grad()\ndef mean_loss("),
    "shuffle: by sorting": (
        "shuffle",
        "    images = images[nnlite.randperm(len(images))]\n"
        "    labels = labels[nnlite.randperm(len(labels))]\n",
        "    order = nnlite.rand(len(images)).argsort()\n"
        "    images, labels = images[order], labels[order]\n",
    ),
    "dropout: in main's loop": (
        "dropout",
        "    correct = 0\n    for images, labels in DataLoader(dataset, batch_size=BATCH_SIZE):\n"
        "        correct += (model(images).argmax(1) == labels).sum().item()\n",
        "    model.eval()\n    x, y = dataset.tensors\n"
        "    correct = (model(x).argmax(1) == y).sum().item()\n    model.train()\n",
    ),
}

HALF_REPAIRS = {
    "names: a value that learns nothing": (
        *("names", "HIDDEN = 40\n"),
        "HIDDEN = 40\nBATCH_SIZE, EPOCHS, N_EPOCHS, LEARNING_RATE = 50, 1, 1, 1e-9\n",
        "too low",
    ),
    "names: one is still missing": (
        *(
            "names",
            "HIDDEN = 40\n",
            "HIDDEN = 40\nBATCH_SIZE, EPOCHS, LEARNING_RATE = 50, 1, 1e-3\n",
        ),
        "N_EPOCHS",
    ),
    "channels: no normalisation": (
        *("channels", "Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),", ""),
        "not centred",
    ),
    "counting: mean of the batches": (
        "counting",
        COUNT + "\n    return correct / len(dataset)",
        "correct += (predicted == labels).float().mean().item() / (len(dataset) // BATCH_SIZE)\n"
        "    return correct",
        "evaluate() gives",
    ),
    "four_images: as many as a batch has": (
        *("four_images", "range(4)", "range(BATCH_SIZE)"),
        "IndexError",
    ),
    "zero_grad: once an epoch": (
        "zero_grad",
        "        total = 0.0\n",
        "        total = 0.0\n        optimizer.zero_grad()\n",
        "cases backward() added",
    ),
    "softmax: only the warning is gone": (
        *("softmax", "F.softmax(self.fc2(x), dim=1)", "F.softmax(self.fc2(x), dim=1) * 1"),
        "stays above 1.4612",
    ),
    "optimizer: the small network again": (
        *("optimizer", "    model = network(hidden=100)\n", ""),
        "100 hidden units",
    ),
    "dropout: off for the rest of the training": (
        *("dropout", "    correct = 0\n", "    model.eval()\n    correct = 0\n"),
        "training steps",
    ),
    "shuffle: not at all": (
        "shuffle",
        "    images = images[nnlite.randperm(len(images))]\n"
        "    labels = labels[nnlite.randperm(len(labels))]\n",
        "",
        "not shuffled",
    ),
    "devices: everything on the CPU": (
        *("devices", "from examples.exercises.bughunt.pretend_gpu import DEVICE", "DEVICE = 'cpu'"),
        "network is on cpu",
    ),
}

BROKEN_SOLUTIONS = {
    "channels: three copies": (
        *("channels", "transform.batch(images)", "transform.batch(images).repeat(1, 3, 1, 1)"),
        "(3, 3, 28, 28)",
    ),
    "view: no rows": (
        "view",
        "return self.fc2(F",
        "return self.fc1(x).sum() + 0 * self.fc2(F",
        "7",
    ),
    "selection: the validation set's accuracy is reported": (
        *("selection", "accuracy(best, *test_set)", "accuracy(best, x[400:], y[400:])"),
        "on the test set",
    ),
    "a function is gone": ("counting", "def evaluate(", "def test(", "evaluate() is not there"),
    "another return value": ("names", "return model, accuracy", "return accuracy", "2 values"),
    "nothing is returned": ("counting", "return correct / len(dataset)", "pass", "NoneType"),
    "no Python": ("graph", "def mean_loss(", "def mean loss(", "SyntaxError in line 32"),
    "it ends itself": ("shuffle", "EPOCHS = 5\n", "raise SystemExit(3)\n", "SystemExit"),
}


@pytest.mark.parametrize("case", OTHER_REPAIRS)
def test_other_repairs_are_accepted(case: str, tmp_path: Path) -> None:
    name, old, new = OTHER_REPAIRS[case]
    verdict = changed(name, old, new, tmp_path)
    assert verdict.gone, verdict.text


def test_moving_all_data_at_once_is_accepted(tmp_path: Path) -> None:
    line = "    train_set, test_set = load()\n"
    moved = "".join(
        f"    {name} = TensorDataset(*(t.to(DEVICE) for t in {name}.tensors))\n"
        for name in ("train_set", "test_set")
    )
    verdict = changed("devices", line, line + moved, tmp_path)
    assert verdict.gone, verdict.text


@pytest.mark.parametrize("case", HALF_REPAIRS)
def test_half_repairs_are_refused(case: str, tmp_path: Path) -> None:
    name, old, new, words = HALF_REPAIRS[case]
    verdict = changed(name, old, new, tmp_path)
    assert not verdict.gone
    assert words in verdict.text


@pytest.mark.parametrize("case", BROKEN_SOLUTIONS)
def test_other_damage_is_named(case: str, tmp_path: Path) -> None:
    name, old, new, words = BROKEN_SOLUTIONS[case]
    verdict = changed(name, old, new, tmp_path, solved=True)
    assert not verdict.gone
    assert words in verdict.text
