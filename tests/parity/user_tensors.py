"""Tensors, losses and higher derivatives, as a PyTorch user writes them.

Run as a module with LIBRARY=torch or LIBRARY=nnlite: only the import lines differ.
"""

import os

import numpy as np

from tests.parity.report import show

if os.environ["LIBRARY"] == "torch":
    import torch
    import torch.nn.functional as F
    from torch import nn
else:
    import nnlite as torch
    import nnlite.nn.functional as F
    from nnlite import nn

RNG = np.random.default_rng(22)


def normal(*shape, requires_grad=False):
    """A float64 tensor with NumPy's numbers."""
    x = torch.from_numpy(RNG.standard_normal(shape))
    return x.requires_grad_() if requires_grad else x


# -- tensors ---------------------------------------------------------------------------------


def creation():
    show("ones", torch.ones(2, 3), torch.zeros((2,)), torch.full((2,), 7), torch.eye(2, 3))
    show("ranges", torch.arange(5), torch.arange(1, 2, 0.25), torch.linspace(-1, 1, 4))
    x = torch.tensor([[1, 2], [3, 4]])
    dtypes = [torch.tensor(1.5).dtype, x.dtype, (x > 1).dtype, x.float().dtype, x.double().dtype]
    expected = [torch.float32, torch.int64, torch.bool, torch.float32, torch.float64]
    show("dtypes", *[d == e for d, e in zip(dtypes, expected, strict=True)])
    show("to", x.to(torch.float64), x.to("cpu").to(torch.device("cpu")), x.type_as(x.double()))
    show("promotion", (x + 1.5).dtype == torch.float32, (x / 2).dtype == torch.float32)
    show("promotion", (x.double() + x).dtype == torch.float64, (x + True).dtype == torch.int64)
    show("like", torch.zeros_like(x), torch.full_like(x, 3), x.new_zeros(2), x.new_tensor([1, 2]))
    show("sizes", x.shape == (2, 2), x.size(0), x.numel(), x.dim(), len(x), x.shape[-1])
    show("device", "cuda" if torch.cuda.is_available() else "cpu", str(x.device), x.is_cuda)
    show("is", torch.is_tensor(x), isinstance(x, torch.Tensor), x.is_floating_point())
    array = np.arange(3.0)
    shared = torch.from_numpy(array)
    array[0] = 9
    show("shared", shared, shared.numpy() is not None, torch.as_tensor([1.0, 2.0]))


def arithmetic():
    x, y = normal(3, 4, requires_grad=True), normal(4, requires_grad=True)
    z = (x * y + 2) / (1 + y.exp()) - x**2 + 3 ** y.sigmoid() - 1.5 * -x
    z = z + torch.log1p(x.abs()) * torch.maximum(x, y) + torch.where(x > 0, x, y * 0.1)
    z = z + torch.lerp(x, y, 0.3) + x.clamp(-0.5, 0.5) + torch.clamp(x, min=0) + x.clamp_min(-1)
    z = z + torch.addcmul(x, x, y, value=0.5) + torch.addcdiv(x, x, y.exp()) + x.erf() + x.expm1()
    z.sum().backward()
    show("arithmetic", z, x.grad, y.grad)
    i = torch.tensor([7, -7, 9])
    show("integers", i // 2, i % 4, -i, i * 2, i / 2, i.float().floor(), torch.remainder(i, 3))
    show("compare", x.detach() > y.detach(), torch.eq(i, 7), (i > 0) & ~(i == 9), i.ne(9) | (i < 0))
    show("rounding", *[f(x.detach() * 3) for f in (torch.floor, torch.ceil, torch.round)])
    ours = np.ones((3, 4)) * x.detach().numpy()
    show("with arrays", torch.from_numpy(ours) + x, ours.sum())


def reductions():
    x = normal(2, 3, 4, requires_grad=True)
    found = [
        x.sum(), x.sum(1), x.mean(dim=(0, 2)), x.mean(-1, keepdim=True), x.prod(1), x.var(),
        x.var(dim=1, unbiased=False), x.std(0), x.amax((0, 1)), x.max(), x.min(dim=1).values,
        x.max(2)[0], x.logsumexp(1), x.norm(), torch.norm(x, dim=1), x.norm(p=1), x.cumsum(2),
        torch.softmax(x, 1), F.log_softmax(x, dim=2), x.sort(descending=True)[0],
        x.topk(2).values,
    ]  # fmt: skip
    total = sum((f.square().sum() for f in found), torch.zeros((), dtype=torch.float64))
    total.backward()
    show("reductions", *found, x.grad)
    values, indices = x.detach().max(dim=1)
    show("indices", values, indices, x.argmax(), x.argmin(2), x.argsort(1), (x > 0).sum(0))
    show("logic", (x > 0).any(), (x > 9).any().item(), (x < 99).all(), x.isnan().any())
    show("counts", torch.bincount(torch.tensor([1, 3, 1])), torch.unique(torch.tensor([3, 1, 3])))
    show("one hot", F.one_hot(torch.tensor([0, 2]), num_classes=3), (x > 0).nonzero())


def algebra():
    a, b, v = normal(3, 4), normal(4, 2), normal(4)
    w = normal(2, 3, 4, requires_grad=True)
    found = [
        a @ b, torch.mm(a, b), torch.mv(a, v), torch.dot(v, v), torch.outer(v, v), a @ v, w @ b,
        torch.bmm(w, w.transpose(1, 2)), torch.addmm(torch.ones(3, 2).double(), a, b, beta=2),
        torch.einsum("bij,jk->bik", w, b), torch.einsum("bij,bkj->ik", w, w),
        torch.einsum("bii->bi", w[:, :, :3]), torch.matmul(v, b), F.linear(a, b.t()), w.mT @ a,
        F.bilinear(a, a, normal(2, 4, 4)), torch.trace(a[:, :3]), a.T,
    ]  # fmt: skip
    sum((f.sin().sum() for f in found), torch.zeros(()).double()).backward()
    show("algebra", *found, w.grad)


def shapes():
    x = normal(2, 3, 4, requires_grad=True)
    found = [
        x.reshape(6, 4), x.view(-1, 2), x.flatten(1), x.permute(2, 0, 1), x.transpose(0, 1),
        x[:, None].squeeze(1), x.unsqueeze(-1), x[0].expand(2, 3, 4), x.repeat(1, 2, 1),
        torch.cat([x, x * 2], dim=1), torch.stack((x, x), -1), *x.chunk(2, dim=2),
        *torch.split(x, [1, 2], dim=1), *x.unbind(0), x.flip(0, 2), x.roll(1, dims=2),
        x[0].tril(), torch.triu(x[1], 1), x.diagonal(dim1=1, dim2=2), F.pad(x, (1, 2)),
        F.pad(x, (1, 1), mode="reflect"), F.pad(x, (2, 0), mode="replicate"),
        F.pad(x, (1, 1), mode="circular"), x.unfold(2, 2, 1), x.movedim(0, 2), x.ravel(),
        F.unfold(x[None], (2, 2)), F.fold(normal(1, 8, 6), (3, 4), (2, 2)),
        torch.broadcast_to(x, (2, 2, 3, 4)), x.repeat_interleave(2, dim=0), x.tile((2,)),
    ]  # fmt: skip
    sum((f.square().sum() * (k + 1) for k, f in enumerate(found)), 0).backward()
    show("shapes", *found, x.grad)


def indexing():
    x = normal(4, 5, requires_grad=True)
    rows, mask = torch.tensor([3, 0, 3]), torch.tensor([True, False, True, True])
    found = [
        x[1], x[-1, 2], x[1:3, ::2], x[..., 0], x[None, 2:], x[rows], x[mask], x[x > 0],
        x[rows, torch.tensor([1, 4, 0])], x[[0, 2]], x[:, [1, 1]], x[rows, 1:3], x[mask, :, None],
        x.gather(1, torch.tensor([[0, 4], [1, 1], [2, 0], [3, 3]])), x.index_select(0, rows),
        x.masked_fill(mask[:, None], 2.0), torch.masked_select(x, x < 0), x.select(1, 2),
        x.narrow(0, 1, 2), torch.take_along_dim(x, x.argsort(1), 1),
        torch.zeros(4, 5).double().scatter(1, torch.tensor([[0], [1], [2], [3]]), x[:, :1]),
        torch.zeros(4, 5).double().scatter_add(0, torch.tensor([[1, 1, 0, 2, 1]]), x[:1]),
    ]  # fmt: skip
    sum((f.square().sum() * (k + 1) for k, f in enumerate(found)), 0).backward()
    show("indexing", *found, x.grad)


def assignment():
    x, w = normal(3, 4), normal(4, requires_grad=True)
    y = x.clone()
    y[0] = w
    y[1, 2:] = 5
    y[:, 0] = y[:, 0] * 2
    x[:, 3] *= 2
    y[y > 4] = -1.0
    y[torch.tensor([2, 2])] = w * 3
    y += w
    y.mul_(0.5).sub_(w, alpha=2).clamp_(-3, 3)
    y[1] = 0
    x[1].zero_()
    y.square().sum().backward()
    show("assignment", y, w.grad)
    p = normal(3, requires_grad=True)
    (p * p).sum().backward()
    with torch.no_grad():
        p -= 0.1 * p.grad
        p.grad.zero_()
    p.data.fill_(2.0)
    z = torch.zeros(3).double().copy_(p.detach()).add_(1).exp_()
    show("in place", p, p.grad, z, z.masked_fill_(z > 20, 0).fill_(3))
    q = p * 1
    q.sigmoid_().sum().backward()
    show("sigmoid_", p.grad)
    try:
        (p.exp() * p).sum().backward()
        r = p.exp()
        loss = (r * r).sum()
        r += 1
        loss.backward()
    except RuntimeError:
        show("changed in place", "refused")
    show("item", x[0, 0].item(), float(x[0, 1]), int(torch.tensor(3)), bool(torch.tensor(True)))
    show("lists", *x.tolist()[0], x.numpy().sum(), x.detach().cpu().numpy().mean())


# -- losses ----------------------------------------------------------------------------------


def losses():
    x, t = normal(5, 3), normal(5, 3)
    labels = torch.tensor([0, 2, 1, 1, 2])
    signs = torch.tensor([1.0, -1, 1, 1, -1], dtype=torch.float64)
    weight = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)
    p, q = t.sigmoid(), t.softmax(1)
    made = {
        "cross entropy": lambda x: nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)(
            x, labels
        ),
        "probabilities": lambda x: F.cross_entropy(x, q, reduction="sum"),
        "ignored": lambda x: F.cross_entropy(x, labels, ignore_index=1),
        "nll": lambda x: nn.NLLLoss(reduction="none")(x.log_softmax(1), labels).square().sum(),
        "mse": lambda x: nn.MSELoss()(x, t),
        "l1": lambda x: nn.L1Loss(reduction="sum")(x, t),
        "smooth l1": lambda x: nn.SmoothL1Loss(beta=0.5)(x, t),
        "huber": lambda x: nn.HuberLoss(delta=0.7)(x, t),
        "bce": lambda x: nn.BCELoss()(x.sigmoid(), p),
        "logits": lambda x: nn.BCEWithLogitsLoss(pos_weight=weight)(x, p),
        "kl": lambda x: nn.KLDivLoss(reduction="batchmean")(x.log_softmax(1), q),
        "hinge": lambda x: F.hinge_embedding_loss(x[:, 0], signs),
        "ranking": lambda x: F.margin_ranking_loss(x[:, 0], x[:, 1], signs, margin=0.2),
        "cosine": lambda x: F.cosine_embedding_loss(x, t, signs, margin=0.1),
        "triplet": lambda x: F.triplet_margin_loss(x, t, t.flip(0)),
        "poisson": lambda x: nn.PoissonNLLLoss(full=True)(x, t.exp()),
        "gaussian": lambda x: nn.GaussianNLLLoss()(x, t, p),
        "multi margin": lambda x: F.multi_margin_loss(x, labels, p=2),
    }
    for name, loss in made.items():
        leaf = x.clone().requires_grad_()
        value = loss(leaf)
        value.backward()
        show(name, value, leaf.grad)


def layers():
    x = normal(2, 4, 8, 8, requires_grad=True)
    w = normal(6, 2, 3, 3, requires_grad=True)
    found = [
        F.conv2d(x, w, stride=2, padding=1, dilation=2, groups=2), F.conv2d(x, normal(3, 4, 2, 2)),
        F.conv_transpose2d(x, normal(4, 2, 3, 3), stride=2, padding=1, output_padding=1),
        F.conv1d(x[:, :, 0], normal(2, 4, 3), padding="same"), F.max_pool2d(x, 3, 2, 1),
        F.max_pool2d(x, 3, stride=2, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, False, False),
        F.avg_pool2d(x, 2, divisor_override=3), F.max_pool1d(x[0], 2), F.avg_pool1d(x[0], 3, 2),
        F.adaptive_avg_pool2d(x, (3, 5)), F.adaptive_max_pool2d(x, 3), F.normalize(x, dim=1),
        F.cosine_similarity(x, normal(2, 4, 8, 8)), F.layer_norm(x, (8, 8)), F.group_norm(x, 2),
        F.interpolate(x, scale_factor=2), F.interpolate(x, size=(5, 3), mode="bilinear"),
        F.interpolate(x, size=(5, 9), mode="bilinear", align_corners=True), F.gelu(x), F.silu(x),
        F.batch_norm(x, torch.zeros(4).double(), torch.ones(4).double(), training=True),
    ]  # fmt: skip
    sum((f.sin().sum() for f in found), torch.zeros(()).double()).backward()
    show("layers", *found, x.grad, w.grad)
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    show("max pool indices", values, indices)


# -- higher derivatives ----------------------------------------------------------------------


def higher_order():
    net = nn.Sequential(nn.Linear(3, 5), nn.Softplus(), nn.Linear(5, 1)).to(torch.float64)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(normal(*p.shape))
    x = normal(4, 3, requires_grad=True)
    (gx,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    penalty = ((gx.norm(2, dim=1) - 1) ** 2).mean()
    penalty.backward()
    show(
        "gradient penalty", penalty, *[p.grad for p in net[::2].parameters() if p.grad is not None]
    )
    show("penalty, by the inputs", x.grad)
    y = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    g = (y.sin() * y.exp()) / (1 + y * y)
    orders = []
    for _ in range(5):
        (g,) = torch.autograd.grad(g, y, create_graph=True)
        orders.append(g.item())
    show("five orders", orders)
    w = [normal(3, 3, requires_grad=True)]
    for _ in range(3):
        loss = (torch.tanh(x.detach() @ w[-1]) ** 2).sum()
        (gw,) = torch.autograd.grad(loss, w[-1], create_graph=True)
        w.append(w[-1] - 0.1 * gw)
    (w[-1] ** 2).sum().backward()
    show("through three steps", w[-1], w[0].grad)

    def f(a, b):
        return (a @ b).sin(), (a * a).sum() * b.exp()

    a, b = normal(2, 3), normal(3)
    functional = torch.autograd.functional
    for row in functional.jacobian(f, (a, b)):
        show("jacobian", *row)
    for row in functional.hessian(lambda a, b: (a @ b).square().sum(), (a, b)):
        show("hessian", *row)
    show("vjp", *functional.vjp(f, (a, b), (normal(2), normal(3)))[1])
    show("jvp", *functional.jvp(f, (a, b), (normal(2, 3), normal(3)))[1])
    show("hvp", functional.hvp(lambda b: (a @ b).exp().sum(), b, normal(3))[1])
    show("vhp", functional.vhp(lambda b: (a @ b).exp().sum(), b, normal(3))[1])


def modes():
    x = normal(3, requires_grad=True)
    with torch.no_grad():
        show("no_grad", (x * 2).requires_grad, torch.is_grad_enabled())
        with torch.enable_grad():
            show("enable_grad", (x * 2).requires_grad)
    with torch.inference_mode():
        show("inference_mode", (x * 2).requires_grad)

    @torch.no_grad()
    def predict(x):
        return x * 3

    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.backward(torch.ones_like(y))
    show("retained", predict(x).requires_grad, y.grad, x.grad, y.is_leaf, x.is_leaf)
    show("detached", y.detach().requires_grad, y.grad_fn is not None, x.grad_fn is None)
    u, v = torch.autograd.grad(x.sum(), [x, y], allow_unused=True)
    show("unused", u, str(v))


if __name__ == "__main__":
    creation()
    arithmetic()
    reductions()
    algebra()
    shapes()
    indexing()
    assignment()
    losses()
    layers()
    higher_order()
    modes()
