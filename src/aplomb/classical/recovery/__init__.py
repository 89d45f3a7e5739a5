"""Classical recovery: what undoes a forward model y = D x + noise without a network.

A method is called with the measurement and the forward model, and says itself whether it fits:

>>> import numpy as np
>>> from aplomb.degrade.blur import blur
>>> from aplomb.degrade.forward import ForwardModel
>>> from aplomb.degrade.psf import disk
>>> model = ForwardModel(blur(disk(1), "circular"))
>>> picture = np.random.default_rng(0).random((1, 1, 16, 16))
>>> bool(abs(recovery("inverse-filter")(model.operator(picture), model) - picture).max() < 1e-8)
True
>>> recovery("sart").fits(model)
'it needs a forward model of one Radon transform, radon or fan_beam, and nothing else'

Defaults that depend on the noise were chosen for PSNR at a few levels on single pictures: 01 of set12 for blur, masks,
compressed sensing and interference, 01 and 05 for blind deconvolution, one slice each of mri and ct (`APLOMB_DATA`).
`benchmarks/recover_classical.py` prints what they reach.
"""

from __future__ import annotations

from aplomb.classical.recovery.anscombe import Anscombe
from aplomb.classical.recovery.base import Recovery
from aplomb.classical.recovery.blind import BlindDeconvolution, estimate_psf
from aplomb.classical.recovery.deconvolve import ConstrainedLeastSquares, InverseFilter, RichardsonLucy, Wiener
from aplomb.classical.recovery.inpaint import Biharmonic
from aplomb.classical.recovery.interpolate import BicubicUpsampling, BilinearDemosaicking, MalvarDemosaicking
from aplomb.classical.recovery.kspace import Gridded, ZeroFilled, gridded_inverse
from aplomb.classical.recovery.periodic import BandReject, OptimumNotch, spikes
from aplomb.classical.recovery.tomography import SART, FilteredBackProjection
from aplomb.classical.recovery.variation import TotalVariationRecovery
from aplomb.classical.recovery.wavelets import FISTA, ISTA
from aplomb.degrade.forward import ForwardModel
from aplomb.errors import BadInput

__all__ = [
    "FISTA",
    "ISTA",
    "RECOVERIES",
    "SART",
    "Anscombe",
    "BandReject",
    "BicubicUpsampling",
    "Biharmonic",
    "BilinearDemosaicking",
    "BlindDeconvolution",
    "ConstrainedLeastSquares",
    "FilteredBackProjection",
    "Gridded",
    "InverseFilter",
    "MalvarDemosaicking",
    "OptimumNotch",
    "Recovery",
    "RichardsonLucy",
    "TotalVariationRecovery",
    "Wiener",
    "ZeroFilled",
    "estimate_psf",
    "fitting",
    "gridded_inverse",
    "recovery",
    "spikes",
]

RECOVERIES: dict[str, Recovery] = {
    method.name: method
    for method in (
        InverseFilter(),
        Wiener(),
        ConstrainedLeastSquares(),
        RichardsonLucy(),
        BlindDeconvolution(),
        BandReject(),
        OptimumNotch(),
        BicubicUpsampling(),
        BilinearDemosaicking(),
        MalvarDemosaicking(),
        Biharmonic(),
        ZeroFilled(),
        Gridded(),
        FilteredBackProjection(),
        SART(),
        Anscombe(),
        TotalVariationRecovery(),
        ISTA(),
        FISTA(),
    )
}
"""The recoveries by name, called as ``method(y, forward)``: those for one degradation first, those for any last."""


def recovery(name: str) -> Recovery:
    """The recovery of that name, with its defaults; BadInput with the known names if there is none.

    >>> recovery("bicubic")
    BicubicUpsampling()
    """
    if name not in RECOVERIES:
        raise BadInput(f"asked for the recovery {name!r}, known are: {', '.join(RECOVERIES)}")
    return RECOVERIES[name]


def fitting(forward: ForwardModel) -> dict[str, Recovery]:
    """The recoveries that fit this forward model, by name.

    >>> from aplomb.degrade.sample import mosaic
    >>> ", ".join(fitting(ForwardModel(mosaic())))  # doctest: +ELLIPSIS
    'bilinear-demosaicking, malvar-demosaicking, total-variation, wavelet-ista, wavelet-fista'
    """
    return {name: method for name, method in RECOVERIES.items() if not method.fits(forward)}
