"""How far a result is from its reference: restored pictures, classes of pixels, regions, objects."""

from __future__ import annotations

from aplomb.metrics.instances import (
    IOU_THRESHOLDS,
    Matching,
    PanopticQuality,
    instance_precision,
    match_instances,
    panoptic_quality,
)
from aplomb.metrics.partition import (
    RandError,
    VariationOfInformation,
    cells,
    membrane_rand_error,
    rand_error,
    variation_of_information,
)
from aplomb.metrics.ranking import (
    BestThreshold,
    PrecisionRecall,
    RocCurve,
    average_precision,
    best_dice,
    precision_recall_curve,
    roc_area,
    roc_curve,
)
from aplomb.metrics.restoration import eight_bit, mse, psnr, ssim
from aplomb.metrics.segmentation import confusion_matrix, dice, iou, mean_dice, mean_iou, pixel_error
from aplomb.metrics.warping import warp, warping_error

__all__ = [
    "IOU_THRESHOLDS",
    "BestThreshold",
    "Matching",
    "PanopticQuality",
    "PrecisionRecall",
    "RandError",
    "RocCurve",
    "VariationOfInformation",
    "average_precision",
    "best_dice",
    "cells",
    "confusion_matrix",
    "dice",
    "eight_bit",
    "instance_precision",
    "iou",
    "match_instances",
    "mean_dice",
    "mean_iou",
    "membrane_rand_error",
    "mse",
    "panoptic_quality",
    "pixel_error",
    "precision_recall_curve",
    "psnr",
    "rand_error",
    "roc_area",
    "roc_curve",
    "ssim",
    "variation_of_information",
    "warp",
    "warping_error",
]
