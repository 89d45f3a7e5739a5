"""A convolution layer is a matrix: doubly block-Toeplitz, sparse, and its transpose is the adjoint.

You learn to look at a layer as linear algebra does. Three channel pairs, a border of zeros and a stride change nothing:
T x = A x for the picture written as one long vector. From the matrix come the adjoint, the largest singular value, and
that two layers in a row are one.
"""

import numpy as np

from aplomb.layers import conv, merge

layer = conv(1, 3, 3, bias=False, seed=1)
A = layer.matrix((1, 1, 6, 7))
print(f"{layer}")
print(f"is a matrix of {A.shape[0]} x {A.shape[1]}, {A.nnz} entries of {A.shape[0] * A.shape[1]} are not zero")

print("its first rows: a block of 7 x 7 for each pair of picture rows, and the same diagonal all along in each")
for row in A.toarray()[:14]:
    print("  " + "".join(".:"[bool(v)] for v in row))

rng = np.random.default_rng(0)
x, y = rng.random((1, 1, 6, 7)), rng.random((1, 3, 6, 7))
print(f"|A x - T x|    {abs(A @ x.ravel() - layer(x).ravel()).max():.1e}")
print(f"|A' y - T* y|  {abs(A.T @ y.ravel() - layer.adjoint()(y).ravel()).max():.1e}")
print(f"<T x, y> - <x, T* y>  {abs((layer(x) * y).sum() - (x * layer.adjoint()(y)).sum()):.1e}")
largest = np.linalg.norm(A.toarray(), 2)
print(f"largest singular value {largest:.3f}, bound without the matrix {layer.lipschitz()}")

first, second = conv(1, 3, padding="valid", bias=False), conv(3, 2, padding="valid", bias=False, seed=2)
B = second.matrix((1, 3, 4, 5)) @ first.matrix((1, 1, 6, 7))
once = merge(second, first)
print(f"{second} after {first} is {once}")
print(f"|B A - C|      {abs(B - once.matrix((1, 1, 6, 7))).max():.1e}")

assert np.allclose(A @ x.ravel(), layer(x).ravel())
assert largest <= layer.lipschitz().value
