"""Denoise a photograph in four lines: what goes in, what comes back, and how far to trust it.

You learn to call `aplomb.denoise` on an array, with the noise level unknown and known, and to look at what it says
beside the picture: the level that it found, the network, the engine, notes. The noise here is ours, so the result
can be held against the clean picture; with a picture of yours only the first line of the output is known.
"""

import numpy as np
from skimage.data import camera

import aplomb

clean = camera()[100:292, 130:322]
noise = np.random.default_rng(0).normal(0, 20, clean.shape)
noisy = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)

blind = aplomb.denoise(noisy)
print(f"noise level: {255 * blind.sigma:.1f} of 255 estimated, 20 in truth")
print(f"network:     {blind.model}, run by {blind.engine} in {blind.precision}")
for note in blind.notes:
    print(f"note:        {note}")

told = aplomb.denoise(noisy, sigma=20 / 255)
for name, picture in (("noisy", noisy), ("blind", blind.image), ("level given", told.image)):
    print(f"{name:12} {aplomb.psnr(picture, clean):.2f} dB   {picture.dtype}, {picture.shape}")

assert blind.image.dtype == noisy.dtype
assert aplomb.psnr(blind.image, clean) > aplomb.psnr(noisy, clean) + 5
