"""How good a result is: of restored pictures (MSE, PSNR, SSIM), and of classes."""

from aplomb.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    tempered,
)
from aplomb.metrics.classification import accuracy, class_scores, confusion_matrix, top_k
from aplomb.metrics.restoration import eight_bit, mse, psnr, ssim
from aplomb.metrics.significance import mcnemar, mean_interval, paired_difference, proportion_interval

__all__ = [
    "accuracy", "class_scores", "confusion_matrix", "eight_bit", "expected_calibration_error", "fit_temperature",
    "mcnemar", "mean_interval", "mse", "negative_log_likelihood", "paired_difference", "proportion_interval", "psnr",
    "reliability", "ssim", "tempered", "top_k",
]  # fmt: skip
