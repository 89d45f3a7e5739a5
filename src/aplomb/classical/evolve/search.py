"""The search: typed genetic programming with DEAP, one population for each feature.

Cooperative co-evolution (Potter and De Jong 1994): a formula is judged together with the best formula of each of the
other populations, so the populations come to tell different things about a picture. What a team of formulas is worth
is the share of training pictures that linear discriminant analysis puts into the right class when it was fitted
without them; of equals the shorter formula wins, and in
the end words that add nothing are taken out.

DEAP draws from the module `random`. Its state is set from the seed and put back, and all draws are made in one thread;
the others only compute, so that the result does not depend on their number. Threads will do, since scipy's filters and
numpy let them run at once, and pictures need not be copied to processes. Nothing is registered in DEAP's `creator`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from deap import base, gp, tools
from threadpoolctl import threadpool_limits

from aplomb.classical.evolve.formula import Formula, evaluator
from aplomb.classical.evolve.functions import CONSTANTS, FUNCTIONS, Feature, Image, Stack

Labels = npt.NDArray[np.int64]
Score = tuple[float, int]

LARGEST = 20
"""Words and numbers in a formula: what grows beyond is dropped, and its parent lives on."""

# of four settings the one that gave the highest cross-validated accuracy on scikit-learn's digits
_CROSSED, _MUTATED = 0.6, 0.6
_RIVALS = 3  # of which the best becomes a parent


class _Fitness(base.Fitness):  # type: ignore[misc]
    """Share of pictures in the right class, more is better; then the formula's size, less is better."""

    weights = (1.0, -1.0)


class _Tree(gp.PrimitiveTree):  # type: ignore[misc]
    """A formula as DEAP changes it, with its fitness."""

    def __init__(self, content: Sequence[Any]) -> None:
        super().__init__(content)
        self.fitness = _Fitness()

    def formula(self) -> Formula:
        """The formula that the tree stands for; it is stored word by word, from the outermost on."""
        read: list[Formula | float] = []
        for node in reversed(self):
            if node.arity:
                read.append(Formula(node.name, tuple(read.pop() for _ in range(node.arity))))
            else:
                read.append(Formula("image") if node.ret is Image else node.value)
        whole = read.pop()
        assert isinstance(whole, Formula)
        return whole


def search(
    pictures: Stack,
    labels: Labels,
    *,
    features: int,
    population: int,
    generations: int,
    words: Sequence[str],
    seed: int,
    workers: int | None,
    progress: Callable[[int, int, float], None] | None,
) -> tuple[list[Formula], list[float]]:
    """The team of formulas that was found, and what it was worth after each generation (it never falls)."""
    value, judge = evaluator(pictures), _judge(labels, seed)
    change, newborn = _variation(words)
    known: dict[tuple[Formula, tuple[Formula, ...]], Score] = {}
    history: list[float] = []
    with _dice(seed), threadpool_limits(1), ThreadPoolExecutor(workers or _cores()) as threads:

        def rate(people: list[_Tree], others: tuple[Formula, ...]) -> None:
            formulas = [tree.formula() for tree in people]
            new = [f for f in dict.fromkeys(formulas) if (f, others) not in known]

            def score(formula: Formula) -> Score:
                return judge([value(f) for f in (formula, *others)]), formula.size

            known.update(((f, others), found) for f, found in zip(new, threads.map(score, new), strict=True))
            for tree, formula in zip(people, formulas, strict=True):
                tree.fitness.values = known[formula, others]

        species = [[newborn() for _ in range(population)] for _ in range(features)]
        team: list[Formula] = []
        for generation in range(generations + 1):
            for k, people in enumerate(species):
                others = tuple(f for j, f in enumerate(team) if j != k)
                rate(people, others)
                if generation:
                    children = change(people)
                    rate(children, others)
                    species[k] = people = [*tools.selBest(people, 1), *children[1:]]
                best = tools.selBest(people, 1)[0]
                team[k : k + 1] = [best.formula()]
            history.append(best.fitness.values[0])
            if progress is not None:
                progress(generation, generations, history[-1])
        for k in range(features):
            others = tuple(f for j, f in enumerate(team) if j != k)
            team[k] = _pruned(team[k], others, lambda formulas: judge([value(f) for f in formulas]))
    return team, history


def _pruned(formula: Formula, others: Sequence[Formula], worth: Callable[[Sequence[Formula]], float]) -> Formula:
    """The formula without the words that the team is worth no less without."""
    least = worth([formula, *others])
    while (better := next((f for f in formula.shorter() if worth([f, *others]) >= least), None)) is not None:
        formula, least = better, worth([better, *others])
    return formula


def _variation(words: Sequence[str]) -> tuple[Callable[[list[_Tree]], list[_Tree]], Callable[[], _Tree]]:
    """What makes the next generation, and what makes a random tree, from `words`."""
    vocabulary = gp.PrimitiveSetTyped("formula", [Image], Feature)
    for word in words:
        function = FUNCTIONS[word]
        vocabulary.addPrimitive(function.compute, list(function.takes), function.gives, name=word)
    for kind in {kind: None for word in words for kind in FUNCTIONS[word].takes if kind in CONSTANTS}:
        for constant in CONSTANTS[kind]:
            vocabulary.addTerminal(constant, kind)

    def grown(pset: Any = vocabulary, type_: Any = Feature, height: int = 3) -> list[Any]:
        # DEAP's own generators fail for kinds that only have constants
        content: list[Any] = []
        todo = [(0, type_)]
        while todo:
            depth, kind = todo.pop()
            functions, ends = pset.primitives[kind], pset.terminals[kind]
            if functions and (not ends or (depth < height and random.random() < 0.8)):
                word = random.choice(functions)
                todo += [(depth + 1, arg) for arg in reversed(word.args)]
                content.append(word)
            else:
                content.append(random.choice(ends))
        return content

    limited = gp.staticLimit(key=len, max_value=LARGEST)
    cross = limited(_crossed)
    mutations = [
        limited(lambda tree: gp.mutUniform(tree, grown, vocabulary)),
        limited(lambda tree: gp.mutNodeReplacement(tree, vocabulary)),
        limited(gp.mutShrink),
    ]

    def change(people: list[_Tree]) -> list[_Tree]:
        children = [_Tree(parent) for parent in tools.selTournament(people, len(people), _RIVALS)]
        for i in range(1, len(children), 2):
            if random.random() < _CROSSED:
                children[i - 1], children[i] = cross(children[i - 1], children[i])
        for i in range(len(children)):
            if random.random() < _MUTATED:
                (children[i],) = random.choice(mutations)(children[i])
        return children

    def newborn() -> _Tree:
        while len(tree := _Tree(grown(height=random.randint(1, 4)))) > LARGEST:
            pass
        return tree

    return change, newborn


def _crossed(one: _Tree, other: _Tree) -> tuple[_Tree, _Tree]:
    """Both trees with a branch of the same kind swapped.

    DEAP's ``cxOnePoint`` chooses the kind from a set of classes, whose order changes from process to process.
    """
    pairs = [(i, j) for i in range(1, len(one)) for j in range(1, len(other)) if one[i].ret is other[j].ret]
    if pairs:
        i, j = random.choice(pairs)
        here, there = one.searchSubtree(i), other.searchSubtree(j)
        one[here], other[there] = other[there], one[here]
    return one, other


def _judge(labels: Labels, seed: int) -> Callable[[list[npt.NDArray[np.float64]]], float]:
    """What features are worth: the share of pictures that LDA gets right in three-fold cross-validation."""
    from sklearn.model_selection import StratifiedKFold

    parts = min(3, int(np.bincount(labels).min()))
    folds = list(StratifiedKFold(parts, shuffle=True, random_state=seed).split(labels, labels))

    def worth(columns: list[npt.NDArray[np.float64]]) -> float:
        x = np.stack(columns, axis=1)
        spread = x.std(axis=0)
        if not np.isfinite(x).all() or (spread < 1e-9).any():
            return 0.0
        x = (x - x.mean(axis=0)) / spread
        found = np.empty_like(labels)
        for train, rest in folds:
            found[rest] = discriminant(x[train], labels[train], x[rest])
        return float((found == labels).mean())

    return worth


def discriminant(x: npt.NDArray[np.float64], labels: Labels, new: npt.NDArray[np.float64]) -> Labels:
    """Linear discriminant analysis (Fisher 1936) on standardised `x` (N, F): the classes of the rows of `new`.

    .. math:: \\arg\\max_k \\; \\mu_k^T \\Sigma^{-1} x - \\tfrac12 \\mu_k^T \\Sigma^{-1} \\mu_k + \\ln \\pi_k

    The search calls it tens of thousands of times, on a few columns: scikit-learn's, which a test compares it with,
    takes fifty times as long. 0.001 on the diagonal is for features that say the same.
    """
    member = np.eye(labels.max() + 1)[labels]
    count = member.sum(axis=0)
    means = member.T @ x / count[:, None]
    apart = x - means[labels]
    weights = np.linalg.solve(apart.T @ apart / len(x) + 1e-3 * np.eye(x.shape[1]), means.T)
    scores = new @ weights - 0.5 * (means.T * weights).sum(axis=0) + np.log(count / len(x))
    return np.asarray(scores.argmax(axis=1))


@contextmanager
def _dice(seed: int) -> Iterator[None]:
    """Draws of the module `random` from `seed` on, and afterwards as if nothing had been drawn."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
