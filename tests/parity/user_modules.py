"""Networks, layers and a Function of one's own, as a PyTorch user writes them.

Run as a module with LIBRARY=torch or LIBRARY=nnlite: only the import lines differ.
"""

import os
from collections import OrderedDict

import numpy as np

from tests.parity.report import show

if os.environ["LIBRARY"] == "torch":
    import torch
    import torch.nn.functional as F
    from torch import nn, optim
else:
    import nnlite as torch
    import nnlite.nn.functional as F
    from nnlite import nn, optim

RNG = np.random.default_rng(20)


def normal(*shape, requires_grad=False):
    """A float64 tensor with NumPy's numbers."""
    x = torch.from_numpy(RNG.standard_normal(shape))
    return x.requires_grad_() if requires_grad else x


def fill(module, scale=0.3):
    """Give a module weights that are the same in both libraries."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(scale * RNG.standard_normal(tuple(parameter.shape))))
    return module


# -- modules ---------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block with a buffer that counts its calls."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(a=nn.Linear(width, width), act=nn.Tanh(), b=nn.Linear(width, width))
        )
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("calls", torch.zeros(1, dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        return x + self.gain * self.layers(x)


class Net(nn.Module):
    """Convolutions, a list of blocks, a dictionary of heads, scales in a ParameterList."""

    def __init__(self, classes=4):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.ModuleList([Block(6) for _ in range(2)])
        self.scales = nn.ParameterList([nn.Parameter(torch.full((1,), 1.5)) for _ in range(2)])
        self.heads = nn.ModuleDict({"label": nn.Linear(6, classes), "size": nn.Linear(6, 1)})
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(self.pool(x)))
        x = x.mean(dim=(2, 3))
        for block, scale in zip(self.blocks, self.scales, strict=True):
            x = scale * block(x)
        x = self.dropout(x)
        return {name: head(x) for name, head in self.heads.items()}


def modules():
    net = fill(Net().to(torch.float64)).eval()
    for name, parameter in net.named_parameters():
        show("parameter", name, parameter)
    show("modules", *[f"{name}:{type(m).__name__}" for name, m in net.named_modules()])
    show("children", *[name for name, _ in net.named_children()])
    show("keys", *net.state_dict().keys())
    show("dtypes", str(net.conv1.weight.dtype == torch.float64), str(net.training))
    images, labels = normal(5, 1, 12, 12, requires_grad=True), torch.tensor([0, 3, 1, 2, 1])
    out = net(images)
    loss = F.cross_entropy(out["label"], labels) + 0.1 * F.mse_loss(
        out["size"].squeeze(1), labels.to(torch.float64)
    )
    loss.backward()
    show("loss", loss.item(), out["label"], out["size"])
    show("input gradient", images.grad)
    for name, parameter in net.named_parameters():
        show("gradient", name, parameter.grad)
    show("calls", net.blocks[1].calls, sum(p.numel() for p in net.parameters()))
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.5)
    show("clipped", norm, nn.utils.parameters_to_vector(p.grad for p in net.parameters()))
    nn.utils.clip_grad_value_(net.parameters(), 0.01)
    show("clipped value", net.conv1.weight.grad)
    net.zero_grad()
    show("zeroed", all(p.grad is None for p in net.parameters()))


class NormNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.BatchNorm2d(4),
            nn.LeakyReLU(0.1),
            nn.Conv2d(4, 4, 3, groups=2),
            nn.GroupNorm(2, 4),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 3), nn.LogSoftmax(dim=1))

    def forward(self, x):
        return self.head(self.features(x))


def normalization():
    net = fill(NormNet().double())
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.nll_loss(net(normal(6, 2, 9, 9)), torch.arange(6) % 3)
        loss.backward()
        optimizer.step()
        show("norm loss", loss)
    for name, tensor in net.state_dict().items():
        show("norm state", name, tensor.to(torch.float64))
    net.eval()
    with torch.no_grad():
        show("norm eval", net(normal(2, 2, 9, 9)))
    embedding = fill(nn.Embedding(7, 3, padding_idx=2).to(torch.float64))
    out = embedding(torch.tensor([[1, 2, 1], [6, 0, 2]]))
    out.square().sum().backward()
    show("embedding", out, embedding.weight.grad)


ACTIVATIONS = (
    nn.ReLU(), nn.LeakyReLU(0.2), nn.PReLU(), nn.ELU(), nn.SELU(), nn.CELU(0.5), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.SiLU(), nn.Softplus(beta=2), nn.Softsign(),
    nn.Hardtanh(-0.5, 1), nn.Hardsigmoid(), nn.LogSigmoid(), nn.ReLU6(), nn.Mish(),
    nn.Tanh(), nn.Sigmoid(),
    nn.Softmax(dim=-1), nn.Softmin(dim=0), nn.LogSoftmax(dim=1), nn.Hardswish(), nn.Identity(),
)  # fmt: skip


def activations():
    for module in ACTIVATIONS:
        x = normal(3, 4, requires_grad=True)
        y = module.to(torch.float64)(x)
        (y * y.detach().cos()).sum().backward()
        show(repr(module), y, x.grad)


# -- a Function of one's own -----------------------------------------------------------------


class Swish(torch.autograd.Function):
    """x * sigmoid(beta x), with a learned beta."""

    @staticmethod
    def forward(ctx, x, beta, bias=0.0):
        gate = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, beta, gate)
        ctx.bias = bias
        return x * gate + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, beta, gate = ctx.saved_tensors
        slope = gate * (1 - gate)
        grad_x = grad_beta = None
        if ctx.needs_input_grad[0]:
            grad_x = grad_output * (gate + beta * x * slope)
        if ctx.needs_input_grad[1]:
            grad_beta = (grad_output * x * x * slope).sum()
        return grad_x, grad_beta, None


class SignPenalty(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x)
        ctx.weight = weight
        return x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output + ctx.weight * torch.sign(x), None


def functions():
    x = normal(4, requires_grad=True)
    beta = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    y = Swish.apply(x, beta, 0.5)
    gx, gb = torch.autograd.grad((y * y).sum(), (x, beta), create_graph=True)
    show("swish", y, gx, gb)
    (gx.square().sum() + gb * gb).backward()
    show("swish twice", x.grad, beta.grad)
    show("gradcheck", torch.autograd.gradcheck(Swish.apply, (x, beta)))
    z = normal(5, requires_grad=True)
    SignPenalty.apply(z * 2, 0.25).sum().backward()
    show("penalty", z.grad)


if __name__ == "__main__":
    modules()
    normalization()
    activations()
    functions()
