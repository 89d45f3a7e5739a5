"""Aplomb: image processing with convolutional networks that runs at once and says how far to trust it.

>>> import aplomb
>>> round(aplomb.psnr([[0.0, 0.5]], [[0.0, 0.6]]), 2)
23.01

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aplomb.certificate import Certificate, certify
    from aplomb.comparison import (
        ClassificationComparison,
        Comparison,
        SegmentationComparison,
        compare,
        compare_classification,
        compare_recovery,
        compare_segmentation,
    )
    from aplomb.degrade.forward import ForwardModel, read_forward
    from aplomb.errors import AplombError, BadInput, RunError
    from aplomb.explanation import Explanation, explain
    from aplomb.facts.table import Table, table
    from aplomb.metrics import mse, psnr, ssim
    from aplomb.model import Card, Model, freeze, load, shipped, thaw
    from aplomb.operator import Bound, Operator, chain, identity, stack
    from aplomb.recognise.classify import Classification, classify
    from aplomb.recognise.segment import Segmentation, segment
    from aplomb.restore.burst import BurstResult, burst
    from aplomb.restore.denoise import Result, denoise
    from aplomb.restore.estimate import ErrorEstimate, estimate_error
    from aplomb.restore.recover import Recovered, recover
    from aplomb.runtime.quantise import quantise

__version__ = "0.1.0"

_HOME = {
    "AplombError": "errors",
    "BadInput": "errors",
    "Bound": "operator",
    "BurstResult": "restore.burst",
    "Card": "model",
    "Certificate": "certificate",
    "Classification": "recognise.classify",
    "ClassificationComparison": "comparison",
    "Comparison": "comparison",
    "ErrorEstimate": "restore.estimate",
    "Explanation": "explanation",
    "ForwardModel": "degrade.forward",
    "Model": "model",
    "Operator": "operator",
    "Recovered": "restore.recover",
    "Result": "restore.denoise",
    "RunError": "errors",
    "Segmentation": "recognise.segment",
    "SegmentationComparison": "comparison",
    "Table": "facts.table",
    "burst": "restore.burst",
    "certify": "certificate",
    "chain": "operator",
    "classify": "recognise.classify",
    "compare": "comparison",
    "compare_classification": "comparison",
    "compare_recovery": "comparison",
    "compare_segmentation": "comparison",
    "denoise": "restore.denoise",
    "estimate_error": "restore.estimate",
    "explain": "explanation",
    "freeze": "model",
    "identity": "operator",
    "load": "model",
    "mse": "metrics",
    "psnr": "metrics",
    "quantise": "runtime.quantise",
    "read_forward": "degrade.forward",
    "recover": "restore.recover",
    "segment": "recognise.segment",
    "shipped": "model",
    "ssim": "metrics",
    "stack": "operator",
    "table": "facts.table",
    "thaw": "model",
}

__all__ = [
    "AplombError",
    "BadInput",
    "Bound",
    "BurstResult",
    "Card",
    "Certificate",
    "Classification",
    "ClassificationComparison",
    "Comparison",
    "ErrorEstimate",
    "Explanation",
    "ForwardModel",
    "Model",
    "Operator",
    "Recovered",
    "Result",
    "RunError",
    "Segmentation",
    "SegmentationComparison",
    "Table",
    "burst",
    "certify",
    "chain",
    "classify",
    "compare",
    "compare_classification",
    "compare_recovery",
    "compare_segmentation",
    "denoise",
    "estimate_error",
    "explain",
    "freeze",
    "identity",
    "load",
    "mse",
    "psnr",
    "quantise",
    "read_forward",
    "recover",
    "segment",
    "shipped",
    "ssim",
    "stack",
    "table",
    "thaw",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'aplomb' has no attribute {name!r}")
    # kept, so that the next use finds it without coming here
    globals()[name] = value = getattr(import_module(f"aplomb.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
