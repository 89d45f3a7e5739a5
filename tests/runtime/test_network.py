"""Networks that eat their border, on pictures of any size: mirrored once, cut anyhow, the same bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aplomb.errors import BadInput, ModelError
from aplomb.layers import conv, conv_transposed, crop, dense, downsample, flatten, max_pool, pad, relu, upsample_repeat
from aplomb.layers.pad import NO_PADS
from aplomb.model import Card, Model, freeze, load
from aplomb.nets import residual, unet
from aplomb.operator import Operator, chain, identity, stack
from aplomb.runtime.network import geometry, open_network
from aplomb.runtime.tiles import OVERHEAD, apply, plan


def valid(a: int, b: int) -> Operator:
    return conv(a, b, padding=0)


def small_unet() -> Operator:
    """Two levels of the U-Net of 2015: 20 pixels give 4, 24 give 8."""
    inner = chain(max_pool(2), valid(4, 8), relu, valid(8, 8), relu, conv_transposed(8, 4))
    return chain(valid(1, 4), relu, valid(4, 4), relu, stack(crop(4), inner), valid(8, 4), relu, valid(4, 2))


def odd_sizes() -> Operator:
    """One that takes sizes 4 k + 2 and gives 4 k - 10: tiles of whole multiples do not fit it as they are."""
    inner = chain(max_pool(4), valid(4, 4), relu, conv_transposed(4, 4, 4, stride=4))
    return chain(valid(1, 4), relu, stack(crop(4), inner), valid(8, 2))


NETS = {
    "odd sizes": odd_sizes,
    "one": lambda: valid(1, 2),
    "chain": lambda: chain(valid(1, 3), relu, conv(3, 3, 5, padding=0), relu, conv(3, 2)),
    "unet": small_unet,
    "lopsided": lambda: chain(crop(((0, 3), (2, 0))), conv(1, 2)),
    "paddings inside": lambda: chain(conv(1, 2), relu, valid(2, 2), relu, conv(2, 2, 5)),
    "keeps": lambda: unet(1, 2, 4, 2),
}


def frozen(operator: Operator, folder: Path, **fields: object) -> Model:
    freeze(operator.initialise(1), folder / "net.onnx", card=Card(**{"task": "segment", "channels": 1, **fields}))  # type: ignore[arg-type]
    return load(folder / "net.onnx")


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [(61, 45), (1, 1), (7, 90)])
def test_tiles_are_the_whole_mirrored_picture(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    model = frozen(NETS[name](), tmp_path)
    x = np.random.default_rng(0).random((2, 1, *size), dtype=np.float32)
    network = open_network(model, "onnxruntime", threads=1, memory=1e12)
    whole = network(x)
    assert whole.shape == (2, 2, *size)
    g = network.geometry
    for side in (1, 30):
        layout = plan(
            x.shape, halo=g.halo, multiple=g.multiple, values_per_pixel=1, memory=1e12, side=side, border=g.border
        )
        assert len(layout.tiles()) > 2 or max(size) < 61
        assert np.array_equal(apply(network.engine, x, layout), whole)


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("paddings inside", "keeps")])
def test_the_result_is_the_network_of_the_mirrored_picture_cut_to_its_size(name: str, tmp_path: Path) -> None:
    operator = NETS[name]().initialise(1)
    model = frozen(NETS[name](), tmp_path)
    g = geometry(model)
    x = np.random.default_rng(0).random((1, 1, 32, 28), dtype=np.float32)
    more = [-n % g.multiple for n in (32, 28)]
    mirrored = np.pad(x, ((0, 0), (0, 0), *((a, b + m) for (a, b), m in zip(g.border, more, strict=True))), "reflect")
    expected = operator(mirrored)[:, :, :32, :28]
    np.testing.assert_allclose(open_network(model)(x), expected, atol=1e-5)


def test_the_result_lies_where_the_picture_does(tmp_path: Path) -> None:
    """A network that copies the middle of what it sees gives the picture itself, however lopsided it crops."""
    x = np.random.default_rng(0).random((1, 1, 20, 24), dtype=np.float32)
    for border in (((3, 3), (3, 3)), ((0, 6), (5, 0))):
        model = frozen(chain(crop(border), identity), tmp_path)
        assert np.array_equal(open_network(model)(x), x), border


def test_facts_of_networks_that_eat(tmp_path: Path) -> None:
    one = geometry(frozen(valid(1, 1), tmp_path))
    assert (one.border, one.halo, one.multiple) == (((1, 1), (1, 1)), 0, 1)
    deep = geometry(frozen(small_unet(), tmp_path))
    assert (deep.multiple, deep.halo) == (2, 0), "nothing is wrong beside a cut"
    assert all(sum(pads) >= 16 for pads in deep.border)
    kept = geometry(frozen(residual(3, 4), tmp_path))
    assert (kept.border, kept.halo) == (NO_PADS, 3)
    everything = geometry(frozen(chain(pad(1, "circular"), conv(1, 1, 7, padding=0)), tmp_path))
    assert everything.halo is None


@pytest.mark.parametrize(
    "operator",
    [
        chain(conv(1, 2), downsample(2)),
        chain(conv(1, 2), upsample_repeat(2)),
        chain(valid(1, 2), flatten, dense(2 * 62 * 62, 3)),
        pad(2),
    ],
    ids=["coarser", "finer", "classes", "larger"],
)
def test_networks_without_a_value_for_each_pixel_are_refused(operator: Operator, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no value for each pixel"):
        geometry(frozen(operator, tmp_path))


def test_memory_counts_the_border(tmp_path: Path) -> None:
    model = frozen(small_unet(), tmp_path)
    for memory in np.geomspace(3e5, 1e8, 8):
        network = open_network(model, threads=1, memory=memory)
        layout = network.layout((1, 1, 700, 300))
        pixels = (layout.height + sum(layout.border[0])) * (layout.width + sum(layout.border[1]))
        assert 4 * OVERHEAD * network.geometry.values_per_pixel * pixels <= memory
    with pytest.raises(BadInput, match="smallest tile"):
        open_network(model, threads=1, memory=1e4)(np.zeros((1, 1, 700, 300), np.float32))
