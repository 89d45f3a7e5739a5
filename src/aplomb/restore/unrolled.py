"""An iteration of a fixed number of steps with a network in it, trained for one forward model and run like that.

The same text runs on arrays, with a frozen network and without torch, and on tensors, where the network is trained
through the data steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from aplomb.arrays import Array, like, namespace
from aplomb.degrade.radon import Radon
from aplomb.degrade.solve import resolvent
from aplomb.errors import BadInput
from aplomb.operator import Operator
from aplomb.restore.start import smoothest

__all__ = ["STARTS", "Start", "data_step", "start_at", "unrolled"]

Start = Literal["measured", "adjoint", "data-step", "smooth", "fbp"]
STARTS: tuple[Start, ...] = get_args(Start)


def unrolled(
    run: Callable[[Array], Array] | Sequence[Callable[[Array], Array]],
    forward: Operator,
    y: Array,
    start: str | Array = "adjoint",
    rates: Sequence[float] = (0.01,),
    *,
    tolerance: float = 1e-5,
    iterations: int = 20,
) -> Array:
    """A network and a data step by turns.

    .. math:: x_{k+1} = \\arg\\min_x \\|D x - y\\|^2 + r_k \\|x - N(x_k)\\|^2

    Parameters
    ----------
    run
        N, the network, on arrays or tensors of the kind that y is; or one for each rate.
    forward
        D, linear or affine.
    y
        The measurement, (N, C, H, W).
    start
        x_0 itself, or its name, see `start_at`.
    rates
        r_k, one for each step, above 0; none gives N(x_0), a network alone.
    tolerance, iterations
        Of the conjugate gradients, where D has no data step in closed form.

    Returns
    -------
    x
        (N, C, H, W), of the kind that y is.

    Raises
    ------
    BadInput
        Another start, a rate that is not above 0, networks that are not as many as the rates.

    References
    ----------
    H. Aggarwal, M. Mani, M. Jacob, "MoDL: Model-based deep learning architecture for inverse problems", IEEE TMI
    38 (2), 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from aplomb.layers import downsample
    >>> y = np.ones((1, 1, 2, 2))
    >>> x = unrolled(lambda x: x * 0 + 0.5, downsample(2), y, "adjoint", [0.25])
    >>> x[0, 0, 0].round(2).tolist()  # where it was measured, the network's 0.5 counts a fourth of that
    [0.9, 0.5, 0.9, 0.5]
    """
    runs = list(run) if isinstance(run, Sequence) else [run] * max(len(rates), 1)
    if len(runs) != max(len(rates), 1):
        raise BadInput(f"unrolled with {len(runs)} networks and {len(rates)} rates; give one network, or one a rate")
    x = start_at(y, forward, start, rates[0] if rates else 0.01) if isinstance(start, str) else start
    if not rates:
        return runs[0](x)
    for network, r in zip(runs, rates, strict=True):
        x = data_step(network(x), y, forward, r, tolerance, iterations)
    return x


def data_step(z: Array, y: Array, forward: Operator, r: float, tolerance: float = 1e-6, iterations: int = 100) -> Array:
    """The x that minimises ||D x - y||^2 + r ||x - z||^2, for D linear or affine.

    .. math:: x = z + (D^* D + r I)^{-1} D^* (y - D z)

    >>> import numpy as np
    >>> from aplomb.operator import identity
    >>> data_step(np.zeros((1, 1)), np.ones((1, 1)), identity, 1.0)
    array([[0.5]])
    """
    linear = forward.linear_part()
    # written for the change of z: what is solved for gets small, and so does the error of an iteration that ends early
    return z + resolvent(linear, r, tolerance, iterations)(linear.adjoint()(y - forward(z)))


def start_at(y: Array, forward: Operator, start: str = "adjoint", r: float = 0.01) -> Array:
    """Where an iteration begins.

    "measured" is y itself, "adjoint" D* (y - D 0), "data-step" (D* D + r I)^-1 of that, "smooth" the smoothest picture
    that explains y (see `aplomb.restore.start.smoothest`), and "fbp" the filtered back-projection of a sinogram of
    parallel beams.

    >>> import numpy as np
    >>> from aplomb.operator import identity
    >>> start_at(np.ones((1, 1)), 2.0 * identity, "data-step", 1.0)
    array([[0.4]])
    """
    if start == "measured":
        return y
    if start == "smooth":
        return smoothest(y, forward, iterations=30)
    back = forward.linear_part().adjoint()
    zero = 0.0 * back(y)
    if start == "adjoint":
        return back(y - forward(zero))
    if start == "data-step":
        return data_step(zero, y, forward, r)
    if start == "fbp":
        return _back_projected(y, forward)
    raise BadInput(f"asked to start at {start!r}, known are: {', '.join(STARTS)}")


def _back_projected(y: Array, forward: Operator) -> Array:
    """Sum of the sinogram behind a ramp filter, pi / (2 angles) D* (y * ramp).

    For parallel beams at angles that are spread evenly over half a turn.
    The ramp is sampled in space (A. Kak, M. Slaney, "Principles of computerized tomographic imaging", 1988, equation
    3.61), since one that is sampled in frequency loses the mean.
    """
    parts = list(forward.leaves())
    if len(parts) != 1 or not isinstance(parts[0], Radon):
        raise BadInput('filtered back-projection is for a forward model of parallel beams alone; start at "adjoint"')
    detectors, angles = y.shape[2:]
    size = 2 * detectors  # so that nothing wraps around
    distance = np.minimum(np.arange(size), size - np.arange(size))
    odd = distance % 2 == 1
    kernel = np.where(distance == 0, 0.25, np.where(odd, -1 / (np.pi * np.where(odd, distance, 1)) ** 2, 0.0))
    ramp = 2 * np.real(np.fft.rfft(kernel))
    xp = namespace(y)
    frequencies = xp.fft.rfft(y, n=size, axis=2)
    filtered = xp.fft.irfft(frequencies * like(ramp[:, None], xp.real(frequencies)), n=size, axis=2)[:, :, :detectors]
    return (np.pi / (2 * angles)) * forward.adjoint()(filtered)
