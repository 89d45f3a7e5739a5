"""Classification without networks: features, standardised, and an estimator of scikit-learn, behind one interface.

>>> rng = np.random.default_rng(0)
>>> images, labels = rng.random((20, 8, 8)) * 0.5, np.arange(20) % 2
>>> images[labels == 1] += 0.4
>>> fitted = CLASSIFIERS["lda"](features=["intensity"]).fit(images[:10], labels[:10])
>>> bool((fitted(images[10:]) == labels[10:]).all()), fitted.probabilities(images[10:]).shape
(True, (10, 2))
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from aplomb.classical.evolve import evolve
from aplomb.classical.features import FEATURES, features
from aplomb.classical.pictures import Doubles, Pictures, check_labels, check_pictures
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import flatten, softmax
from aplomb.layers.dense import Dense
from aplomb.operator import Operator, chain

__all__ = ["CLASSIFIERS", "Classifier", "Extract", "FittedClassifier", "Learn"]


class Extract(Protocol):
    """What turns pictures into features (N, F)."""

    def __call__(self, images: Pictures, /) -> Doubles:
        """The features of pictures."""


Learn = Callable[[Doubles, npt.NDArray[np.int64]], Extract]
"""What learns its features from training pictures and the numbers of their classes, as `evolve` does."""


@dataclass(frozen=True)
class _HandMade:
    names: tuple[str, ...]

    def __call__(self, images: Pictures) -> Doubles:
        return features(images, self.names).values


@dataclass(frozen=True)
class _Pixels:
    def __call__(self, images: Pictures) -> Doubles:
        x = check_pictures(images, least=1)
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # as the operator has them

    def to_operator(self) -> Operator:
        return flatten


@dataclass(frozen=True)
class Classifier:
    """A method that can be fitted to pictures.

    Parameters
    ----------
    name
        Of `CLASSIFIERS`, but "evolved", which is "lda" with features of `evolve`.
    features
        Names of `FEATURES` (all of them unless given), "pixels" for the picture itself, or what learns
        features from the training pictures, such as `evolve` or ``functools.partial(evolve, features=5)``.
    seed
        Of the random forest, which is the only one that draws.

    Raises
    ------
    BadInput
        An unknown name.
    """

    name: str
    features: str | Sequence[str] | Learn = tuple(FEATURES)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in _ESTIMATORS:
            raise BadInput(f"asked for the classifier {self.name!r}, known are {', '.join(_ESTIMATORS)}")
        if isinstance(self.features, str) and self.features != "pixels":
            object.__setattr__(self, "features", (self.features,))
        for name in () if callable(self.features) or self.features == "pixels" else self.features:
            if name not in FEATURES:
                raise BadInput(f"asked for the features {name!r}, known are pixels, {', '.join(FEATURES)}")

    def fit(self, images: Pictures, labels: npt.ArrayLike, classes: Sequence[Any] | None = None) -> FittedClassifier:
        """The method, fitted to training pictures.

        Parameters
        ----------
        images
            (N, H, W) or (N, H, W, C), 0..1, or a list of pictures of one size.
        labels
            (N,), whole numbers or words.
        classes
            The classes that there should be, in the order in which probabilities are given; those that occur
            in `labels`, sorted, unless given.

        Raises
        ------
        ShapeError
            Pictures of different sizes, or another number of labels.
        BadInput
            A class without a picture or with one only, one class only, NaN, or scikit-learn not installed.
        """
        x = check_pictures(images, least=1)
        index, known = check_labels(labels, len(x), classes)
        try:
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler
        except ImportError:
            raise BadInput(f"{self.name} needs scikit-learn: pip install 'aplomb[learn]'") from None
        extract = self._extract(x, index)
        fewest = int(np.bincount(index).min())
        pipeline = make_pipeline(StandardScaler(), _ESTIMATORS[self.name](len(x), fewest, self.seed))
        pipeline.fit(extract(x), index)
        return FittedClassifier(self.name, known, x.shape[1:], extract, pipeline)

    def _extract(self, x: Doubles, index: npt.NDArray[np.int64]) -> Extract:
        if callable(self.features):
            return self.features(x, index)
        return _Pixels() if self.features == "pixels" else _HandMade(tuple(self.features))


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A fitted method: ``fitted(images)`` gives the class of each picture.

    Parameters
    ----------
    name
        Of the method.
    classes
        The labels, in the order of the columns of `probabilities`.
    shape
        (H, W, C) of the pictures that it takes.
    extract
        What turns pictures into features.
    pipeline
        scikit-learn's: the standardisation and the estimator.
    """

    name: str
    classes: tuple[Any, ...]
    shape: tuple[int, ...]
    extract: Extract
    pipeline: Any

    def __call__(self, images: Pictures) -> npt.NDArray[Any]:
        """The most probable class of each picture, (N,), as it stood in the training labels."""
        return np.asarray(np.asarray(self.classes)[self.probabilities(images).argmax(axis=1)])

    def probabilities(self, images: Pictures) -> Doubles:
        """The probability of each class for each picture, (N, K).

        Raises
        ------
        ShapeError, BadInput
            Pictures of another size or number of channels than the training pictures, or NaN.
        """
        x = check_pictures(images, least=1)
        if x.shape[1:] != self.shape:
            wanted, found = (f"{h} x {w} pixels and {c} channel(s)" for h, w, c in (self.shape, x.shape[1:]))
            raise ShapeError(f"{self.name} was fitted to pictures of {wanted}, found {found}; bring them to that size")
        return np.asarray(self.pipeline.predict_proba(self.extract(x)), np.float64)

    def to_operator(self) -> Operator:
        """The whole classifier as an operator, (N, C, H, W) to probabilities (N, K), which can be frozen.

        For "lda" and "logistic" on pixels or on evolved features: a dense layer and a softmax behind the
        features.

        Raises
        ------
        BadInput
            Another method, or features without operator.
        """
        scaler, estimator = self.pipeline[0], self.pipeline[-1]
        if not hasattr(estimator, "coef_") or not hasattr(self.extract, "to_operator"):
            raise BadInput(
                f"{self.name} on these features has no operator; use lda or logistic, and pixels or evolved features"
            )
        weight, bias = estimator.coef_ / scaler.scale_, estimator.intercept_
        bias = bias - weight @ scaler.mean_
        if len(self.classes) == 2:  # one score stands for both classes
            weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
        rule = Dense(weight.astype(np.float32), bias.astype(np.float32))
        return chain(cast(Any, self.extract).to_operator(), rule, softmax)


# -- estimators: from the number of pictures, of the rarest class, and a seed ---------------------------------------


def _nearest(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(min(5, pictures), weights="distance")


def _bayes(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.naive_bayes import GaussianNB

    # features that are constant within a class would otherwise decide alone
    return GaussianNB(var_smoothing=1e-2)


def _lda(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    # there may be more features than pictures: Ledoit and Wolf's shrinkage
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _logistic(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=2000)


def _svm(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    return CalibratedClassifierCV(SVC(C=5), cv=min(5, fewest), ensemble=False)  # Platt's probabilities


def _forest(pictures: int, fewest: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(200, random_state=seed)


_ESTIMATORS: dict[str, Callable[[int, int, int], Any]] = {
    "k-nn": _nearest,
    "naive-bayes": _bayes,
    "lda": _lda,
    "logistic": _logistic,
    "svm": _svm,
    "random-forest": _forest,
}

CLASSIFIERS: dict[str, Callable[..., Classifier]] = {
    **{name: functools.partial(Classifier, name) for name in _ESTIMATORS},
    "evolved": functools.partial(Classifier, "lda", features=evolve),
}
"""Makers of methods by name: k nearest neighbours, Gaussian naive Bayes, linear discriminant analysis, logistic
regression, a support vector machine with Gaussian kernel, a random forest, and LDA on evolved features. Each takes
``features=`` and ``seed=``."""
