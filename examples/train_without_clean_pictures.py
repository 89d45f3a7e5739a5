"""Train without a single clean picture: by Stein's estimate, by neighbouring pixels, and by noisy pairs.

You learn that clean pictures are not needed to minimise the mean square error. The same tiny network sees noisy
pictures only, once with each of three losses; the clean ones are used at the end, to judge. Needs the extra `train`.

References: Stein 1981 (sure); Huang et al. 2021 (neighbour2neighbour); Lehtinen et al. 2018 (noise2noise).
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage.data import astronaut, camera, coffee

import aplomb
from aplomb.io import write

if any(importlib.util.find_spec(name) is None for name in ("torch", "lightning_fabric")):
    print("skipped: training needs torch; pip install 'aplomb[train]'")
    sys.exit()

from aplomb.train import parse_recipe, train

RECIPE = """
network = {{name = "residual-3x16", gain = 0.1}}
data = {{train = ["first"], {pair} crop = 32, validation_fraction = 0.3}}
noise = {{kind = "none"}}
loss = {{kind = "{loss}"}}
optimiser = {{kind = "adam", lr = 0.005, clip = 1.0}}
schedule = {{steps = 100, warmup = 0.1, decay = "cosine"}}
run = {{batch = 4}}
"""
rng = np.random.default_rng(0)


def noisy(image: np.ndarray) -> np.ndarray:
    return (image / 255 + rng.normal(0, 25 / 255, image.shape)).astype(np.float32)


clean = camera()[100:228, 150:278]
test = noisy(clean)
print(f"{'noisy':20} {aplomb.psnr(test, (clean / 255).astype(np.float32)):.2f} dB")
with tempfile.TemporaryDirectory() as folder:
    for name in ("first", "second"):
        Path(folder, name).mkdir()
        for number, photo in enumerate((astronaut()[..., 1], coffee()[..., 1], camera()[300:])):
            write(f"{folder}/{name}/{number}.tif", noisy(photo[:200, :200]))
    for loss in ("sure", "neighbour2neighbour", "noise2noise"):
        pair = 'pair = ["second"],' if loss == "noise2noise" else ""
        recipe = parse_recipe(RECIPE.format(loss=loss, pair=pair))
        result = train(recipe, folder, run=f"{folder}/{loss}", quiet=True, threads=1)
        restored = result.operator(test[None, None])[0, 0]
        reached = aplomb.psnr(restored, (clean / 255).astype(np.float32))
        print(f"{loss:20} {reached:.2f} dB")
        assert reached > aplomb.psnr(test, (clean / 255).astype(np.float32)) + 2
