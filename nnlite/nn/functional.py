"""Functions by PyTorch's names: ``import nnlite.nn.functional as F``."""

from nnlite.ops.activation import (
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    relu_,
    sigmoid,
    tanh,
    threshold,
)
from nnlite.ops.bilinear import bilinear
from nnlite.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from nnlite.ops.cross_entropy import cross_entropy, nll_loss
from nnlite.ops.distance import cosine_similarity, normalize, pairwise_distance
from nnlite.ops.dropout import dropout, dropout2d
from nnlite.ops.embedding import embedding
from nnlite.ops.folding import fold, unfold
from nnlite.ops.interpolate import interpolate
from nnlite.ops.l1_penalty import l1_penalty
from nnlite.ops.linalg import linear
from nnlite.ops.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    triplet_margin_loss,
)
from nnlite.ops.normalization import batch_norm, group_norm, instance_norm, layer_norm
from nnlite.ops.padding import pad
from nnlite.ops.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from nnlite.ops.pool_adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from nnlite.ops.probability_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    kl_div,
)
from nnlite.ops.regression_loss import (
    gaussian_nll_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from nnlite.ops.smooth_activation import (
    celu,
    elu,
    gelu,
    logsigmoid,
    mish,
    selu,
    silu,
    softplus,
    softsign,
)
from nnlite.ops.softmax import log_softmax, softmax, softmin
from nnlite.ops.sorting import one_hot

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "embedding",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "l1_penalty",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "threshold",
    "triplet_margin_loss",
    "unfold",
]
