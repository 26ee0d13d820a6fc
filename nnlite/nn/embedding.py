"""Embedding."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.modes import no_grad
from nnlite.autograd.tensor import Tensor
from nnlite.backend import Device
from nnlite.errors import ShapeError
from nnlite.nn import init
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter, new_parameter
from nnlite.nn.settings import count
from nnlite.ops.common import need_float
from nnlite.ops.embedding import check_padding_idx, embedding

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by number: (*) to (*, embedding_dim).

    weight (num_embeddings, embedding_dim) starts standard normal, row padding_idx zero.

    Args:
        num_embeddings, embedding_dim: rows and columns of the table.
        padding_idx: a row that gets no gradient; negative ones count from the end.
        max_norm, norm_type, scale_grad_by_freq, sparse: see ``nn.functional.embedding``.
        device, dtype: of the weight.

    Raises:
        ArgumentError: a size below 1, or a padding_idx outside.
        ShapeError: a table that fits into no memory.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: str | Device | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = count("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = check_padding_idx("Embedding", padding_idx, self.num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (self.num_embeddings, self.embedding_dim)
        if _weight is None:
            self.weight = new_parameter("Embedding", shape, device, dtype)
            self.weight.requires_grad_(not _freeze)
            self.reset_parameters()
            return
        given = need_float("Embedding", _weight, "_weight")
        if given.shape != shape:
            raise ShapeError(
                "Embedding",
                "_weight",
                expected=f"shape {shape}",
                got=f"shape {given.shape}",
                hint="(num_embeddings, embedding_dim)",
            )
        self.weight = Parameter(given, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding with a given table (rows, columns), whose memory it shares.

        Args:
            embeddings: the table.
            freeze: do not train it.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for the class.

        Raises:
            ShapeError: no matrix.
        """
        table = need_float("Embedding.from_pretrained", embeddings, "embeddings")
        if table.ndim != 2:
            raise ShapeError(
                "Embedding.from_pretrained",
                "embeddings",
                expected="a matrix (numbers, features)",
                got=str(table.shape),
                hint="one row for each number",
            )
        rows, columns = table.shape
        options: dict[str, Any] = {"_weight": table, "_freeze": freeze}
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            **options,
        )

    def forward(self, input: Tensor) -> Tensor:
        return embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text + ", sparse=True" if self.sparse else text
