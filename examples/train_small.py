"""Train a tiny denoiser from a recipe that is given as text, and use what comes out.

You learn that a recipe is checked before anything starts, that pictures are files in a folder, and that the result is
both an operator and a model file. A hundred and fifty steps of a network with 2,625 parameters: seconds, and enough to
be better than the noisy picture. Needs the extra `train`.
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
network = {name = "residual-3x16", gain = 0.1}
data = {train = ["photos"], crop = 32, validation_fraction = 0.3}
noise = {kind = "gaussian", sigma = 25}
optimiser = {kind = "adam", lr = 0.005}
schedule = {steps = 150, warmup = 0.1, decay = "cosine"}
run = {batch = 4}
"""
try:
    parse_recipe(RECIPE.replace("steps", "stpes"))
except aplomb.BadInput as refusal:
    print(f"a typing error is told:\n  {refusal}")

clean = camera()[100:228, 150:278]
noisy = clean / 255 + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "photos").mkdir()
    for name, photo in (("astronaut", astronaut()), ("coffee", coffee()), ("camera", camera()[300:])):
        write(f"{folder}/photos/{name}.png", photo[:200, :200])
    result = train(parse_recipe(RECIPE), folder, f"{folder}/mine.onnx", run=f"{folder}/run", quiet=True, threads=1)
    restored = aplomb.denoise(noisy, sigma=25 / 255, model=result.path).image
    names = sorted(path.name for path in Path(folder, "run").iterdir() if not path.name.startswith("events"))

print(f"{result.operator.parameters:,} parameters, {result.steps} steps, {result.seconds:.0f} s")
print(
    f"on a picture that it never saw: {aplomb.psnr(noisy, clean / 255):.2f} dB "
    f"-> {aplomb.psnr(restored, clean / 255):.2f} dB"
)
print(f"the run's folder held {', '.join(names)}")

assert aplomb.psnr(restored, clean / 255) > aplomb.psnr(noisy, clean / 255) + 3
