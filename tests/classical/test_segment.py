"""Every classical segmenter on pictures whose answer is known, and on those that nobody should give it."""

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from aplomb.classical.segment import (
    SEGMENTERS,
    AdaptiveThreshold,
    ColourGaussians,
    ColourKMeans,
    FilterForest,
    MultiOtsu,
    Otsu,
    OtsuWatershed,
    RandomWalker,
    RegionGrowing,
    TextureDiscriminator,
    Watershed,
)
from aplomb.errors import BadInput, ShapeError

ALONE = [name for name in SEGMENTERS if name != "filter-forest"]
SEEDED = [name for name in ALONE if SEGMENTERS[name].takes_seeds]
ROWS, COLUMNS = np.mgrid[:48, :64]
DISCS = np.hypot(ROWS - 24, COLUMNS - 18) < 11, np.hypot(ROWS - 24, COLUMNS - 46) < 11


def noisy(picture, sigma=0.02, seed=0):
    return picture + np.random.default_rng(seed).normal(0, sigma, picture.shape)


@pytest.fixture
def discs():
    """Two bright discs on a dark ground, and where they are."""
    truth = DISCS[0] + 2 * DISCS[1]
    return noisy(0.2 + 0.6 * (truth > 0)), truth


# -- what all share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3)])
def test_labels_are_whole_numbers_a_pixel_and_the_same_each_time(name, shape, discs):
    picture = discs[0] if len(shape) == 2 else np.repeat(discs[0][..., None], shape[2], axis=2)
    kept = picture.copy()
    labels = SEGMENTERS[name]()(picture)
    assert (labels.shape, labels.dtype) == ((48, 64), np.int32)
    assert labels.min() >= 0
    assert labels.max() > 0
    np.testing.assert_array_equal(SEGMENTERS[name]()(picture), labels)
    np.testing.assert_array_equal(picture, kept)


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3), (2, 5, 3)])
@pytest.mark.parametrize("kind", ["constant", "two values", "noise"])
def test_tiny_and_constant_pictures_get_labels(name, shape, kind):
    picture = np.full(shape, 0.4)
    if kind == "two values":
        picture.reshape(-1)[0] = 0.9
    elif kind == "noise":
        picture = np.random.default_rng(0).random(shape)
    labels = SEGMENTERS[name]()(picture)
    assert labels.shape == shape[:2]
    if kind == "constant":
        assert len(np.unique(labels)) == 1


@pytest.mark.parametrize("name", ALONE)
def test_what_is_no_picture_is_refused_in_one_line(name, discs):
    method, picture = SEGMENTERS[name](), discs[0]
    broken = picture.copy()
    broken[3, 4] = np.nan
    for wrong, error, match in (
        (picture[0], ShapeError, r"found shape \(64,\)"),
        (np.zeros((0, 5)), ShapeError, r"\(0, 5\)"),
        (np.zeros((2, 3, 4, 5)), ShapeError, r"\(2, 3, 4, 5\)"),
        ((255 * picture).astype(np.uint8), BadInput, "uint8; scale"),
        (broken, BadInput, "NaN"),
        (picture * np.inf, BadInput, "infinity"),
        (picture * 1e200, BadInput, "scale it"),
    ):
        with pytest.raises(error, match=match) as refused:
            method(wrong)
        assert name in str(refused.value)


@pytest.mark.parametrize("name", ["otsu", "multi-otsu", "adaptive-threshold", "watershed", "otsu-watershed", "texture"])
def test_methods_on_grey_refuse_channels_that_are_no_colour(name):
    with pytest.raises(ShapeError, match=f"{name} needs grey or RGB, found 4 channels"):
        SEGMENTERS[name]()(np.random.default_rng(0).random((9, 9, 4)))


@pytest.mark.parametrize("name", sorted(set(ALONE) - set(SEEDED)))
def test_methods_without_seeds_say_so(name, discs):
    with pytest.raises(BadInput, match="takes no seeds"):
        SEGMENTERS[name]()(discs[0], seeds=[(1, 1)])


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_are_clicks_or_scribbles_and_keep_their_numbers(name, discs):
    method, (picture, truth) = SEGMENTERS[name](), discs
    clicks = [(24, 18), (24, 46), (2, 2)]
    labels = method(picture, seeds=clicks)
    assert [labels[click] for click in clicks[:2]] == [1, 2]
    for number in (1, 2):
        assert np.mean(labels[ndimage.binary_erosion(truth == number, iterations=3)] == number) > 0.95
    scribbles = np.zeros(picture.shape, int)
    scribbles[20:26, 15:20], scribbles[24, 44:48], scribbles[:3] = 7, 300, 4
    marked = method(picture, seeds=scribbles)
    assert set(np.unique(marked)) <= {0, 4, 7, 300}
    assert (marked[24, 18], marked[24, 46]) == (7, 300)


@pytest.mark.parametrize("name", SEEDED)
def test_bad_seeds_are_refused(name, discs):
    method, picture = SEGMENTERS[name](), discs[0]
    for seeds, error, match in (
        ([(48, 0)], ShapeError, r"\(48, 0\) is outside of 48 x 64"),
        ([(-1, 0)], ShapeError, "outside"),
        (np.zeros((48, 63), int), ShapeError, r"\(48, 63\)"),
        (np.zeros((48, 64), int), BadInput, "found none"),
        (np.full((48, 64), -1), BadInput, "negative"),
        ([(0.5, 1.0)], BadInput, "whole numbers"),
        ([], BadInput, "whole numbers"),
    ):
        with pytest.raises(error, match=match):
            method(picture, seeds=seeds)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: MultiOtsu(4), "1, 2 or 3"),
        (lambda: AdaptiveThreshold(4), "odd"),
        (lambda: AdaptiveThreshold(5, np.nan), "finite"),
        (lambda: RegionGrowing(0), "tolerance"),
        (lambda: Watershed(width=-1), "width"),
        (lambda: Watershed(distance=0), "distance"),
        (lambda: OtsuWatershed(distance=1.5), "distance"),
        (lambda: OtsuWatershed(smallest=-1), "smallest"),
        (lambda: OtsuWatershed(width=np.nan), "width"),
        (lambda: RandomWalker(np.inf), "beta"),
        (lambda: ColourKMeans(1), "2 to 64"),
        (lambda: ColourGaussians(65), "2 to 64"),
        (lambda: FilterForest(trees=0), "tree"),
        (lambda: FilterForest(largest=0.5), "scale"),
        (lambda: TextureDiscriminator(1), "2 to 64"),
        (lambda: TextureDiscriminator(scales=()), "scales"),
        (lambda: TextureDiscriminator(levels=0), "levels"),
    ],
)
def test_parameters_out_of_range_are_refused(make, match):
    with pytest.raises(BadInput, match=match):
        make()


@pytest.mark.parametrize("name", ["colour-k-means", "colour-gaussians", "texture", "filter-forest"])
def test_without_scikit_learn_the_line_says_what_to_install(name, discs, monkeypatch):
    real = builtins.__import__

    def without(module, *rest):
        if module.split(".")[0] == "sklearn":
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    method = SEGMENTERS[name]()
    with pytest.raises(BadInput, match=r"pip install 'aplomb\[learn\]'"):
        method.fit([discs[0]], [discs[1]]) if name == "filter-forest" else method(discs[0])


# -- one by one ---------------------------------------------------------------------------------------------


def test_otsu_parts_two_levels(discs):
    # the threshold is the first of the empty bins between both, on whose edge a single value may lie
    assert np.mean(Otsu()(discs[0]) == (discs[1] > 0)) > 0.999


@pytest.mark.parametrize("thresholds", [1, 2, 3])
def test_multi_otsu_parts_as_many_levels(thresholds):
    steps = np.repeat(np.arange(thresholds + 1), 16)[None] + np.zeros((20, 1), int)
    assert np.mean(MultiOtsu(thresholds)(noisy(0.1 + 0.25 * steps)) == steps) > 0.995


def test_one_threshold_of_multi_otsu_is_otsus(discs):
    np.testing.assert_array_equal(MultiOtsu(1)(discs[0]), Otsu()(discs[0]))


def test_an_adaptive_threshold_finds_under_uneven_light_what_otsu_does_not():
    dots = (ROWS % 8 < 3) & (COLUMNS % 8 < 3)
    picture = noisy(0.8 * COLUMNS / 64 + 0.15 * dots, 0.01)
    assert np.mean(AdaptiveThreshold(15)(picture) == dots) > 0.95
    assert np.mean(Otsu()(picture) == dots) < 0.7


@given(
    hnp.arrays(np.float64, (6, 7), elements=st.integers(0, 8).map(lambda v: v / 8)),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=3, unique=True),
)
def test_grown_regions_hold_together_and_cannot_grow_on(picture, clicks):
    tolerance = 0.2
    labels = RegionGrowing(tolerance)(picture, seeds=clicks)
    for number, click in enumerate(clicks, start=1):
        region = labels == number
        assert region[click]
        assert ndimage.label(region)[1] == 1
        border = ndimage.binary_dilation(region) & (labels == 0)
        assert (np.abs(picture[border] - picture[region].mean()) >= tolerance - 1e-9).all()


def test_the_running_mean_drifts_but_does_not_follow_a_ramp_to_its_end():
    ramp = np.linspace(0, 1, 101)[None] + np.zeros((3, 1))
    region = RegionGrowing(0.1)(ramp, seeds=[(1, 0)])[1] == 1
    # the mean is half the way, so growth ends where half the way is the tolerance
    assert region.sum() == pytest.approx(21, abs=2)


def test_regions_are_found_without_seeds(discs):
    picture, truth = discs
    labels = RegionGrowing(0.15)(picture)
    assert labels.max() == 3
    for number in range(3):
        inside = labels[truth == number]
        assert np.mean(inside == np.bincount(inside).argmax()) > 0.99


def test_growing_uses_all_channels():
    colours = np.where(COLUMNS[..., None] < 32, [0.7, 0.2, 0.4], [0.2, 0.7, 0.4])
    labels = RegionGrowing(0.1)(noisy(colours))
    assert len(np.unique(labels[:, :32])) == len(np.unique(labels[:, 32:])) == 1
    assert labels[0, 0] != labels[0, 63]


def test_otsu_watershed_parts_touching_discs_and_drops_specks():
    truth = (np.hypot(ROWS - 24, COLUMNS - 22) < 11) | (np.hypot(ROWS - 24, COLUMNS - 40) < 11)
    picture = 0.2 + 0.6 * truth
    picture[2:4, 2:4], picture[24, 22] = 0.9, 0.2  # a speck, and a hole
    labels = OtsuWatershed()(picture)
    assert labels.max() == 2
    assert np.mean((labels > 0) == truth) > 0.99
    assert labels[24, 22] != labels[24, 40]


def test_watersheds_meet_on_edges_and_cover_the_picture(discs):
    picture, truth = discs
    labels = Watershed()(picture)
    assert labels.min() == 1
    pure = sum(np.bincount(truth[labels == n]).max() for n in np.unique(labels))
    assert pure / truth.size > 0.95
    assert ndimage.label(labels == labels[24, 18])[1] == 1


def test_a_random_walk_without_seeds_cleans_what_otsu_leaves_noisy(discs):
    picture, truth = noisy(discs[0], 0.2), discs[1] > 0
    walked = RandomWalker(beta=20)(picture)
    assert np.mean(walked == truth) > np.mean(Otsu()(picture) == truth) + 0.005


def test_random_walk_probabilities_add_up(discs):
    seeds = [(24, 18), (24, 46), (2, 2)]
    walker = RandomWalker()
    reached = walker.probabilities(discs[0], seeds)
    assert reached.shape == (48, 64, 3)
    np.testing.assert_allclose(reached.sum(axis=2), 1, atol=1e-3)
    np.testing.assert_array_equal(reached.argmax(axis=2) + 1, walker(discs[0], seeds))
    with pytest.raises(BadInput, match="constant"):
        walker(np.full((5, 5), 0.3), seeds=[(1, 1), (3, 3)])


@pytest.mark.parametrize("method", [ColourKMeans(3), ColourGaussians(3)])
def test_colours_are_told_apart_where_grey_cannot(method):
    place = np.clip(COLUMNS // 22, 0, 2)
    # of equal luminance but the last
    colours = np.array([[0.5, 0.2, 0.2], [0.2, 0.2891, 0.2], [0.9, 0.9, 0.5]])[place]
    labels = method(noisy(colours, 0.01))
    assert len({frozenset(np.unique(labels[place == n])) for n in range(3)}) == 3
    assert np.unique(labels[place == 2]).tolist() == [2]  # the brightest is the last


def test_probabilities_of_the_mixture_add_up_and_decide(discs):
    method = ColourGaussians(2)
    probabilities = method.probabilities(discs[0])
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=2), method(discs[0]))
    np.testing.assert_array_equal(method(discs[0]), discs[1] > 0)


def test_more_channels_are_used_as_they_are():
    spectra = np.where(COLUMNS[..., None] < 32, [0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1])
    labels = ColourKMeans(2)(noisy(spectra))
    assert len(np.unique(labels[:, :32])) == len(np.unique(labels[:, 32:])) == 1
