"""GoogLeNet: nine inception modules, and two heads halfway that help in training.

    inception = stack(1x1, 3x3 @ 1x1, 5x5 @ 1x1, 1x1 @ pool), a ReLU behind each convolution

With `heads` the expression ends in a stack inside a stack: the logits of the network, of the later head and of the
earlier one, side by side. The loss of training adds those of the heads, times 0.3; `main_branch` cuts them off again.
Reference: Szegedy et al., "Going deeper with convolutions", CVPR 2015.
"""

from __future__ import annotations

from aplomb.errors import BadInput
from aplomb.layers import (
    average_pool,
    conv,
    dense,
    dropout,
    flatten,
    global_average_pool,
    local_response_norm,
    max_pool,
    relu,
    softmax,
)
from aplomb.operator import Compose, Operator, Stack, chain, stack

Widths = tuple[int, int, int, int, int, int]
"""1x1; 3x3, reduced and full; 5x5, reduced and full; behind the pooling."""

# the window may reach one pixel beyond the picture: 112 pixels give 56, as in the paper
HALVE = max_pool(3, 2, padding=((0, 1), (0, 1)), exact=False)

THIRD: tuple[Widths, ...] = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
FOURTH: tuple[Widths, ...] = (
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
)  # fmt: skip
FIFTH: tuple[Widths, ...] = ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))


def googlenet(
    classes: int = 1000, inputs: int = 3, heads: bool = False, labels: bool = False, seed: int | None = 0
) -> Operator:
    """GoogLeNet for pictures of 224 x 224 pixels: logits, or with `labels` probabilities.

    With `heads`, for training, (N, 3 classes): logits of the network, of the head behind module 4d, of that behind 4a.

    >>> googlenet(seed=None).parameters, googlenet(heads=True, seed=None).parameters
    (6998552, 13378280)
    >>> main_branch(googlenet(heads=True, seed=None)) == googlenet(seed=None)
    True
    """
    if min(classes, inputs) < 1 or (heads and labels):
        raise BadInput(
            f"googlenet({classes}, {inputs}, heads={heads}, labels={labels}): give one class or more, one channel or "
            "more, and labels without heads, which are for training"
        )

    def head(channels: int) -> Operator:
        return chain(average_pool(5, 3), _conv(channels, 128, 1), flatten, dense(128 * 4 * 4, 1024, seed=None), relu,
                     dropout(0.7), dense(1024, classes, seed=None))  # fmt: skip

    stem = chain(
        _conv(inputs, 64, 7, stride=2), HALVE, local_response_norm(),
        _conv(64, 64, 1), _conv(64, 192, 3), local_response_norm(), HALVE,
    )  # fmt: skip
    end = chain(global_average_pool, flatten, dropout(0.4), dense(1024, classes, seed=None))
    first = chain(stem, _modules(192, THIRD), HALVE, _modules(480, FOURTH[:1]))
    second, third = _modules(512, FOURTH[1:4]), chain(_modules(528, FOURTH[4:]), HALVE, _modules(832, FIFTH), end)
    if heads:
        net = chain(first, stack(chain(second, stack(third, head(528))), head(512)))
    else:
        net = chain(first, second, third, *([softmax] if labels else []))
    return net if seed is None else net.initialise(seed)


def main_branch(network: Operator) -> Operator:
    """The network without its auxiliary heads: where it ends in a stack, the first part of it."""
    parts = network.parts if isinstance(network, Compose) else (network,)
    if not isinstance(parts[-1], Stack):
        return network
    return chain(*parts[:-1], main_branch(parts[-1].parts[0]))


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Operator:
    return chain(conv(inputs, outputs, size, stride=stride, exact=False, seed=None), relu)


def _modules(channels: int, sizes: tuple[Widths, ...]) -> Operator:
    """Inception modules one after the other."""
    parts = []
    for one, less3, three, less5, five, pooled in sizes:
        parts.append(
            stack(
                _conv(channels, one, 1),
                chain(_conv(channels, less3, 1), _conv(less3, three, 3)),
                chain(_conv(channels, less5, 1), _conv(less5, five, 5)),
                chain(max_pool(3, 1, padding=1), _conv(channels, pooled, 1)),
            )
        )
        channels = one + three + five + pooled
    return chain(*parts)
