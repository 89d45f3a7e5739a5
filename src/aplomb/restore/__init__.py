"""Inverse problems, solved for files and arrays as people have them."""

from aplomb.restore.denoise import Result, denoise

__all__ = ["Result", "denoise"]
