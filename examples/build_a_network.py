"""Write a network as an expression, read its facts, freeze it into one ONNX file and thaw it again.

You learn the five combinators on a small network that looks at the picture at two resolutions, what `aplomb.table`
tells of each layer, that the receptive field is an interval which depends on the pixel, and that a frozen network is
the same one, bit for bit.
"""

import tempfile

import numpy as np

import aplomb
from aplomb import chain, identity, stack
from aplomb.layers import conv, conv_transposed, relu

fine = chain(conv(1, 8), relu)
coarse = chain(conv(1, 16, 2, stride=2, padding="valid"), relu, conv(16, 16), relu, conv_transposed(16, 8))
noise = conv(16, 1) @ stack(fine, coarse)
net = identity - 0.5 * noise

print(aplomb.table(net, (1, 1, 64, 64), name="two resolutions"))
print()
for pixel in range(2):
    lo, hi = net.span((pixel, pixel + 1))
    print(f"pixel {pixel} depends on the pixels {lo}..{hi - 1}")
print(f"shifts by {net.grid().stride} pixels only shift the output; a tile needs {net.halo()} pixels around it")
print(f"Lipschitz constant in l2: {net.lipschitz()}, {net.lipschitz().reason}")

try:
    net.output_shape((1, 1, 63, 64))
except aplomb.BadInput as refusal:
    print(f"63 pixels: {refusal}")

x = np.random.default_rng(0).random((1, 1, 64, 64)).astype(np.float32)
with tempfile.TemporaryDirectory() as folder:
    card = aplomb.freeze(net, f"{folder}/net.onnx")
    again = aplomb.thaw(f"{folder}/net.onnx")
print(
    f"frozen: {card.parameters} parameters, hash {card.hash[:12]}; thawed: {'the same' if again == net else 'another'}"
)

assert again == net
assert np.array_equal(again(x), net(x))
