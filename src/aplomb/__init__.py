"""Aplomb: image restoration with convolutional networks that can be checked."""
