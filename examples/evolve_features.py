"""Features that nobody thought of: evolution writes formulas, which tell handwritten digits apart.

You learn to evolve features on training pictures, to read what came out, to compare it on the same split with features
that people made, and to turn the whole classifier into an operator, which `aplomb.freeze` writes as an ONNX file.
"""

from functools import partial

import numpy as np
from sklearn.datasets import load_digits

from aplomb.classical.classify import CLASSIFIERS, Classifier
from aplomb.classical.evolve import FREEZABLE, evolve
from aplomb.metrics import mcnemar, proportion_interval

digits = load_digits()
images, labels = digits.images / 16, digits.target
order = np.random.default_rng(0).permutation(len(images))
train, test = order[:600], order[1200:]  # the 600 between served to choose the settings of the search

# words that are operators of the algebra, so that the result can be frozen
search = partial(evolve, features=8, population=24, generations=12, functions=FREEZABLE)
methods = {
    "8 evolved features": CLASSIFIERS["evolved"](features=search),
    "20 numbers of shape": Classifier("lda", "shape"),
    "28 of local patterns": Classifier("lda", "lbp"),
    "64 pixels": Classifier("lda", "pixels"),
}
right = {}
for name, method in methods.items():
    fitted = method.fit(images[train], labels[train])
    right[name] = fitted(images[test]) == labels[test]
    print(f"{name:22} accuracy {proportion_interval(right[name].sum(), len(test))}")
    if name.endswith("evolved features"):
        evolved = fitted

ours, shape = right["8 evolved features"], right["20 numbers of shape"]
print(f"evolved against shape: p = {mcnemar(ours, shape).p:.2g} (McNemar)")
print("the formulas:")
for formula in evolved.extract.formulas:
    print(f"  {formula}")

operator = evolved.to_operator()
same = np.abs(operator(images[test, None]) - evolved.probabilities(images[test])).max()
print(f"as an operator: {operator.output_shape((1, 1, 8, 8))} probabilities, at most {same:.0e} from the classifier's")
