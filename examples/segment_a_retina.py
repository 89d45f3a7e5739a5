"""Find the vessels in a photograph of a retina, and say where the answer is not sure.

You learn to call `aplomb.segment` on an array with a shipped network, what comes back beside the labels, and to draw
the result over the picture. The photograph is scikit-image's, of another camera than those that the network was
trained on (DRIVE, 565 x 584 pixels), so it is brought to their size first: a network knows vessels as wide as those it
saw.
"""

import sys
from pathlib import Path

import numpy as np
from skimage.data import retina
from skimage.transform import resize

import aplomb
from aplomb.recognise.overlay import write_overlay

picture = (255 * resize(retina(), (560, 560), anti_aliasing=True)).astype(np.uint8)

found = aplomb.segment(picture, "segment-vessels", uncertainty="flips")
vessels = found.labels == found.classes.index("vessel")
print(
    f"network:     {found.model}, {found.seconds:.1f} s for 8 views of {picture.shape[1]} x {picture.shape[0]} pixels"
)
print(f"vessels:     {100 * vessels.mean():.1f} % of the picture")
print(f"unsure:      {100 * (found.uncertainty > 0.8).mean():.1f} % of the pixels have an entropy above 0.8 of 1")
print(f"unsure near: {100 * (found.uncertainty > 0.8)[vessels].mean():.1f} % of the vessel's own pixels")

if len(sys.argv) > 1:  # a folder: the overlay goes there
    print(write_overlay(Path(sys.argv[1]) / "retina.png", picture, found.labels, classes=found.classes))

assert 0.03 < vessels.mean() < 0.2
