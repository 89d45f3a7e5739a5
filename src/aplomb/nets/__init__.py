"""Networks: one family a file, each an expression of the algebra. `NETWORKS` is the list of those with a name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aplomb.nets.alexnet import alexnet
from aplomb.nets.burst_weights import burst_weights
from aplomb.nets.dncnn import dncnn
from aplomb.nets.fully_convolutional import fully_convolutional
from aplomb.nets.googlenet import googlenet, main_branch
from aplomb.nets.hopfield import hopfield
from aplomb.nets.isp import demosaic, isp
from aplomb.nets.lean import lean
from aplomb.nets.lean_unet import lean_unet
from aplomb.nets.learned_ista import learned_ista, thresholding_network, unrolled_ista
from aplomb.nets.lenet import lenet
from aplomb.nets.mlp import mlp, perceptron
from aplomb.nets.names import from_state_dict
from aplomb.nets.patch_mlp import patch_mlp
from aplomb.nets.pattern import pattern
from aplomb.nets.rednet import rednet
from aplomb.nets.residual import residual
from aplomb.nets.resnet import resnet, resnet_cifar
from aplomb.nets.stable import averaged, gradient_steps
from aplomb.nets.state_dict import read_state_dict
from aplomb.nets.unet import unet, unet_denoiser
from aplomb.nets.unet_valid import unet_valid
from aplomb.nets.upscale import upscale
from aplomb.nets.vgg import vgg
from aplomb.nets.wavelet import wavelet
from aplomb.nets.wide_resnet import wide_resnet
from aplomb.operator import Operator

CLASSIFIERS: dict[str, Callable[..., Operator]] = {
    "mlp-mnist": mlp,
    "lenet-5": lenet,
    "pattern": pattern,
    "alexnet": alexnet,
    **{f"vgg-{layers}": partial(vgg, layers=layers) for layers in (11, 13, 16, 19)},
    "googlenet": googlenet,
    **{f"resnet-{layers}": partial(resnet, layers=layers) for layers in (18, 34, 50, 101, 152)},
    **{f"resnet-{layers}-cifar": partial(resnet_cifar, layers=layers) for layers in (20, 32, 44, 56, 110)},
    "wrn-28-10": wide_resnet,
}
"""Those that give a vector of logits, one for each class; with ``labels=True``, probabilities."""

NETWORKS: dict[str, Callable[..., Operator]] = {
    "residual-32": residual,
    "residual-3x16": partial(residual, layers=3, width=16),
    "residual-5x32": partial(residual, layers=5, width=32),
    "unet-epfl": unet,
    "unet-labels": partial(unet, labels=True),
    "unet-denoiser": unet_denoiser,
    "unet-2015": unet_valid,
    "dncnn-17": dncnn,
    "red-10": partial(rednet, layers=10),
    "red-20": partial(rednet, layers=20),
    "red-30": partial(rednet, layers=30),
    "patch-mlp": patch_mlp,
    "lean-grey": lean,
    "lean-colour": partial(lean, channels=3, widths=(48, 48, 64), blocks=(2, 1, 1)),
    "lean-unet": lean_unet,
    "learned-ista": learned_ista,
    "stable-grey": gradient_steps,
    "stable-colour": partial(gradient_steps, channels=3, width=64, scales=(4, 2) * 5),
    "averaged": averaged,
    "upscale": upscale,
    "demosaic": demosaic,
    "isp": isp,
    "wavelet": wavelet,
    **CLASSIFIERS,
}
"""Makers of fresh networks by name; keyword arguments change the sizes."""

__all__ = [
    "CLASSIFIERS",
    "NETWORKS",
    "alexnet",
    "averaged",
    "burst_weights",
    "demosaic",
    "dncnn",
    "from_state_dict",
    "fully_convolutional",
    "googlenet",
    "gradient_steps",
    "hopfield",
    "isp",
    "lean",
    "lean_unet",
    "learned_ista",
    "lenet",
    "main_branch",
    "mlp",
    "patch_mlp",
    "pattern",
    "perceptron",
    "read_state_dict",
    "rednet",
    "residual",
    "resnet",
    "resnet_cifar",
    "thresholding_network",
    "unet",
    "unet_denoiser",
    "unet_valid",
    "unrolled_ista",
    "upscale",
    "vgg",
    "wavelet",
    "wide_resnet",
]
