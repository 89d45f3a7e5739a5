"""Networks: one family a file, each an expression of the algebra. `NETWORKS` is the list of those with a name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aplomb.nets.dncnn import dncnn
from aplomb.nets.lean import lean
from aplomb.nets.lean_unet import lean_unet
from aplomb.nets.patch_mlp import patch_mlp
from aplomb.nets.rednet import rednet
from aplomb.nets.residual import residual
from aplomb.nets.stable import averaged, gradient_steps
from aplomb.nets.unet import unet, unet_denoiser
from aplomb.operator import Operator

NETWORKS: dict[str, Callable[..., Operator]] = {
    "residual-32": residual,
    "residual-3x16": partial(residual, layers=3, width=16),
    "residual-5x32": partial(residual, layers=5, width=32),
    "unet-epfl": unet,
    "unet-labels": partial(unet, labels=True),
    "unet-denoiser": unet_denoiser,
    "dncnn-17": dncnn,
    "red-10": partial(rednet, layers=10),
    "red-20": partial(rednet, layers=20),
    "red-30": partial(rednet, layers=30),
    "patch-mlp": patch_mlp,
    "lean-grey": lean,
    "lean-colour": partial(lean, channels=3, widths=(48, 48, 64), blocks=(2, 1, 1)),
    "lean-unet": lean_unet,
    "stable-grey": gradient_steps,
    "stable-colour": partial(gradient_steps, channels=3, width=64, scales=(4, 2) * 5),
    "averaged": averaged,
}
"""Makers of fresh networks by name; keyword arguments change the sizes."""

__all__ = [
    "NETWORKS",
    "averaged",
    "dncnn",
    "gradient_steps",
    "lean",
    "lean_unet",
    "patch_mlp",
    "rednet",
    "residual",
    "unet",
    "unet_denoiser",
]
