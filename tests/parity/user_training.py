"""Data, every optimizer and scheduler, and surgery, as a PyTorch user writes them.

Run as a module with LIBRARY=torch or LIBRARY=nnlite: only the import lines differ.
"""

import copy
import os

import numpy as np

from tests.parity.report import show

if os.environ["LIBRARY"] == "torch":
    import torch
    import torch.nn.functional as F
    from torch import nn, optim
    from torch.optim import lr_scheduler
    from torch.utils.data import DataLoader, Dataset, Sampler, Subset, TensorDataset
else:
    import nnlite as torch
    import nnlite.nn.functional as F
    from nnlite import nn, optim
    from nnlite.optim import lr_scheduler
    from nnlite.utils.data import DataLoader, Dataset, Sampler, Subset, TensorDataset

RNG = np.random.default_rng(21)


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


# -- data ------------------------------------------------------------------------------------


class Spirals(Dataset):
    """Two classes; each item a point and its class."""

    def __init__(self, n):
        t = np.linspace(0.5, 3, n)
        self.points = np.stack([t * np.cos(4 * t), t * np.sin(4 * t)], 1)
        self.points[1::2] *= -1

    def __len__(self):
        return len(self.points)

    def __getitem__(self, i):
        return torch.from_numpy(self.points[i]), i % 2


class Strided(Sampler):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter([(7 * i) % self.n for i in range(self.n)])

    def __len__(self):
        return self.n


def data():
    loader = DataLoader(Spirals(10), batch_size=4, sampler=Strided(10))
    show("loader", len(loader), len(loader.dataset))
    for points, labels in loader:
        show("batch", points, labels, str(labels.dtype == torch.int64))
    x, y = normal(9, 2), torch.arange(9)
    tensors = TensorDataset(x, y)
    for a, b in DataLoader(Subset(tensors, [8, 1, 5, 3, 2]), batch_size=2, drop_last=True):
        show("subset", a, b)
    collate = DataLoader(tensors, batch_size=5, collate_fn=lambda items: [b for _, b in items])
    show("collate", *[b for batch in collate for b in batch])


def classifier():
    return fill(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).to(torch.float64), 0.7)


def train(model, optimizer, epochs=2, scheduler=None):
    loader = DataLoader(Spirals(24), batch_size=8)
    losses = []
    for _ in range(epochs):
        for points, labels in loader:

            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(points), labels)  # noqa: B023
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
        if scheduler is not None:
            scheduler.step()
    return losses


def accuracy(model):
    correct = total = 0
    with torch.no_grad():
        for points, labels in DataLoader(Spirals(24), batch_size=7):
            correct += (model(points).argmax(dim=1) == labels).sum().item()
            total += labels.size(0)
    return correct / total


# -- optimizers ------------------------------------------------------------------------------


def optimizers():
    made = {
        "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
        "SGD dampened": lambda p: optim.SGD(p, lr=0.1, momentum=0.8, dampening=0.3),
        "Adam": lambda p: optim.Adam(p, lr=0.05, betas=(0.8, 0.95), amsgrad=True),
        "AdamW": lambda p: optim.AdamW(p, lr=0.05, weight_decay=0.1),
        "NAdam": lambda p: optim.NAdam(p, lr=0.05),
        "RAdam": lambda p: optim.RAdam(p, lr=0.05),
        "Adamax": lambda p: optim.Adamax(p, lr=0.05),
        "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.01),
        "Adadelta": lambda p: optim.Adadelta(p, lr=1.0, rho=0.8),
        "RMSprop": lambda p: optim.RMSprop(p, lr=0.02, momentum=0.5, centered=True),
        "Rprop": lambda p: optim.Rprop(p, lr=0.02),
        # PyTorch keeps the decayed rate in float32: here it has none to round
        "ASGD": lambda p: optim.ASGD(p, lr=0.125, lambd=0, t0=2),
        "LBFGS": lambda p: optim.LBFGS(p, lr=1, max_iter=5, line_search_fn="strong_wolfe"),
    }
    for name, make in made.items():
        model = classifier()
        optimizer = make(model.parameters())
        show(name, train(model, optimizer), model[0].weight, model[2].bias)
        show(f"{name} accuracy", accuracy(model), len(optimizer.state_dict()["state"]))


def sparse():
    embedding = fill(nn.Embedding(6, 3, sparse=True).to(torch.float64))
    optimizer = optim.SparseAdam(list(embedding.parameters()), lr=0.1)
    for indices in ([0, 2, 2], [5, 0, 1], [2, 3, 2]):
        optimizer.zero_grad()
        embedding(torch.tensor(indices)).square().sum().backward()
        optimizer.step()
        show("SparseAdam", embedding.weight)


def groups_and_resume():
    model = classifier()
    optimizer = optim.Adam(
        [
            {"params": model[0].parameters()},
            {"params": [model[2].weight, model[2].bias], "lr": 0.2, "weight_decay": 0.1},
        ],
        lr=0.05,
    )
    scheduler = lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    show("groups", train(model, optimizer, 1, scheduler), scheduler.get_last_lr())
    again = classifier()
    again.load_state_dict(model.state_dict())
    other = optim.Adam([{"params": again[0].parameters()}, {"params": again[2].parameters()}])
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    resumed = lr_scheduler.StepLR(other, step_size=1, gamma=0.5)
    resumed.load_state_dict(scheduler.state_dict())
    show("resumed", train(again, other, 2, resumed), [g["lr"] for g in other.param_groups])
    show("not resumed", train(model, optimizer, 2, scheduler), scheduler.last_epoch)


# -- schedulers ------------------------------------------------------------------------------


def chained(o):
    first = lr_scheduler.ConstantLR(o, factor=0.5, total_iters=3)
    return lr_scheduler.ChainedScheduler([first, lr_scheduler.ExponentialLR(o, gamma=0.9)])


def sequential(o):
    parts = [
        lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=3),
        lr_scheduler.CosineAnnealingLR(o, T_max=6),
    ]
    return lr_scheduler.SequentialLR(o, schedulers=parts, milestones=[3])


SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lr_lambda=lambda epoch: 0.95**epoch),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.9 + epoch / 50),
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, milestones=[2, 5], gamma=0.2),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, factor=0.3, total_iters=4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, start_factor=0.2, total_iters=5),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(
        o, T_0=2, T_mult=2
    ),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(
        o, base_lr=0.01, max_lr=0.2, step_size_up=3, mode="triangular2"
    ),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.3, total_steps=12),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, total_iters=7, power=2),
    "ChainedScheduler": chained,
    "SequentialLR": sequential,
}


def schedulers():
    for name, make in SCHEDULERS.items():
        model = classifier()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = make(optimizer)
        rates = [optimizer.param_groups[0]["lr"]]
        for _ in range(10):
            optimizer.zero_grad()
            F.cross_entropy(model(normal(4, 2)), torch.tensor([0, 1, 1, 0])).backward()
            optimizer.step()
            scheduler.step()
            rates.append(optimizer.param_groups[0]["lr"])
        show(name, rates, scheduler.get_last_lr(), optimizer.param_groups[0]["momentum"])
        show(f"{name} weights", model[0].weight)


def plateau():
    model = classifier()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="min", factor=0.3, patience=1, threshold=0.05, cooldown=1
    )
    for _ in range(8):
        losses = train(model, optimizer, 1)
        scheduler.step(sum(losses) / len(losses))
        show("ReduceLROnPlateau", losses, optimizer.param_groups[0]["lr"], scheduler.num_bad_epochs)


# -- surgery ---------------------------------------------------------------------------------


def init_weights(module):
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 0.05)
        nn.init.zeros_(module.bias)


def surgery():
    model = classifier()
    model.apply(init_weights)
    show("applied", *model.state_dict().values())
    fill(model)
    model[2] = fill(nn.Linear(8, 3).to(torch.float64))
    model.add_module("scale", nn.Softplus())
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.SGD(trainable, lr=0.1)
    before = model[0].weight.clone()
    loss = F.mse_loss(model(normal(5, 2)), torch.zeros(5, 3, dtype=torch.float64))
    loss.backward()
    optimizer.step()
    show("frozen", loss, bool((model[0].weight == before).all()), model[2].weight)
    show("no gradient", str(model[0].weight.grad), len(trainable))
    show("named", *[name for name, _ in model.named_children()])

    seen = []
    handle = model[1].register_forward_hook(lambda m, args, out: seen.append(out.sum().item()))
    doubled = model[0].register_forward_pre_hook(lambda m, args: (2 * args[0],))
    backward = model[2].register_full_backward_hook(
        lambda m, gx, gy: seen.extend([gx[0].sum().item(), gy[0].sum().item()])
    )
    x = normal(4, 2, requires_grad=True)
    x.register_hook(lambda g: g * 3)
    model(x).sum().backward()
    show("hooked", seen, x.grad)
    for h in (handle, doubled, backward):
        h.remove()
    model(x)
    show("unhooked", len(seen))

    state = model.state_dict()
    state = {name.replace("0.", "first.").replace("2.", "last."): v for name, v in state.items()}
    renamed = nn.Sequential()
    renamed.add_module("first", nn.Linear(2, 8))
    renamed.add_module("act", nn.Tanh())
    renamed.add_module("last", nn.Linear(8, 3))
    renamed.to(torch.float64).load_state_dict(state)
    show("renamed", renamed(x), *renamed.state_dict())
    del state["last.bias"]
    missing, unexpected = renamed.load_state_dict(state, strict=False)
    show("not strict", *missing, *unexpected)
    try:
        renamed.load_state_dict(state)
    except RuntimeError:
        show("strict", "refused")
    encoder = nn.Sequential(*list(renamed.children())[:-1])
    show("cut", encoder(x), len(encoder), repr(encoder[1]))
    show("sliced", renamed[:2](x), type(renamed[:2]).__name__)
    tied = nn.Linear(8, 2, bias=False).to(torch.float64)
    tied.weight = nn.Parameter(renamed.first.weight.detach().t().clone())
    show("tied", tied(encoder(x)), isinstance(tied.weight, nn.Parameter))
    modules = nn.ModuleList([nn.Linear(1, 1)])
    modules.append(nn.ReLU())
    modules.extend([nn.Tanh()])
    modules.insert(1, nn.Identity())
    show("list", len(modules), *[type(m).__name__ for m in modules], repr(modules[-1]))
    dictionary = nn.ModuleDict({"a": nn.ReLU()})
    dictionary["b"] = nn.Linear(1, 2)
    dictionary.update({"c": nn.Tanh()})
    show("dict", *dictionary.keys(), str("b" in dictionary), type(dictionary.pop("a")).__name__)
    vector = nn.utils.parameters_to_vector(renamed.parameters())
    nn.utils.vector_to_parameters(vector * 2, renamed.parameters())
    show("vector", vector, renamed.last.weight)


if __name__ == "__main__":
    data()
    optimizers()
    sparse()
    groups_and_resume()
    schedulers()
    plateau()
    surgery()
