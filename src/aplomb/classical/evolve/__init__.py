"""Evolved features: short formulas over image operators, found by genetic programming, that one can read.

>>> from aplomb.classical.evolve import parse
>>> print(parse("std(left(local_std(image, 3)))"))
std(left(local_std(image, 3)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aplomb.classical.evolve.formula import Formula, evaluator, parse, to_operator
from aplomb.classical.evolve.functions import FREEZABLE, FUNCTIONS, Feature
from aplomb.classical.pictures import Pictures, check_labels, check_pictures, grey
from aplomb.errors import BadInput, ShapeError
from aplomb.layers import flatten
from aplomb.operator import Operator, chain, stack

__all__ = ["FREEZABLE", "FUNCTIONS", "EvolvedFeatures", "Formula", "evolve", "parse"]

_LEAST = 4  # pixels a side: a quarter of it is still a pixel


@dataclass(frozen=True)
class EvolvedFeatures:
    """Formulas as features: ``evolved(images)`` is (N, F) in float64, one column a formula.

    Parameters
    ----------
    formulas
        As text; formulas that were written by hand will do as well.
    size
        Height and width of the pictures, in pixels.
    history
        Share of the training pictures that the best team classified rightly, in cross-validation, after
        each generation.

    Raises
    ------
    BadInput
        A formula that cannot be read, or none.

    Examples
    --------
    >>> EvolvedFeatures(("mean(top(image))", "max(image)"), (4, 4))(np.eye(4)[None])
    array([[0.25, 1.  ]])
    """

    formulas: tuple[str, ...]
    size: tuple[int, int]
    history: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.formulas:
            raise BadInput("found no formula; give one or more, such as mean(abs(sobel_x(image)))")
        for text in self.formulas:
            parse(text)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns: the formulas."""
        return self.formulas

    def __call__(self, images: Pictures) -> npt.NDArray[np.float64]:
        """The features (N, F) of pictures (N, H, W) or (N, H, W, C), 0..1, of the size that they were made for.

        Raises
        ------
        ShapeError, BadInput
            Pictures of another size, or that hold NaN or infinity.
        """
        x = check_pictures(images, least=_LEAST)
        if x.shape[1:3] != self.size:
            raise ShapeError(f"these features are for pictures of {self.size}, found {x.shape[1:3]}; resize them")
        value = evaluator(grey(x).astype(np.float32))
        return np.stack([value(parse(text)) for text in self.formulas], axis=1)

    def to_operator(self) -> Operator:
        """The features as an operator, (N, 1, H, W) to (N, F), which can be frozen to ONNX like any other.

        Raises
        ------
        BadInput
            A word of a formula has no form in the algebra; the message says which.

        Examples
        --------
        >>> evolved = EvolvedFeatures(("mean(top(image))", "max(image)"), (4, 4))
        >>> evolved.to_operator()(np.eye(4)[None, None])
        array([[0.25, 1.  ]])
        """
        shape = (1, 1, *self.size)
        return chain(stack(*(to_operator(parse(text), shape) for text in self.formulas)), flatten)


def evolve(
    images: Pictures,
    labels: npt.ArrayLike,
    *,
    features: int = 3,
    population: int = 40,
    generations: int = 10,
    functions: Sequence[str] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> EvolvedFeatures:
    """Formulas that tell classes apart, found by co-evolution on training pictures.

    Give training pictures only: what was evolved on test pictures cannot be tested on them.

    Parameters
    ----------
    images
        (N, H, W) or (N, H, W, C), 0..1, or a list of pictures of one size; colour is taken as grey.
    labels
        (N,), whole numbers or words, two pictures or more of each class.
    features
        How many formulas, each with a population of its own.
    population, generations
        Formulas in a population, and how often it is renewed.
    functions
        Words that may be used, of `FUNCTIONS`; with `FREEZABLE` the result can be frozen. All unless given.
    seed
        Of all draws: the same seed gives the same formulas, whatever the number of workers.
    workers
        Threads; the cores of this machine unless given.
    progress
        Called after each generation with its number, the last one's, and the share of training pictures that
        the best team classifies rightly in cross-validation.

    Raises
    ------
    BadInput, ShapeError
        Bad pictures or labels, numbers out of range, unknown functions or none that gives a number, or DEAP
        and scikit-learn not installed.

    References
    ----------
    J. R. Koza, "Genetic Programming", 1992. D. J. Montana, "Strongly typed genetic programming", Evolutionary
    Computation 3, 1995. M. A. Potter and K. A. De Jong, "A cooperative coevolutionary approach to function
    optimization", PPSN 1994.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((20, 8, 8)) * 0.2
    >>> images[10:, :4] += 0.5
    >>> found = evolve(images, [0] * 10 + [1] * 10, features=1, population=8, generations=1)
    >>> found.history[-1]
    1.0
    """
    x = check_pictures(images, least=_LEAST)
    index, _ = check_labels(labels, len(x))
    if features < 1 or population < 2 or generations < 0:
        raise BadInput(
            f"asked for {features} features by {generations} generations of {population} formulas; "
            "give 1 or more, 0 or more and 2 or more"
        )
    words = tuple(FUNCTIONS) if functions is None else tuple(functions)
    if unknown := [word for word in words if word not in FUNCTIONS]:
        raise BadInput(f"asked to evolve with {unknown[0]!r}, known are {', '.join(FUNCTIONS)}")
    if not any(FUNCTIONS[word].gives is Feature for word in words):
        raise BadInput("asked to evolve without a function that gives a number; add mean, std, max or min")
    try:
        from aplomb.classical.evolve.search import search
    except ImportError as error:
        raise BadInput(f"evolve needs {error.name or 'deap'}: pip install 'aplomb[learn]'") from None
    team, history = search(
        grey(x).astype(np.float32),
        index,
        features=features,
        population=population,
        generations=generations,
        words=words,
        seed=seed,
        workers=workers,
        progress=progress,
    )
    height, width = x.shape[1:3]
    return EvolvedFeatures(tuple(map(str, team)), (height, width), tuple(history))
