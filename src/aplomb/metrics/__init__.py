"""How far a result is from its reference: restored pictures, classes of pixels, regions, objects, whole pictures."""

from __future__ import annotations

from aplomb.metrics.calibration import (
    Reliability,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    tempered,
)
from aplomb.metrics.classification import ClassScores, accuracy, class_scores, top_k
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
from aplomb.metrics.significance import (
    Interval,
    McNemar,
    mcnemar,
    mean_interval,
    paired_difference,
    proportion_interval,
)
from aplomb.metrics.warping import warp, warping_error

__all__ = [
    "IOU_THRESHOLDS",
    "BestThreshold",
    "ClassScores",
    "Interval",
    "Matching",
    "McNemar",
    "PanopticQuality",
    "PrecisionRecall",
    "RandError",
    "Reliability",
    "RocCurve",
    "VariationOfInformation",
    "accuracy",
    "average_precision",
    "best_dice",
    "cells",
    "class_scores",
    "confusion_matrix",
    "dice",
    "eight_bit",
    "expected_calibration_error",
    "fit_temperature",
    "instance_precision",
    "iou",
    "match_instances",
    "mcnemar",
    "mean_dice",
    "mean_interval",
    "mean_iou",
    "membrane_rand_error",
    "mse",
    "negative_log_likelihood",
    "paired_difference",
    "panoptic_quality",
    "pixel_error",
    "precision_recall_curve",
    "proportion_interval",
    "psnr",
    "rand_error",
    "reliability",
    "roc_area",
    "roc_curve",
    "ssim",
    "tempered",
    "top_k",
    "variation_of_information",
    "warp",
    "warping_error",
]
