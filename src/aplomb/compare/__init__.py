"""Methods side by side on the same noisy pictures: PSNR, SSIM and time, as a table, a figure and a page."""

from __future__ import annotations

from aplomb.compare.comparison import Comparison, Example, Row, Score
from aplomb.compare.methods import Method
from aplomb.compare.run import compare

__all__ = ["Comparison", "Example", "Method", "Row", "Score", "compare"]
