"""The perceptron, and the multilayer perceptron.

    perceptron = step @ dense        mlp = dense @ (relu @ dense)^L @ flatten

One layer separates classes by a hyperplane, so it cannot be XOR; one hidden layer can (Minsky, Papert, "Perceptrons",
1969). The sizes of `mlp` are those of system B3 of the source documents, LeCun et al., "Gradient-based learning applied
to document recognition", Proc. IEEE 86(11), 1998.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from aplomb.errors import BadInput
from aplomb.layers import dense, flatten, relu, sigmoid, softmax, step, tanh
from aplomb.operator import Operator, chain


def perceptron(inputs: int = 2, outputs: int = 1, seed: int = 0) -> Operator:
    """Rosenblatt's perceptron on vectors: 1 where w x + b > 0, else 0.

    >>> perceptron(2).parameters, perceptron(2).output_shape((4, 2))
    (3, (4, 1))
    """
    return chain(dense(inputs, outputs, seed=seed), step)


def mlp(
    sizes: Sequence[int] = (784, 300, 100, 10),
    activation: Literal["relu", "tanh", "sigmoid"] = "relu",
    labels: bool = False,
    seed: int | None = 0,
) -> Operator:
    """Multilayer perceptron on pictures of ``sizes[0]`` values in all, with ``sizes[-1]`` classes: logits.

    With `labels` a softmax makes probabilities of them. A `seed` of None leaves the weights at zero.

    >>> net = mlp()
    >>> net.output_shape((5, 1, 28, 28)), [leaf.parameters for leaf in net.leaves() if leaf.parameters]
    ((5, 10), [235500, 30100, 1010])
    """
    known = {"relu": relu, "tanh": tanh, "sigmoid": sigmoid}
    if len(sizes) < 2 or min(sizes) < 1 or activation not in known:
        raise BadInput(
            f"mlp(sizes={tuple(sizes)}, activation={activation!r}): give two positive sizes or more, and one of "
            f"{', '.join(known)}"
        )
    layers = [dense(a, b, seed=None) for a, b in pairwise(sizes)]
    hidden = [part for layer in layers[:-1] for part in (layer, known[activation])]
    net = chain(flatten, *hidden, layers[-1], *([softmax] if labels else []))
    return net if seed is None else net.initialise(seed)
