"""Weights that others trained: the names of torchvision (and timm, for ResNet) put onto our networks.

A state dict is a mapping from names to arrays; `read_state_dict` reads one from a file. Which name belongs to which
layer is written down here once, in the order in which the layers are applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from aplomb.arrays import Array
from aplomb.errors import ModelError
from aplomb.nets.resnet import BLOCKS, resnet, resnet_cifar
from aplomb.nets.vgg import STAGES, vgg
from aplomb.operator import Operator

OTHERS = {
    "alexnet": "torchvision's is a later variant in one group, without response norms (61,100,840 parameters)",
    "googlenet": "torchvision's is a later variant, with batch norms and 3x3 in place of the 5x5 convolutions",
}
"""Networks whose namesakes elsewhere have other layers."""

THEIR_FIELDS = {"mean": "running_mean", "variance": "running_var"}
UNUSED = "num_batches_tracked"


def from_state_dict(network: str, arrays: Mapping[str, Array]) -> Operator:
    """The network of `NETWORKS` with that name, with the weights of a state dict in torchvision's names.

    Classes and input channels are those of the arrays. Known are "vgg-11" to "vgg-19" and "resnet-18" to "resnet-152"
    as in torchvision (timm's ResNets have the same names), and "resnet-20-cifar" to "resnet-110-cifar" likewise.

    Raises ModelError, with the first names, where names or shapes do not fit.

    >>> theirs = {f"features.{i}.weight": np.zeros((64, 3, 3, 3)) for i in range(2)}
    >>> from_state_dict("vgg-11", theirs)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    aplomb.errors.ModelError: the arrays are no vgg-11 in torchvision's names: 21 missing (classifier.0.bias, ...
    """
    if network not in _MAPS:
        why = f"{OTHERS[network]}, not ours" if network in OTHERS else "no names are known for it"
        raise ModelError(f"weights for {network} cannot be taken from a state dict: {why}; known: {', '.join(_MAPS)}")
    theirs = {name.removeprefix("module."): np.asarray(value) for name, value in arrays.items()}
    theirs = {name: value for name, value in theirs.items() if not name.endswith(UNUSED)}
    maker, modules = _MAPS[network]
    names = [*modules]
    if names[-1] == "fc" and "linear.weight" in theirs:  # what some call it
        names[-1] = "linear"
    sizes = {}
    for argument, module, axis in (("inputs", names[0], 1), ("classes", names[-1], 0)):
        shape = getattr(theirs.get(f"{module}.weight"), "shape", ())
        if len(shape) > axis and shape[axis]:
            sizes[argument] = int(shape[axis])
    net = maker(seed=None, **sizes)
    places = _places(net, names)
    missing, unknown = sorted(set(places.values()) - set(theirs)), sorted(set(theirs) - set(places.values()))
    if missing or unknown:
        found = [f"{len(n)} {word} ({', '.join(n[:2])}{', ...' * (len(n) > 2)})"
                 for n, word in ((missing, "missing"), (unknown, "not known")) if n]  # fmt: skip
        raise ModelError(
            f"the arrays are no {network} in torchvision's names: {' and '.join(found)}; give another name"
        )
    weights, taken = net.weights(), {}
    for mine, name in places.items():
        if theirs[name].shape != weights[mine].shape or theirs[name].dtype.kind not in "fiu":
            raise ModelError(
                f"{name} of shape {theirs[name].shape}, {theirs[name].dtype}, does not fit {network}, which has "
                f"{weights[mine].shape} numbers there; give the state dict of a {network}"
            )
        with np.errstate(over="ignore"):
            taken[mine] = theirs[name].astype(np.float32, copy=False)
        if not np.isfinite(taken[mine]).all():
            raise ModelError(f"{name} has values that float32 cannot hold; get the weights again")
    return net.with_weights(taken)


def _places(net: Operator, modules: list[str]) -> dict[str, str]:
    """Our names of weights -> theirs; layers with weights come in the order of `modules`."""
    left, found, index = iter(modules), {}, ""
    module = ""
    for mine in net.weights():
        leaf, _, field = mine.partition(".")
        if leaf != index:
            index, module = leaf, next(left)
        found[mine] = f"{module}.{THEIR_FIELDS.get(field, field)}"
    assert next(left, None) is None
    return found


def _resnet(layers: int) -> Iterator[str]:
    """conv1, bn1, layer1.0.conv1, layer1.0.bn1, ..., fc."""
    bottleneck = layers >= 50
    yield from ("conv1", "bn1")
    for stage, count in enumerate(BLOCKS[layers], 1):
        for number in range(count):
            yield from _block(f"layer{stage}.{number}", 3 if bottleneck else 2)
            if number == 0 and (stage > 1 or bottleneck):
                yield from (f"layer{stage}.0.downsample.{part}" for part in (0, 1))
    yield "fc"


def _resnet_cifar(layers: int) -> Iterator[str]:
    yield from ("conv1", "bn1")
    for stage in (1, 2, 3):
        for number in range((layers - 2) // 6):
            yield from _block(f"layer{stage}.{number}", 2)
    yield "fc"


def _block(where: str, convolutions: int) -> Iterator[str]:
    for number in range(1, convolutions + 1):
        yield from (f"{where}.conv{number}", f"{where}.bn{number}")


def _vgg(layers: int) -> Iterator[str]:
    """features.0, features.2, ...: every ReLU and every pooling has a number, too."""
    number = 0
    for count in STAGES[layers]:
        for _ in range(count):
            yield f"features.{number}"
            number += 2
        number += 1
    yield from (f"classifier.{number}" for number in (0, 3, 6))


_MAPS: dict[str, tuple[Callable[..., Operator], tuple[str, ...]]] = {
    **{f"vgg-{n}": (partial(vgg, layers=n), tuple(_vgg(n))) for n in STAGES},
    **{f"resnet-{n}": (partial(resnet, layers=n), tuple(_resnet(n))) for n in BLOCKS},
    **{
        f"resnet-{n}-cifar": (partial(resnet_cifar, layers=n), tuple(_resnet_cifar(n)))
        for n in (20, 32, 44, 56, 110)
    },
}  # fmt: skip
