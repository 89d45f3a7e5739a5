"""Average K pictures of a scene that stands still: the noise falls as 1/sqrt(K).

You learn the oldest denoiser there is, what it costs (four times the pictures for half the noise), and how it compares
with one picture and a network. Noise is measured here as the root mean square of the difference to the clean picture.
"""

import numpy as np
from skimage.data import camera

import aplomb
from aplomb.classical import average

SIGMA = 25 / 255
clean = camera()[100:228, 150:278] / 255
rng = np.random.default_rng(0)
shots = clean + rng.normal(0, SIGMA, (64, *clean.shape))

print("pictures   noise of 255   sigma/sqrt(K)   PSNR")
for k in (1, 4, 16, 64):
    mean = average(shots[:k])
    left = np.sqrt(np.mean((mean - clean) ** 2))
    print(f"{k:8}   {255 * left:12.2f}   {255 * SIGMA / np.sqrt(k):13.2f}   {aplomb.psnr(mean, clean):.2f} dB")
    assert abs(left * np.sqrt(k) / SIGMA - 1) < 0.02

one = aplomb.denoise(shots[0], sigma=SIGMA)
print(f"one picture and {one.model}: {aplomb.psnr(one.image, clean):.2f} dB")
four = aplomb.denoise(average(shots[:4]), sigma=SIGMA / 2)
print(f"four, averaged, and {four.model}: {aplomb.psnr(four.image, clean):.2f} dB")
