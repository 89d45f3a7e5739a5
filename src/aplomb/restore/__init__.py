"""Inverse problems, solved for files and arrays as people have them."""

from aplomb.restore.denoise import Result, denoise
from aplomb.restore.estimate import ErrorEstimate, estimate_error

__all__ = ["ErrorEstimate", "Result", "denoise", "estimate_error"]
