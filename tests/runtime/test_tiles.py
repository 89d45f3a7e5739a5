"""Tiles change nothing: every picture, cut anyhow, comes out bit for bit as in one pass."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aplomb.errors import BadInput
from aplomb.model import Card, facts, freeze, load
from aplomb.nets import lean, patch_mlp, residual, unet_denoiser
from aplomb.runtime import tiles
from aplomb.runtime.engines import has_openvino, open_engine
from aplomb.runtime.tiles import OVERHEAD, Plan, apply, free_memory, plan

NETS = {
    "lean": lambda: lean(widths=(8, 16), blocks=(1, 1)),
    "lean colour": lambda: lean(channels=3, widths=(8, 8, 8), blocks=(1, 0, 1)),
    "unet": lambda: unet_denoiser(width=4, poolings=2),
    "residual": lambda: residual(4, 8),
    "patch mlp": lambda: patch_mlp(patch=6, hidden=8, layers=2, stride=3),
}
ENGINES = [
    ("onnxruntime", "f32"),
    pytest.param(("openvino", "f32"), marks=pytest.mark.skipif(not has_openvino(), reason="needs openvino")),
    pytest.param(("openvino", "bf16"), marks=pytest.mark.skipif(not has_openvino(), reason="needs openvino")),
]
PLENTY = 1e12


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The networks as models, by name; for each the facts that tiles are cut by."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, make in NETS.items():
        card = Card(channels=3 if "colour" in name else 1, noise_map="lean" in name)
        card = freeze(make(), folder / f"{name}.onnx", card=card)
        cut = {"halo": card.halo, "multiple": card.multiple, "values_per_pixel": card.values_per_pixel}
        found[name] = load(folder / f"{name}.onnx"), cut
    return found


def picture(model, n, height, width):
    x = np.random.default_rng(height * width).random((n, model.card.channels, height, width), dtype=np.float32)
    extra = np.linspace(0.05, 0.2, n, dtype=np.float32)[:, None] if model.card.noise_map else None
    return x, extra


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("how", ENGINES)
def test_tiled_is_whole_bit_for_bit(models, name, how):
    model, cut = models[name]
    x, extra = picture(model, 2, 103, 141)
    engine = open_engine(model, *how, threads=1)
    whole = plan(x.shape, **cut, memory=PLENTY)
    assert len(whole.tiles()) == 1
    expected = apply(engine, x, whole, extra=extra)
    for side in (2 * cut["halo"] + 2 * cut["multiple"], 80):
        layout = plan(x.shape, **cut, memory=PLENTY, side=side)
        assert len(layout.tiles()) > 3
        assert np.array_equal(apply(engine, x, layout, extra=extra), expected)


@pytest.mark.parametrize("name", NETS)
def test_any_size(models, name):
    model, cut = models[name]
    engine = open_engine(model, "onnxruntime", threads=1)
    # the patch MLP mirrors 6 pixels at its own border, for which a picture has to be larger than that
    least = 7 if name == "patch mlp" else 1
    for size in [(1, 1), (1, 2), (2, 1), (3, 5), (7, 1), (17, 31), (3, 5000), (1200, 1)]:
        height, width = (max(side, least) for side in size)
        x, extra = picture(model, 1, height, width)
        cuts = [plan(x.shape, **cut, memory=PLENTY, side=side) for side in (600, 10**6)]
        results = [apply(engine, x, layout, extra=extra) for layout in cuts]
        assert results[0].shape == x.shape
        assert np.isfinite(results[0]).all()
        assert np.array_equal(*results)


def test_all_small_sizes(models):
    model, cut = models["lean"]
    engine = open_engine(model, "onnxruntime", threads=1)
    for height in range(1, 14):
        for width in range(1, 14):
            x, extra = picture(model, 1, height, width)
            assert apply(engine, x, plan(x.shape, **cut, memory=PLENTY), extra=extra).shape == x.shape


def test_a_picture_is_mirrored_once_and_not_at_each_tile():
    seen = []

    def network(x):
        seen.append(x.copy())
        return x

    x = np.arange(30 * 30, dtype=np.float32).reshape(1, 1, 30, 30)
    layout = plan(x.shape, halo=4, multiple=4, values_per_pixel=1, memory=PLENTY, side=20)
    assert np.array_equal(apply(network, x, layout), x)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 2)), mode="reflect")
    for part, tile in zip(seen, layout.tiles(), strict=True):
        assert np.array_equal(part, padded[:, :, *tile])


def test_batches_are_the_same_pictures(models):
    model, cut = models["lean"]
    engine = open_engine(model, "onnxruntime", threads=1)
    x, extra = picture(model, 5, 44, 52)
    one = plan((1, *x.shape[1:]), **cut, memory=PLENTY)
    alone = [apply(engine, x[i : i + 1], one, extra=extra[i : i + 1]) for i in range(5)]
    together = plan(x.shape, **cut, memory=PLENTY)
    few = plan(x.shape, **cut, memory=together.height * together.width * 2.5 * pixel(cut))
    assert (together.batch, few.batch) == (5, 2)
    for layout in (together, few):
        assert np.array_equal(apply(engine, x, layout, extra=extra), np.concatenate(alone))


def test_progress_counts_tiles_of_all_batches():
    calls = []
    x = np.zeros((3, 1, 20, 50), np.float32)
    layout = plan(x.shape, halo=2, multiple=2, values_per_pixel=1, memory=20 * 30 * 4 * OVERHEAD, side=20)
    apply(lambda part: part, x, layout, progress=lambda done, total: calls.append((done, total)))
    total = len(layout.tiles()) * -(-3 // layout.batch)
    assert calls == [(i + 1, total) for i in range(total)]


# -- the plan ------------------------------------------------------------------------------------------------

sizes = st.integers(1, 900)


@given(sizes, sizes, st.integers(0, 90), st.sampled_from([1, 2, 3, 4, 8, 12]), st.floats(1, 200), st.floats(1, 9))
@example(1, 1, 0, 1, 1.0, 1)
@example(3, 5000, 88, 8, 40.0, 1)
@settings(max_examples=150)
def test_every_pixel_is_kept_once_and_the_limit_is_respected(height, width, halo, multiple, values, room):
    around = -(-halo // multiple) * multiple
    memory = 4 * values * OVERHEAD * ((2 * around + multiple + 24) ** 2 + 1) * room
    layout = plan((3, 1, height, width), halo=halo, multiple=multiple, values_per_pixel=values, memory=memory)
    more = [padded - size for padded, size in zip(layout.padded, (height, width), strict=True)]
    assert all(padded % multiple == 0 for padded in layout.padded)
    assert all(0 <= m < multiple for m in more)
    assert layout.batch * layout.height * layout.width * 4 * values * OVERHEAD <= memory
    assert 1 <= layout.batch <= 3
    for axis, size in enumerate(layout.padded):
        side = (layout.height, layout.width)[axis]
        cut = sorted({(tile[axis].start, tile[axis].stop) for tile in layout.tiles()})
        kept = sorted({(k.start, k.stop) for k in (layout.kept(tile)[axis] for tile in layout.tiles())})
        assert all(a % multiple == 0 and b - a == side and 0 <= a and b <= size for a, b in cut)
        assert kept[0][0] == 0
        assert kept[-1][1] == size
        for (start, stop), (left, right) in zip(cut, kept, strict=True):
            assert left < right
            assert left - start >= around or left == start == 0
            assert stop - right >= around or right == stop == size
        # no gap; only the last tile, which ends with the picture, may compute again what is there already
        assert all(b[0] <= a[1] for a, b in pairwise(kept))
        assert all(b[0] == a[1] for a, b in pairwise(kept[:-1]))


@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(0, 12),
    st.sampled_from([1, 2, 4, 6]),
    st.integers(9, 60),
)
def test_a_filter_cannot_tell_tiles_from_the_whole(height, width, halo, multiple, side):
    """A network of numpy whose every output depends on all of its halo."""
    from scipy.ndimage import minimum_filter

    def network(part):
        return minimum_filter(part, (1, 1, 2 * halo + 1, 2 * halo + 1), mode="constant", cval=-1)

    x = np.random.default_rng(0).random((1, 1, height, width), dtype=np.float32)
    options = {"halo": halo, "multiple": multiple, "values_per_pixel": 1, "memory": PLENTY}
    whole = apply(network, x, plan(x.shape, **options, side=10**6))
    assert np.array_equal(apply(network, x, plan(x.shape, **options, side=side)), whole)


def pixel(cut):
    return 4 * cut["values_per_pixel"] * OVERHEAD


def test_a_memory_that_is_too_small_is_refused_with_the_size_that_is_needed(models):
    _, cut = models["lean"]
    least = (2 * cut["halo"] + cut["multiple"]) ** 2 * pixel(cut)
    with pytest.raises(BadInput, match=r"smallest tile .* needs .* MB, the limit is .* --memory"):
        plan((1, 1, 500, 500), **cut, memory=0.98 * least)
    layout = plan((1, 1, 500, 500), **cut, memory=1.02 * least)
    assert layout.height == layout.width == 2 * cut["halo"] + cut["multiple"]


def test_a_small_picture_needs_little_memory_whatever_the_halo():
    layout = plan((1, 1, 8, 8), halo=88, multiple=8, values_per_pixel=40, memory=64 * 40 * 4 * OVERHEAD * 1.01)
    assert (layout.height, layout.width) == (8, 8)


def test_a_network_without_a_halo_runs_in_one_pass_or_not_at_all():
    options = {"halo": None, "multiple": 4, "values_per_pixel": 10}
    assert plan((4, 1, 90, 50), **options, memory=1e9) == Plan((92, 52), 92, 52, 1, 0)
    with pytest.raises(BadInput, match="--memory"):
        plan((4, 1, 90, 50), **options, memory=1e5)


@pytest.mark.parametrize("name", NETS)
def test_one_stride_less_than_the_span_leaves_seams(models, name):
    """The tests above would notice a wrong halo; and what the span says is needed, is."""
    model, cut = models[name]
    network, stride = model.operator, cut["multiple"]
    assert facts(network)[:2] == (cut["halo"], stride)
    # a cut lies between whole strides, so what counts is what one stride of output needs on either side
    reach = max(max(-lo, hi - stride) for lo, hi in (network.span((0, stride), axis) for axis in (0, 1)))
    tight = -(-int(reach) // stride) * stride
    assert tight <= cut["halo"] <= tight + stride
    x, extra = picture(model, 1, 103, 141)
    engine = open_engine(model, "onnxruntime", threads=1)
    expected = apply(engine, x, plan(x.shape, **cut, memory=PLENTY), extra=extra)
    for halo, right in ((tight, True), (tight - stride, False)):
        layout = plan(x.shape, **{**cut, "halo": halo}, memory=PLENTY, side=2 * tight + stride)
        assert np.array_equal(apply(engine, x, layout, extra=extra), expected) == right


def test_free_memory_is_a_number_of_bytes():
    assert 2**20 < free_memory() < 2**50
    assert tiles.SIDE > 0
