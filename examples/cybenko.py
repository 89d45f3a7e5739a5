"""Any continuous function is a sum of sigmoids: two make a step up and down, many such bumps make the rest.

You learn what a hidden layer is for. sigmoid(k (x - a)) is a step at a, the sharper the larger k; the difference of two
steps is a bump of width w; bumps side by side, each as high as the function there, come as near to it as one likes. All
of it is one expression, dense @ sigmoid @ dense, with weights that are written down and not trained. (Cybenko,
"Approximation by superpositions of a sigmoidal function", Mathematics of Control, Signals and Systems 2, 1989)
"""

import numpy as np

from aplomb import chain
from aplomb.layers import dense, sigmoid


def bumps(function, count, sharpness=20.0):
    """A network with one hidden layer of `count` + 1 sigmoids that is near to `function` on 0..1."""
    edges = np.linspace(0, 1, count + 1)
    heights = function((edges[:-1] + edges[1:]) / 2)
    # up at one edge and down at the next: at each edge the output rises by the difference of the heights beside it
    rises = np.diff(heights, prepend=0, append=0)
    edges[[0, -1]] += [-1 / count, 1 / count]  # the first and the last bump reach beyond the ends
    rise = {"0.weight": np.full((count + 1, 1), sharpness * count), "0.bias": -sharpness * count * edges}
    return chain(dense(1, count + 1), sigmoid, dense(count + 1, 1)).with_weights(
        {**rise, "2.weight": rises[None], "2.bias": np.zeros(1)}
    )


def hill(x):
    """A smooth bump: exp(1 - 1 / (1 - t^2)) for t = 4 (x - 1/2) between -1 and 1, zero elsewhere."""
    t2 = np.minimum((4 * (x - 0.5)) ** 2, 1 - 1e-9)
    return np.exp(1 - 1 / (1 - t2))


x = np.linspace(0, 1, 2001)
one = bumps(lambda x: np.ones_like(x), 1)
print("one bump: " + " ".join(f"f({v:g}) = {one(np.array([[v]]))[0, 0]:.2f}" for v in (-2.0, 0.0, 0.5, 1.0, 3.0)))
errors = {}
for count in (8, 32, 128, 512):
    net = bumps(hill, count)
    errors[count] = abs(net(x[:, None])[:, 0] - hill(x)).max()
    print(f"{count:>4} bumps, {net.parameters:>5} parameters: largest error {errors[count]:.4f}")

assert errors[512] < 0.01 < errors[8]
