"""Reverse-mode automatic differentiation.

Read in this order: tensor.py (an array and its place in the graph), op.py (how an operation is
written and recorded), engine.py (backward), then modes.py, fit.py, inplace.py, function.py. The
gradient checks are in checks/; functional.py has Jacobians and Hessians.
"""

from nnlite.autograd import functional
from nnlite.autograd.capture import capture
from nnlite.autograd.checks import check_op, gradcheck, gradgradcheck
from nnlite.autograd.engine import backward, grad, tensor_backward
from nnlite.autograd.function import Function, once_differentiable
from nnlite.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from nnlite.autograd.op import Node, Op
from nnlite.autograd.tensor import Tensor

Tensor.backward = tensor_backward  # type: ignore[method-assign,assignment]

__all__ = [
    "Function",
    "Node",
    "Op",
    "Tensor",
    "backward",
    "capture",
    "check_op",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "set_grad_enabled",
]
