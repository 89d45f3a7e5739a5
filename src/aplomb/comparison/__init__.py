"""Methods side by side on the same pictures, as table, figure and page: of denoising, recovering, recognising."""

from __future__ import annotations

from aplomb.comparison.classification import ClassificationComparison
from aplomb.comparison.classifying import compare_classification
from aplomb.comparison.methods import Method
from aplomb.comparison.recovering import compare_recovery
from aplomb.comparison.result import Comparison, Example, Row, Score
from aplomb.comparison.run import compare
from aplomb.comparison.segmentation import SegmentationComparison
from aplomb.comparison.segmenting import compare_segmentation

__all__ = [
    "ClassificationComparison",
    "Comparison",
    "Example",
    "Method",
    "Row",
    "Score",
    "SegmentationComparison",
    "compare",
    "compare_classification",
    "compare_recovery",
    "compare_segmentation",
]
