"""Dictionaries of atoms that are learned from pictures, for `aplomb.classical.sparse_coding` (extra `learn`).

`learn_atoms` learns from patches (scikit-learn's online dictionary learning); `refine_atoms` goes on with pieces of
pictures and the convolutional model, in which no atom has to be there in several shifts. To see them, as pictures:

    first_filters(dictionary(atoms).adjoint(), name="atoms").save("atoms.png")

with `aplomb.explanation.first_filters` and `aplomb.classical.sparse_coding.dictionary`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aplomb.classical.sparse_coding import dictionary, fista
from aplomb.errors import BadInput, ShapeError

__all__ = ["cosine_atoms", "learn_atoms", "refine_atoms", "unit_atoms"]

Doubles = npt.NDArray[np.float64]


def cosine_atoms(size: int = 8, channels: int = 1) -> Doubles:
    """Atoms that nobody has to learn: the size^2 - 1 cosines of a block that are not constant, in each channel.

    >>> cosine_atoms(8).shape, cosine_atoms(4, channels=3).shape
    ((63, 1, 8, 8), (45, 3, 4, 4))
    """
    from scipy.fft import dct

    if size < 2 or channels < 1:
        raise BadInput(f"cosines of {size} x {size} pixels in {channels} channels; give 2 or more, and 1 or more")
    waves = dct(np.eye(size), axis=0, norm="ortho")
    blocks = np.einsum("iy,jx->ijyx", waves, waves).reshape(-1, size, size)[1:]
    return np.asarray(np.einsum("cd,kyx->ckdyx", np.eye(channels), blocks).reshape(-1, channels, size, size))


def learn_atoms(
    pictures: Sequence[npt.ArrayLike],
    atoms: int = 64,
    size: int = 8,
    *,
    weight: float = 0.1,
    patches: int = 20_000,
    epochs: int = 5,
    seed: int = 0,
) -> Doubles:
    """Atoms in which patches of the pictures are sparse.

    .. math:: \\min_{D, c} \\sum_p \\tfrac12 \\|p - D c_p\\|^2 + \\lambda \\|c_p\\|_1, \\qquad \\|d_k\\| = 1

    over patches p without their means, by `sklearn.decomposition.MiniBatchDictionaryLearning`. Flat patches, which show
    nothing but noise, are left out.

    Parameters
    ----------
    pictures
        (H, W) or (H, W, C) each, floating point, 0..1, all of one number of channels; noise does little harm.
    atoms
        How many, K.
    size
        Side of an atom, in pixels.
    weight
        lambda, for patches scaled to a root mean square of 1.
    patches
        How many are drawn, from `seed`.
    epochs
        How often each is seen.

    Returns
    -------
    atoms
        (K, C, size, size), of norm 1 and mean 0 in each channel, the most used first.

    Raises
    ------
    BadInput
        Pictures that are flat, too small, not finite or not floating point, or scikit-learn is not installed.
    ShapeError
        Pictures of another number of dimensions or channels.

    References
    ----------
    Mairal, Bach, Ponce, Sapiro, "Online dictionary learning for sparse coding", ICML 2009.

    Examples
    --------
    >>> picture = np.sin(np.arange(40)[:, None] / 2) * np.ones(40)
    >>> learn_atoms([picture], 4, 6, patches=200).shape
    (4, 1, 6, 6)
    """
    stacks = _stacks(pictures, size)
    if atoms < 1 or patches < atoms or epochs < 1:
        raise BadInput(f"{atoms} atoms of {patches} patches seen {epochs} times: give 1 or more, and patches for each")
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([_patches(stack, size, -(-2 * patches // len(stacks)), rng) for stack in stacks])
    drawn -= drawn.mean(axis=(2, 3), keepdims=True)
    energy = np.square(drawn).mean(axis=(1, 2, 3))
    # half of what was drawn, that which shows most
    rows = drawn[np.argsort(-energy)[:patches]].reshape(-1, math.prod(drawn.shape[1:]))
    scale = math.sqrt(float(np.square(rows).mean()))
    if not scale > 1e-6:
        raise BadInput("the pictures are flat, so there is nothing to learn atoms from; give some with detail")
    rng.shuffle(rows)
    try:
        from sklearn.decomposition import MiniBatchDictionaryLearning
        from sklearn.exceptions import ConvergenceWarning
    except ImportError:
        raise BadInput("learning a dictionary needs scikit-learn: pip install 'aplomb[learn]'") from None
    learner = MiniBatchDictionaryLearning(
        atoms, alpha=weight * math.sqrt(rows.shape[1]), max_iter=epochs, batch_size=min(256, len(rows)),
        fit_algorithm="cd", transform_algorithm="lasso_cd", transform_alpha=weight * math.sqrt(rows.shape[1]),
        random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        # codes of one round need not be exact: the next round has other atoms
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(rows / scale)
    found = unit_atoms(np.asarray(learner.components_, np.float64).reshape(atoms, *drawn.shape[1:]))
    use = np.abs(rows[:2000] @ found.reshape(atoms, -1).T).mean(axis=0)
    return found[np.argsort(-use, kind="stable")]


def refine_atoms(
    pictures: Sequence[npt.ArrayLike],
    atoms: npt.ArrayLike,
    *,
    weight: float = 0.05,
    rounds: int = 40,
    side: int = 64,
    rate: float = 0.5,
    steps: int = 30,
    seed: int = 0,
) -> Doubles:
    """Atoms for the convolutional model, from those that are there: online gradient steps on whole pieces of pictures.

    .. math:: \\min_{d, c} \\tfrac12 \\Big\\|x - \\sum_k d_k * c_k\\Big\\|^2 + \\lambda \\|c\\|_1, \\qquad \\|d_k\\| = 1

    Each round draws a piece of a picture, codes it by `fista`, and moves the atoms against the gradient by a share
    `rate / sqrt(round)` of the step that the codes' energy allows. Pieces are taken without their local means.

    Parameters
    ----------
    pictures
        As for `learn_atoms`.
    atoms
        (K, C, h, w) to begin with, learned or random.
    weight
        lambda, in the units of the pictures.
    rounds, side
        Pieces, and pixels a side of each.
    rate, steps, seed
        Of the gradient steps, of `fista` for each piece, of the draw.

    Returns
    -------
    atoms
        (K, C, h, w), of norm 1 and mean 0 in each channel.

    Raises
    ------
    BadInput, ShapeError
        As `learn_atoms` does.

    References
    ----------
    Liu, Garcia-Cardona, Wohlberg, Yin, "First- and second-order methods for online convolutional dictionary learning",
    SIAM J. Imaging Sciences 11 (2), 2018.

    Examples
    --------
    >>> picture = np.sin(np.arange(40)[:, None] / 2) * np.ones(40)
    >>> start = np.random.default_rng(0).normal(size=(4, 1, 6, 6))
    >>> refine_atoms([picture], start, rounds=3, side=24, steps=5).shape
    (4, 1, 6, 6)
    """
    found = unit_atoms(np.asarray(atoms, np.float64))
    size = max(found.shape[2:])
    stacks = [_without_means(stack, size) for stack in _stacks(pictures, max(size, 2))]
    if stacks[0].shape[0] != found.shape[1]:
        raise ShapeError(f"atoms of shape {found.shape} for pictures of {stacks[0].shape[0]} channel(s)")
    if rounds < 1 or not rate > 0:
        raise BadInput(f"{rounds} rounds at a rate of {rate}; give 1 or more, and a rate above 0")
    rng = np.random.default_rng(seed)
    for number in range(1, rounds + 1):
        piece = _patches(stacks[rng.integers(len(stacks))], side, 1, rng)
        operator = dictionary(found)
        code = fista(operator, piece, weight, steps=steps).value
        gradient = _gradient(operator(code) - piece, code, found.shape[2:])
        # the energy of each atom's codes is the curvature that it has alone
        energy = np.square(code).sum(axis=(0, 2, 3)) + 1e-3 * float(np.square(code).sum()) + 1e-12
        found = unit_atoms(found - rate / math.sqrt(number) * gradient / energy[:, None, None, None])
    return found


def unit_atoms(atoms: Doubles) -> Doubles:
    """The same atoms without their means and with norm 1.

    >>> bool(np.isclose(np.square(unit_atoms(np.random.default_rng(0).random((2, 1, 4, 4)))).sum(), 2))
    True
    """
    if atoms.ndim != 4 or not atoms.size:
        raise ShapeError(f"atoms of shape {atoms.shape}; give (K, C, height, width)")
    centred = atoms - atoms.mean(axis=(2, 3), keepdims=True)
    norms = np.sqrt(np.square(centred).sum(axis=(1, 2, 3), keepdims=True))
    return np.asarray(centred / np.maximum(norms, 1e-12))


def _gradient(residual: Doubles, code: Doubles, size: Sequence[int]) -> Doubles:
    """Of 1/2 ||D c - x||^2 in the atoms: the correlation of what is left over with the codes."""
    pads = [(n - 1, n - 1) for n in size]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(residual, [(0, 0), (0, 0), *pads]), code.shape[2:], (2, 3)
    )
    return np.asarray(np.einsum("ncijhw,nkhw->kcij", windows, code, optimize=True))


def _stacks(pictures: Sequence[npt.ArrayLike], size: int) -> list[Doubles]:
    """Pictures as (C, H, W), checked."""
    found: list[Doubles] = []
    for number, given in enumerate(pictures):
        picture: Any = np.asarray(given)
        if picture.ndim not in (2, 3):
            raise ShapeError(f"picture {number} has shape {picture.shape}; give (H, W) or (H, W, C)")
        if not np.issubdtype(picture.dtype, np.floating) or not np.isfinite(picture).all():
            raise BadInput(f"picture {number} ({picture.dtype}) must be floating point and finite; scale it to 0..1")
        if min(picture.shape[:2]) < size:
            raise BadInput(f"picture {number} of {picture.shape[:2]} pixels is smaller than atoms of {size}")
        stack = picture[None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)
        if found and stack.shape[0] != found[0].shape[0]:
            raise ShapeError(f"picture {number} has {stack.shape[0]} channel(s), those before {found[0].shape[0]}")
        found.append(np.asarray(stack, np.float64))
    if not found or size < 2:
        raise BadInput(f"{len(found)} pictures, atoms of {size} pixels; give a picture or more, and 2 pixels or more")
    return found


def _patches(stack: Doubles, size: int, count: int, rng: np.random.Generator) -> Doubles:
    """`count` pieces (count, C, size, size) of a picture at random places; smaller where the picture is."""
    sides = [min(size, n) for n in stack.shape[1:]]
    corners = [rng.integers(0, n - side + 1, count) for n, side in zip(stack.shape[1:], sides, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(stack, sides, (1, 2))
    return np.asarray(windows[:, corners[0], corners[1]].swapaxes(0, 1), np.float64).copy()


def _without_means(stack: Doubles, size: int) -> Doubles:
    """A picture without what is smoother than its atoms, which constant atoms carry."""
    from scipy.ndimage import gaussian_filter

    smooth: Doubles = gaussian_filter(stack, (0, size / 2, size / 2), mode="mirror")
    return stack - smooth
