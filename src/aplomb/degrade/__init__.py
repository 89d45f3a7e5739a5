"""Degradations: what stands between a scene and the picture of it."""
