"""Methods side by side on the same noisy pictures: PSNR, SSIM and time, as a table, a figure and a page."""

from __future__ import annotations

from aplomb.comparison.methods import Method
from aplomb.comparison.result import Comparison, Example, Row, Score
from aplomb.comparison.run import compare

__all__ = ["Comparison", "Example", "Method", "Row", "Score", "compare"]
