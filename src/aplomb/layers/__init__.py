"""Leaves of networks, one file a kind; a leaf states its readings (numpy, torch, ONNX) beside its facts."""

from aplomb.layers.activation import (
    elu,
    hard_clip,
    leaky_relu,
    maxout,
    relu,
    sigmoid,
    soft_shrink,
    softmax,
    step,
    swish,
    tanh,
)
from aplomb.layers.channels import append_constant, place, take
from aplomb.layers.colour_products import colour_products
from aplomb.layers.conv import conv, conv_transposed, merge
from aplomb.layers.dense import dense, flatten, unflatten
from aplomb.layers.haar import haar
from aplomb.layers.norm import batch_norm, dropout, fold_batch_norm, layer_norm, local_contrast_norm
from aplomb.layers.pad import crop, pad
from aplomb.layers.pool import average_pool, global_average_pool, l2_pool, max_pool, min_pool
from aplomb.layers.radial import radial_basis
from aplomb.layers.recurrent import lstm, lstm_cell
from aplomb.layers.resample import (
    downsample,
    pixel_shuffle,
    pixel_unshuffle,
    upsample_bilinear,
    upsample_repeat,
    upsample_zeros,
)
from aplomb.layers.response_norm import local_response_norm
from aplomb.layers.separable import separable_conv
from aplomb.layers.stable import bounded_conv, channel_clip, clip_by, group_sort, orthogonal_conv, spline

__all__ = [
    "append_constant", "average_pool", "batch_norm", "bounded_conv", "channel_clip", "clip_by", "colour_products",
    "conv", "conv_transposed", "crop", "dense", "downsample", "dropout", "elu", "flatten", "fold_batch_norm",
    "global_average_pool", "group_sort", "haar", "hard_clip", "l2_pool", "layer_norm", "leaky_relu",
    "local_contrast_norm", "local_response_norm", "lstm", "lstm_cell", "max_pool", "maxout", "merge", "min_pool",
    "orthogonal_conv", "pad", "pixel_shuffle", "pixel_unshuffle", "place", "radial_basis", "relu", "separable_conv",
    "sigmoid", "soft_shrink", "softmax", "spline", "step", "swish", "take", "tanh", "unflatten",
    "upsample_bilinear", "upsample_repeat", "upsample_zeros",
]  # fmt: skip
