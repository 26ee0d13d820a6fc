"""Question 13: the training in TensorBoard: network, weights, biases and gradients.

A baseline is trained once more. Before the training and after each epoch every parameter is written
into an event file as a histogram, with its gradient of the epoch's last batch, loss and accuracy;
and the network, as a graph that TensorBoard draws and as an image. Needs the extra ``tensorboard``.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nnlite
from nnlite import nn, optim, viz
from nnlite.errors import MissingExtraError
from nnlite.extras import require
from nnlite.viz import NetworkGraph, network_graph

if TYPE_CHECKING:
    from examples.mini_project import History, Project
    from examples.shared import Run

EXTRA = "tensorboard"
FOLDER = "tensorboard"  # below the run's
Arrays = dict[str, np.ndarray]


def answer(run: Run, project: Project) -> None:
    folder = run.out / FOLDER
    for old in folder.glob("events.out.tfevents.*"):  # an earlier run's: --overwrite was given
        old.unlink()
    try:
        writer = require("tensorboardX", EXTRA, "question 13").SummaryWriter(str(folder))
    except MissingExtraError as error:
        if run.args.question == [13]:
            raise
        writer = None
        run.log(f"no event file: {error}")
        run.text(f"No event file was written, as tensorboardX is not installed ({error.hint}).")

    nnlite.manual_seed(run.seed)
    model = project.network()
    graph = network_graph(model, project.train_set[0][0].unsqueeze(0))  # of an input (1, 784)
    picture = viz.plot_network(graph)
    values: list[Arrays] = []
    gradients: list[Arrays] = []
    with contextlib.closing(EventFile(writer)) as file:
        file.graph(graph)
        file.image("network", picture)
        write_parameters(file, model, 0, values, gradients)

        def each_epoch(epoch: int, history: History) -> None:
            write_parameters(file, model, epoch, values, gradients)
            file.scalar("loss/train", history.train_loss[-1], epoch)
            file.scalar("loss/test", history.test_loss[-1], epoch)
            file.scalar("accuracy/train", history.train_accuracy[-1], epoch)
            file.scalar("accuracy/test", history.test_accuracy[-1], epoch)

        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        label = f"tensorboard/seed {run.seed}"
        project.train(label, model, optimizer, epochs=run.epochs, each_epoch=each_epoch)

    caption = f"The network, read from its autograd graph: {graph.parameter_count:,} parameters."
    run.figure("network_graph", picture, caption)
    if writer is not None:
        report_file(run, file.tags, folder)
    report_parameters(run, values, gradients)


def write_parameters(
    file: EventFile, model: nn.Module, epoch: int, values: list[Arrays], gradients: list[Arrays]
) -> None:
    """All parameters as histograms and, once there are some, their gradients; kept in the lists."""
    now: Arrays = {}
    slopes: Arrays = {}
    for name, parameter in model.named_parameters():
        now[name] = parameter.detach().cpu().numpy().copy()
        group = "biases" if name.endswith("bias") else "weights"
        file.histogram(f"{group}/{name}", now[name], epoch)
        if parameter.grad is not None:
            slopes[name] = parameter.grad.cpu().numpy().copy()
            file.histogram(f"gradients/{name}", slopes[name], epoch)
            file.scalar(f"gradient_norm/{name}", norm(slopes[name]), epoch)
    values.append(now)
    if slopes:
        gradients.append(slopes)


@dataclass
class Entry:
    """What was written under one tag: its kind, and how often."""

    kind: str
    count: int = 0


class EventFile:
    """The event file; without a writer nothing is written.

    Args:
        writer: tensorboardX's SummaryWriter, or None.

    Attributes:
        tags: what was written.
    """

    def __init__(self, writer: Any) -> None:
        self.writer = writer
        self.tags: dict[str, Entry] = {}

    def scalar(self, tag: str, value: float, epoch: int) -> None:
        if self._count("scalar", tag):
            self.writer.add_scalar(tag, value, epoch)

    def histogram(self, tag: str, values: np.ndarray, epoch: int) -> None:
        if self._count("histogram", tag):
            self.writer.add_histogram(tag, values, epoch)

    def image(self, tag: str, figure: Any) -> None:
        """A matplotlib figure as an image."""
        if self._count("image", tag):
            canvas = require("matplotlib.backends.backend_agg", "plot", tag).FigureCanvasAgg(figure)
            canvas.draw()
            pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]  # (H, W, 3)
            self.writer.add_image(tag, pixels, dataformats="HWC")

    def graph(self, graph: NetworkGraph) -> None:
        """The network as TensorBoard's tab "Graphs" draws it."""
        if self._count("graph", "graph"):
            event = require("tensorboardX.proto.event_pb2", EXTRA, "graph").Event
            definition = graph_definition(graph).SerializeToString()
            self.writer.file_writer.add_event(event(graph_def=definition))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    def _count(self, kind: str, tag: str) -> bool:
        if self.writer is None:
            return False
        self.tags.setdefault(tag, Entry(kind)).count += 1
        return True


def graph_definition(graph: NetworkGraph) -> Any:
    """A network as a GraphDef, TensorFlow's description of a graph, which TensorBoard draws.

    A node for each layer; those with parameters are boxes with a node for each parameter. The edges
    bear the shapes.

    Raises:
        MissingExtraError: tensorboardX is not installed.
    """
    op = "graph_definition"
    node = require("tensorboardX.proto.node_def_pb2", EXTRA, op).NodeDef
    nodes: list[Any] = []
    names: list[str] = []
    for i, layer in enumerate(graph.layers):
        kind = layer.kind.partition("(")[0]  # "Linear"; "" for inputs
        box = f"{kind}[{layer.name}]" if kind and layer.name else layer.name or f"{kind}_{i}"
        inputs = [names[source] for source in layer.sources]
        for parameter, shape in layer.parameters.items():
            inputs.append(f"{box}/{parameter.rpartition('.')[2]}")
            nodes.append(node(name=inputs[-1], op="Parameter", attr=_attributes(shape)))
        names.append(f"{box}/{kind}" if layer.parameters else box)
        attributes = _attributes(layer.shape, layer.kind)
        nodes.append(node(name=names[-1], op=kind or "Input", input=inputs, attr=attributes))
    return require("tensorboardX.proto.graph_pb2", EXTRA, op).GraphDef(node=nodes)


def _attributes(shape: tuple[int, ...], settings: str = "") -> dict[str, Any]:
    """A node's attributes: the shape of its output, and the layer's settings."""
    op = "graph_definition"
    value = require("tensorboardX.proto.attr_value_pb2", EXTRA, op).AttrValue
    sizes = require("tensorboardX.proto.tensor_shape_pb2", EXTRA, op).TensorShapeProto
    sized = sizes(dim=[sizes.Dim(size=n) for n in shape])
    attributes = {"_output_shapes": value(list=value.ListValue(shape=[sized]))}
    if settings:
        attributes["settings"] = value(s=settings.encode())
    return attributes


# -- the report --------------------------------------------------------------------------------


def report_file(run: Run, tags: Mapping[str, Entry], folder: Path) -> None:
    """What the event file holds, and how to look at it."""
    run.text(
        f"An event file lies in the folder {folder.name} of this run: "
        f"{sum(entry.count for entry in tags.values())} entries. TensorBoard shows it:"
    )
    run.verbatim(f"pip install tensorboard\ntensorboard --logdir {folder}")
    run.table(
        "tensorboard",
        ["tag", "kind", "entries"],
        [[tag, entry.kind, entry.count] for tag, entry in tags.items()],
        "What was written, under which name; entries: before the training and after each epoch",
        formats=["", "", ""],
    )


def report_parameters(run: Run, values: Sequence[Arrays], gradients: Sequence[Arrays]) -> None:
    """The histograms of the last epoch as a picture, and what became of each parameter.

    Args:
        values: the parameters before the training and after each epoch.
        gradients: those of the last batch of each epoch.
    """
    figure = viz.plot_histograms(values[-1])
    caption = f"Weights and biases after {len(values) - 1} epochs, with their range."
    run.figure("tensorboard_parameters", figure, caption)
    if not gradients:
        run.text("No epoch was finished, so there are no gradients.")
        return
    figure = viz.plot_histograms(gradients[-1])
    run.figure("tensorboard_gradients", figure, "Their gradients on the last batch.")
    rows = []
    for name, start in values[0].items():
        end = values[-1][name]
        rows.append(
            [
                name,
                start.size,
                float(start.std()),
                float(end.std()),
                float(end.min()),
                float(end.max()),
                100 * change(start, end),
                norm(gradients[0][name]),
                norm(gradients[-1][name]),
            ]
        )
    columns = ["parameter", "numbers", "std before", "std after", "smallest", "largest"]
    columns += ["moved by % of its length", "gradient's norm, first epoch", "last epoch"]
    formats = ["", ",", ".4f", ".4f", ".3f", ".3f", ".1f", ".4f", ".4f"]
    caption = "The parameters before and after the training; gradients of an epoch's last batch"
    run.table("tensorboard_parameters", columns, rows, caption, formats=formats, csv=True)
    run.items(explain(values, gradients))


def explain(values: Sequence[Arrays], gradients: Sequence[Arrays]) -> list[str]:
    """What the histograms show of this run."""
    start, end = values[0], values[-1]
    moved = {name: change(start[name], end[name]) for name in start}
    most, least = max(moved, key=moved.__getitem__), min(moved, key=moved.__getitem__)
    wider = [name for name in start if end[name].std() > start[name].std()]
    sentences = [
        f"{most} moved most: the difference between its end and its start is "
        f"{100 * moved[most]:.0f} % as long as its start; for {least}, which moved least, it is "
        f"{100 * moved[least]:.0f} %.",
        f"The histograms of {len(wider)} of {len(start)} parameters became wider"
        + (f" ({', '.join(wider)})." if wider else "."),
    ]
    bounds = {
        name: 1 / math.sqrt(start[f"{name.rpartition('.')[0]}.weight"].shape[1]) for name in start
    }
    beyond = {name: float(np.mean(np.abs(end[name]) > bound)) for name, bound in bounds.items()}
    sentences.append(
        "Parameters start evenly spread between -1/sqrt(inputs) and 1/sqrt(inputs); at the end "
        "this share lies outside: "
        + ", ".join(f"{name} {100 * share:.1f} %" for name, share in beyond.items())
        + "."
    )
    if len(gradients) > 1:
        smaller = [n for n in start if norm(gradients[-1][n]) < norm(gradients[0][n])]
        sentences.append(
            f"The gradient of the last batch is shorter in the last epoch than in the first for "
            f"{len(smaller)} of {len(start)} parameters. That is one batch against one batch: the "
            "curves in TensorBoard show how far it jumps from epoch to epoch."
        )
    return sentences


def change(start: np.ndarray, end: np.ndarray) -> float:
    """The length of the difference by the length of the start."""
    return norm(end - start) / norm(start)


def norm(values: np.ndarray) -> float:
    """The Euclidean length of all numbers together."""
    return float(np.linalg.norm(values))
