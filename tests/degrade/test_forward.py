"""Forward models: what they answer, and how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aplomb.degrade.blur import Blur, as_blur, blur
from aplomb.degrade.forward import ForwardModel, parse_forward, read_forward
from aplomb.degrade.interference import interference
from aplomb.degrade.noise import Gaussian, Poisson, PoissonGaussian
from aplomb.degrade.psf import disk, gaussian, motion
from aplomb.degrade.sample import Bicubic, Mask, bicubic, mask, mosaic
from aplomb.degrade.shake import shake
from aplomb.errors import BadInput, ImageFileError, ShapeError
from aplomb.io import write
from aplomb.layers import downsample, relu
from aplomb.layers.resample import Downsample
from aplomb.operator import chain, identity
from laws import close

CLEAN = np.random.default_rng(0).uniform(size=(1, 3, 16, 24))


def read(*steps: dict, **rest: object) -> ForwardModel:
    return parse_forward({"step": [*steps], **rest}, shape=(1, 3, 16, 24))


def test_a_measurement_is_the_operator_and_the_noise():
    operator = chain(blur(gaussian(1.0), "valid"), downsample(2))
    model = ForwardModel(operator, Gaussian(0.01), "camera")
    y = model.simulate(CLEAN, np.random.default_rng(3))
    np.testing.assert_array_equal(y, Gaussian(0.01)(operator(CLEAN), np.random.default_rng(3)))
    np.testing.assert_array_equal(ForwardModel(operator).simulate(CLEAN, np.random.default_rng(3)), operator(CLEAN))
    assert model.sigma == 0.01
    assert ForwardModel(operator).sigma is ForwardModel(operator, Poisson(30)).sigma is None
    assert isinstance(model.find(Blur), Blur)
    assert isinstance(model.find(Downsample), Downsample)
    assert model.find(Mask) is None


def test_the_picture_that_a_measurement_belongs_to():
    model = ForwardModel(chain(blur(disk(1.2), "circular"), mosaic()))
    assert model.picture_shape((1, 1, 6, 8)) == (1, 3, 6, 8)
    for wrong in ((1, 3, 6, 8), (1, 1, 5, 8), (6, 8)):
        with pytest.raises(ShapeError, match="measurement of shape"):
            model.picture_shape(wrong)


def test_what_is_no_measurement_is_refused():
    model = ForwardModel(mask(np.ones((4, 5))), name="holes")
    model.check_measurement(np.zeros((1, 1, 4, 5)))
    with pytest.raises(ShapeError, match=r"does not fit forward model holes: a mask of 4 x 5"):
        model.check_measurement(np.zeros((1, 1, 5, 4)))
    with pytest.raises(BadInput, match="found uint8"):
        model.check_measurement(np.zeros((1, 1, 4, 5), np.uint8))
    with pytest.raises(BadInput, match="NaN"):
        model.check_measurement(np.full((1, 1, 4, 5), np.nan))
    with pytest.raises(BadInput, match="nonlinear"):
        ForwardModel(relu)


def test_noise_alone_is_a_forward_model():
    model = parse_forward({"noise": {"kind": "poisson", "peak": 4}})
    assert (model.operator, model.noise) == (identity, Poisson(4))


def test_the_offset_is_taken_away():
    """y = D x + offset: what remains is explained by the linear part, also where D changes the shape."""
    model = ForwardModel(chain(interference((0.1, 0.2), 0.3), mosaic()))
    close(model.centred(model.operator(CLEAN)), model.linear(CLEAN), 1e-13)
    linear = ForwardModel(mosaic())
    y = linear.operator(CLEAN)
    assert linear.centred(y) is y


@pytest.mark.parametrize(
    ("step", "operator"),
    [
        ({"kind": "blur", "psf": "gaussian", "sigma": 1.2}, blur(gaussian(1.2))),
        ({"kind": "blur", "psf": "gaussian", "sigma": 1.2, "size": 5}, blur(gaussian(1.2, 5))),
        ({"kind": "blur", "psf": "disk", "radius": 2, "border": "valid"}, blur(disk(2), "valid")),
        ({"kind": "blur", "psf": "motion", "length": 5, "angle": 20}, blur(motion(5, 20))),
        ({"kind": "blur", "psf": "shake", "length": 9, "seed": 3}, blur(shake(9, 3))),
        ({"kind": "blur", "psf": [[1, 3]], "normalise": True}, blur([[0.25, 0.75]])),
        ({"kind": "downsample"}, downsample(2)),
        ({"kind": "bicubic", "factor": 4}, bicubic(4)),
        ({"kind": "bicubic", "antialias": False}, bicubic(2, False)),
        ({"kind": "mosaic", "pattern": "BGGR"}, mosaic("BGGR")),
        ({"kind": "interference", "frequency": [0.1, 0], "amplitude": 51, "phase": 180},
         interference((0.1, 0), 0.2, np.pi)),
    ],
)  # fmt: skip
def test_steps_as_tables(step, operator):
    assert read(step).operator == operator


@pytest.mark.parametrize("keys", [{"draw": "random"}, {"draw": "random", "fraction": 0.2, "seed": 3},
                                  {"draw": "scratches", "count": 2}, {"draw": "regions", "side": 4},
                                  {"draw": "text", "height": 8}])  # fmt: skip
def test_masks_take_the_size_of_the_picture_or_their_own(keys):
    assert read({"kind": "mask", **keys}).find(Mask).weight.shape == (1, 16, 24)
    assert parse_forward({"step": [{"kind": "mask", "size": [9, 7], **keys}]}).find(Mask).weight.shape == (1, 9, 7)
    after = read({"kind": "bicubic"}, {"kind": "mask", **keys})
    assert after.find(Mask).weight.shape == (1, 8, 12)
    assert isinstance(after.find(Bicubic), Bicubic)


def test_kinds_of_measurements_elsewhere():
    square = {"shape": (1, 1, 16, 16)}
    for step, measured in (
        ({"kind": "fourier", "sampling": "radial"}, (1, 2, 16, 16)),
        ({"kind": "fourier", "sampling": "random", "fraction": 0.5, "seed": 2, "real": False}, None),
        ({"kind": "gaussian", "block": 8}, (1, 16, 2, 2)),
        ({"kind": "hadamard", "fraction": 0.5}, (1, 1, 128, 1)),
        ({"kind": "radon", "angles": 20}, (1, 1, 16, 20)),
        ({"kind": "radon", "angles": [0, 30.5], "circle": False}, (1, 1, 23, 2)),
        ({"kind": "fan-beam", "angles": 12, "source_distance": 40, "detectors": 9}, (1, 1, 9, 12)),
    ):
        table = {"step": [step]}
        if measured is None:
            assert parse_forward(table, shape=(1, 2, 16, 16)).operator.output_shape((1, 2, 16, 16)) == (1, 2, 16, 16)
        else:
            assert parse_forward(table, **square).operator.output_shape((1, 1, 16, 16)) == measured
    turns = parse_forward({"step": [{"kind": "radon", "angles": 4}]}, **square).operator.angles
    np.testing.assert_allclose(turns, [0, 45, 90, 135])


def test_noise_is_told_in_grey_levels():
    step = {"kind": "downsample"}
    assert read(step, noise={"kind": "gaussian", "sigma": 25.5}).noise == Gaussian(25.5 / 255)
    assert read(step, noise={"kind": "poisson", "peak": 30}).noise == Poisson(30)
    model = read(step, noise={"kind": "poisson-gaussian", "gain": 0.01, "read_noise": 2.55}, name="dark")
    assert model.noise == PoissonGaussian(0.01, 2.55 / 255)
    assert model.name == "dark"
    assert read(step).noise is None


def test_files_stand_beside_the_model(tmp_path: Path):
    write(tmp_path / "k.png", np.array([[0, 100, 0], [50, 0, 50]], np.uint8))
    write(tmp_path / "m.png", np.array([[0, 255, 1], [0, 7, 0]], np.uint8))
    (tmp_path / "model.toml").write_text(
        '[[step]]\nkind = "blur"\npsf = "k.png"\nborder = "replicate"\n[[step]]\nkind = "mask"\nfile = "m.png"\n'
    )
    model = read_forward(tmp_path / "model.toml")
    psf, border = as_blur(chain(*model.operator.parts[:2]))
    np.testing.assert_allclose(psf, [[0, 0.5, 0], [0.25, 0, 0.25]])
    assert border == "replicate"
    np.testing.assert_array_equal(model.find(Mask).weight[0], [[0, 1, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"needs steps, each a table \[\[step\]\]"),
        ({"step": {"kind": "mosaic"}}, "needs steps"),
        ({"stop": []}, "has no 'stop'; its parts are"),
        ({"step": [{"kind": "rain"}]}, "step 1 has the kind 'rain'; known are blur, downsample"),
        ({"step": [{"kind": "downsample", "by": 2}]}, "step 1, downsample: no key 'by'; its keys are factor"),
        ({"step": [{"kind": "downsample", "factor": "two"}]}, "factor = 'two' cannot be used"),
        ({"step": [{"kind": "mosaic"}, {"kind": "blur"}]}, "step 2, blur: the key 'psf' is missing"),
        ({"step": [{"kind": "blur", "psf": "disk"}]}, "psf 'disk': the key 'radius' is missing; its keys are radius"),
        ({"step": [{"kind": "blur", "psf": "disk", "sigma": 1}]}, "psf 'disk': no key 'sigma'"),
        ({"step": [{"kind": "blur", "psf": [[1, 3]]}]}, "psf sums to 4"),
        ({"step": [{"kind": "blur", "psf": [[1, 3], [1]]}]}, "rows of numbers"),
        ({"step": [{"kind": "mask", "draw": "random"}]}, r"size = \[height, width\] of the picture is needed"),
        ({"step": [{"kind": "mask", "draw": "random", "size": [4]}]}, r"found \[4\]"),
        ({"step": [{"kind": "mask"}]}, "either file"),
        ({"step": [{"kind": "mask", "draw": "rain", "size": 4}]}, "draw = 'rain' is not known"),
        ({"step": [{"kind": "interference", "frequency": 1, "amplitude": 3}]}, "frequency = .down, across."),
        ({"step": [{"kind": "fourier", "size": 8}]}, "either mask"),
        ({"step": [{"kind": "radon", "angles": 3, "size": [4, 5]}]}, "square pictures, found 4 x 5"),
        ({"step": [{"kind": "mosaic"}], "noise": 3}, "noise. needs a kind"),
        ({"step": [{"kind": "mosaic"}], "noise": {"kind": "gaussian", "sigma": "a"}}, "sigma"),
        ({"step": [{"kind": "mosaic"}], "noise": {"kind": "rain"}}, "asked for noise 'rain'"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(table, message):
    with pytest.raises(BadInput, match=message) as caught:
        parse_forward(table)
    assert "\n" not in str(caught.value)


def test_steps_have_to_fit_the_picture():
    with pytest.raises(ShapeError, match=r"step 2, downsample: .* multiples of 3"):
        read({"kind": "bicubic"}, {"kind": "downsample", "factor": 3})


def test_files_that_are_refused(tmp_path: Path):
    path = tmp_path / "model.toml"
    with pytest.raises(BadInput, match=r"model\.toml cannot be read"):
        read_forward(path)
    path.write_text("step = [")
    with pytest.raises(BadInput, match=r"model\.toml is not valid TOML"):
        read_forward(path)
    path.write_text('[[step]]\nkind = "mask"\nfile = "none.png"\n')
    with pytest.raises(ImageFileError, match=r"model\.toml: step 1, mask: .*none\.png"):
        read_forward(path)
