"""A network of convolutions and ReLUs is a pursuit of sparse codes that stops after one step in each layer.

You learn what the weights of a layer mean in sparse coding: the filters are the atoms of a dictionary, the biases say
how sparse the code shall be, and the forward pass is layered thresholding. Then the pursuit goes on where the network
stops, and explains the picture better with fewer atoms.
"""

import numpy as np
from skimage.data import camera

from aplomb.classical.dictionary import cosine_atoms
from aplomb.classical.sparse_coding import fista, ista, layered_pursuit
from aplomb.layers import conv, relu
from aplomb.nets import thresholding_network

y = camera()[100:164, 180:244].astype(np.float64)[None, None] / 255 - 0.5

print("any network: its layers as dictionaries D = (linear part)*, with weights lambda = -bias")
rng = np.random.default_rng(0)
layers = [conv(1, 16, 3), conv(16, 32, 3, seed=1), conv(32, 32, 3, seed=2)]
layers = [f.with_weights({"0.bias": rng.normal(-0.1, 0.1, f.channels[1])}) for f in layers]
dictionaries = [layer.linear_part().adjoint() for layer in layers]
weights = [-layer.bias for layer in layers]
codes = layered_pursuit(dictionaries, y, weights, steps=1, step=1.0)
x = y
for number, (layer, code) in enumerate(zip(layers, codes, strict=True), 1):
    before, x = x, relu(layer(x))
    D, weight = dictionaries[number - 1], weights[number - 1]
    one = ista(D, before, weight, steps=1, step=1.0, non_negative=True).value
    print(f"layer {number}: {np.mean(x > 0):4.0%} of {x.size} units active,", end=" ")
    print(f"|ISTA - layer| {abs(one - x).max():.0e}, |layered pursuit - network| {abs(code - x).max():.0e}")
    assert np.allclose(code, x, rtol=0, atol=1e-13)

print("the other way round: dictionaries and weights make a network")
network = thresholding_network(dictionaries, weights)
print(f"{network}")
assert np.allclose(network(y), codes[-1], rtol=0, atol=1e-13)

print("the pursuit goes on: atoms that explain a picture, 1/2 |D c - y|^2 + lambda |c|_1")
layer = conv(1, 63, 8, padding="valid", stride=4, bias=False).with_weights({"0.weight": cosine_atoms(8)})
for steps in (1, 10, 50):
    found = fista(layer.adjoint(), y, 0.05, steps=steps)
    print(f"{steps:3} steps: objective {found.objective[-1]:6.2f}, {found.density:4.0%} of the code is not zero")
