"""Files there and back: values, dtype, layout, alpha, metadata, in every format that holds them."""

import struct
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from aplomb import io
from aplomb.errors import ImageFileError, OutputError
from pictures import some

ROUND_TRIPS = [
    *[(".png", dtype, shape) for dtype in ("uint8", "uint16") for shape in ((4, 5), (4, 5, 3), (4, 5, 4))],
    *[(".tif", dtype, shape)
      for dtype in ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")
      for shape in ((4, 5), (4, 5, 3), (4, 5, 1), (6, 4, 5), (1, 4, 5), (2, 4, 5, 3), (1, 1))],
    *[(".tif", "bool", shape) for shape in ((4, 5), (6, 4, 5), (1, 1))],
    *[(".tif", dtype, shape) for dtype in ("uint8", "float32") for shape in ((4, 5, 4), (2, 4, 5, 4))],
    *[(".bmp", "uint8", shape) for shape in ((4, 5), (4, 5, 3))],
    *[(".webp", "uint8", shape) for shape in ((4, 5, 3), (4, 5, 4))],
    *[(suffix, "bool", (4, 5)) for suffix in (".png", ".bmp")],
    *[(suffix, "uint8", (3, 5000)) for suffix in (".png", ".tiff", ".bmp")],
    *[(suffix, "uint8", (1, 1)) for suffix in (".png", ".tiff", ".bmp")],
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "dtype", "shape"), ROUND_TRIPS)
def test_there_and_back(tmp_path, suffix, dtype, shape):
    path, array = tmp_path / f"x{suffix}", some(shape, dtype)
    assert io.write(path, array) == ()
    picture = io.read(path)
    colour = array[..., :3] if shape[-1] == 4 else array
    assert picture.array.dtype == array.dtype
    np.testing.assert_array_equal(picture.array, colour)
    assert (picture.alpha is not None) == (shape[-1] == 4)
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, array[..., 3])
    again = tmp_path / f"y{suffix}"
    io.write(again, picture.array, like=picture)
    np.testing.assert_array_equal(io.read(again).array, colour)
    if picture.alpha is not None:
        np.testing.assert_array_equal(io.read(again).alpha, array[..., 3])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hnp.arrays(
        st.sampled_from([np.dtype(d) for d in ("uint8", "uint16", "int32", "float32")]),
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5),
    )
)
def test_tiff_holds_any_array(tmp_path, array):
    io.write(tmp_path / "x.tif", array)
    picture = io.read(tmp_path / "x.tif")
    back = picture.array
    if picture.alpha is not None:
        back = np.concatenate([back, picture.alpha[..., None]], axis=-1)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_jpeg_is_near(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    for array in (ramp, np.stack([ramp, 255 - ramp, ramp // 2], axis=-1)):
        io.write(tmp_path / "x.jpg", array)
        assert np.abs(io.read(tmp_path / "x.jpg").array.astype(int) - array).max() < 8


def test_grey_webp_becomes_three_equal_colours_and_says_so(tmp_path):
    array = some((4, 5), "uint8")
    assert "grey" in io.write(tmp_path / "x.webp", array)[0]
    np.testing.assert_array_equal(io.read(tmp_path / "x.webp").array, np.stack([array] * 3, axis=-1))


def test_the_whole_way(tmp_path):
    array = some((4, 5, 4), "uint16")
    io.write(tmp_path / "x.png", array)
    picture = io.read(tmp_path / "x.png")
    planes, origin = io.to_float(picture)
    assert planes.shape == (1, 3, 4, 5)
    io.write(tmp_path / "y.png", io.from_float(planes, origin), like=picture)
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()


# ---------------------------------------------------------------------------------------- metadata

ICC = b"\0" * 36 + b"acsp" + b"\0" * 88
EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_metadata(tmp_path, dtype):
    array = some((4, 5, 3), dtype)
    kept = io.Metadata(
        icc=ICC,
        exif=EXIF.replace(b"\x06", b"\x01"),
        text={"Description": "a cell", "Größe": "3 µm"},
        png_colour=((b"gAMA", struct.pack(">I", 45455)),),
    )
    assert io.write(tmp_path / "x.png", array, like=io.Picture(array, metadata=kept)) == ()
    assert io.read(tmp_path / "x.png").metadata == kept


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_pixel_size(tmp_path, suffix):
    array = some((4, 5, 3), "uint8")
    like = io.Picture(array, metadata=io.Metadata(resolution=(Fraction(300), Fraction(150), "inch")))
    assert io.write(tmp_path / f"x{suffix}", array, like=like) == ()
    x, y, unit = io.read(tmp_path / f"x{suffix}").metadata.resolution
    assert (float(x), float(y), unit) == (pytest.approx(300, abs=0.02), pytest.approx(150, abs=0.02), "inch")
    larger = np.zeros((8, 10, 3), np.uint8)
    assert "pixel size" in io.write(tmp_path / f"y{suffix}", larger, like=like)[0]
    if suffix != ".bmp":  # which always states one
        assert io.read(tmp_path / f"y{suffix}").metadata.resolution is None


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_icc_and_exif(tmp_path, suffix):
    array = some((4, 5, 3), "uint8")
    exif = EXIF.replace(b"\x06", b"\x01")
    io.write(tmp_path / f"x{suffix}", array, like=io.Picture(array, metadata=io.Metadata(icc=ICC, exif=exif)))
    metadata = io.read(tmp_path / f"x{suffix}").metadata
    assert (metadata.icc, metadata.exif) == (ICC, exif)


def test_jpeg_comment(tmp_path):
    array = some((4, 5), "uint8")
    io.write(tmp_path / "x.jpg", array, like=io.Picture(array, metadata=io.Metadata(text={"Comment": "cells"})))
    assert io.read(tmp_path / "x.jpg").metadata.text == {"Comment": "cells"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_orientation_is_carried_out(tmp_path, orientation, suffix):
    """Pillow's own turning is the oracle."""
    array = np.kron(some((2, 3, 3), "uint8"), np.ones((16, 16, 1), np.uint8))
    image = Image.fromarray(array)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x{suffix}"
    image.save(path, exif=exif, **({"lossless": True} if suffix == ".webp" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    picture = io.read(path)
    np.testing.assert_array_equal(picture.array, expected)
    assert any("upright" in note for note in picture.notes) == (orientation != 1)
    io.write(tmp_path / f"y{suffix}", picture.array, like=picture)
    again = io.read(tmp_path / f"y{suffix}")
    assert again.notes == ()
    assert again.array.shape == expected.shape


def test_what_a_format_cannot_keep_is_named(tmp_path):
    array = some((4, 5, 3), "uint8")
    metadata = io.Metadata(
        icc=ICC,
        exif=EXIF,
        text={"Author": "me"},
        imagej={"unit": "um"},
        ome="<OME/>",
        png_colour=((b"sRGB", b"\0"),),
        tiff_tags=((315, 2, 3, "me"),),
    )
    lost = io.write(tmp_path / "x.bmp", array, like=io.Picture(array, metadata=metadata))
    for thing in ("ICC", "EXIF", "Author", "ImageJ", "OME", "315", "gamma"):
        assert any(thing in sentence for sentence in lost), thing
    assert all(sentence.startswith("BMP did not keep") for sentence in lost)


def test_tiff_tags(tmp_path):
    array = some((4, 5), "uint16")
    geo = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (42113, 2, 0, "0", True), (315, 2, 0, "somebody", True)]
    tifffile.imwrite(
        tmp_path / "x.tif", array, compression="lzw", predictor=True, description="of 2026, 3 µm".encode(),
        resolution=((100, 3), (50, 1)), resolutionunit=3, iccprofile=ICC, extratags=geo, metadata=None,
    )  # fmt: skip
    picture = io.read(tmp_path / "x.tif")
    assert picture.notes == ()
    assert picture.metadata.resolution == (Fraction(100, 3), Fraction(50), "cm")
    assert {tag[0] for tag in picture.metadata.tiff_tags} == {33550, 42113, 315}
    assert io.write(tmp_path / "y.tif", picture.array, like=picture) == ()
    assert io.read(tmp_path / "y.tif").metadata == picture.metadata
    np.testing.assert_array_equal(io.read(tmp_path / "y.tif").array, array)


@pytest.mark.parametrize(("shape", "axes"), [((3, 4, 5), "ZYX"), ((2, 3, 4, 5), "TCYX"), ((4, 5), "YX")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej(tmp_path, shape, axes, dtype):
    array = some(shape, dtype)
    stated = {"axes": axes, "spacing": 0.25, "unit": "um", "finterval": 2.0, "Info": "a = 1"}
    tifffile.imwrite(tmp_path / "x.tif", array, imagej=True, resolution=(2.5, 2.5), metadata=stated)
    picture = io.read(tmp_path / "x.tif")
    assert picture.axes == axes
    planes, origin = io.to_float(picture)
    assert planes.shape == (int(np.prod(shape[:-2])), 1, 4, 5)
    assert io.write(tmp_path / "y.tif", io.from_float(planes, origin), like=picture) == ()
    again = io.read(tmp_path / "y.tif")
    np.testing.assert_array_equal(again.array, array)
    assert again.axes == axes
    assert again.metadata == picture.metadata
    assert again.metadata.imagej["unit"] == "um"


def test_ome(tmp_path):
    array = some((2, 3, 4, 5), "uint16")
    stated = {"axes": "ZCYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(tmp_path / "x.ome.tif", array, photometric="minisblack", metadata=stated)
    picture = io.read(tmp_path / "x.ome.tif")
    assert picture.axes == "ZCYX"
    io.write(tmp_path / "y.ome.tif", picture.array, like=picture)
    again = io.read(tmp_path / "y.ome.tif")
    np.testing.assert_array_equal(again.array, array)
    assert (again.axes, again.metadata.ome) == (picture.axes, picture.metadata.ome)


# ------------------------------------------------------------------------------- kinds of pixels


def test_palettes_become_what_they_stand_for(tmp_path):
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colours = some((256, 3), "uint8")
    for suffix in (".png", ".gif", ".bmp", ".tif"):
        image = Image.fromarray(indices).convert("P")
        image.putpalette(colours.tobytes())
        image.save(tmp_path / f"x{suffix}")
        picture = io.read(tmp_path / f"x{suffix}")
        np.testing.assert_array_equal(picture.array, colours[indices])
        assert any("palette" in note for note in picture.notes)
    image.putpalette(np.repeat(colours[:, :1], 3, axis=1).tobytes())
    for suffix in (".png", ".tif"):
        image.save(tmp_path / f"x{suffix}")
        np.testing.assert_array_equal(io.read(tmp_path / f"x{suffix}").array, colours[indices, 0])


def test_a_palette_with_transparency_gives_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette(some((256, 3), "uint8").tobytes())
    image.save(tmp_path / "x.png", transparency=1)
    assert io.read(tmp_path / "x.png").alpha.tolist() == [[255, 0, 255]]


def test_a_transparent_colour_gives_alpha(tmp_path):
    Image.fromarray(np.array([[0, 7, 9]], np.uint8)).save(tmp_path / "x.png", transparency=7)
    picture = io.read(tmp_path / "x.png")
    assert picture.alpha.tolist() == [[255, 0, 255]]
    assert picture.array.tolist() == [[0, 7, 9]]
    assert "transparent" in picture.notes[0]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "y.png", transparency=255)
    assert io.read(tmp_path / "y.png").alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_with_alpha(tmp_path, dtype, suffix):
    array, alpha = some((4, 5), dtype), some((4, 5), dtype, seed=1)
    io.write(tmp_path / f"x{suffix}", array, like=io.Picture(array, alpha=alpha))
    picture = io.read(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(picture.array, array)
    np.testing.assert_array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_is_refused(tmp_path, suffix):
    Image.new("CMYK", (4, 4)).save(tmp_path / f"x{suffix}")
    with pytest.raises(ImageFileError, match=r"CMYK|SEPARATED"):
        io.read(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(some((16, 16, 3), "uint8", seed)) for seed in range(3)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageFileError, match="animation of 3 frames"):
        io.read(tmp_path / f"x{suffix}")


def test_pages_of_a_tiff(tmp_path):
    pages = [Image.fromarray(some((4, 5), "uint8", seed)) for seed in range(3)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(io.read(tmp_path / "x.tif").array, np.stack([np.asarray(p) for p in pages]))
    pages.append(Image.new("L", (9, 9)))
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageFileError, match="2 images of different sizes"):
        io.read(tmp_path / "x.tif")


def test_a_thumbnail_in_a_tiff_is_left_out_and_said(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as tiff:
        tiff.write(some((8, 8), "uint8"), metadata=None)
        tiff.write(some((2, 2), "uint8"), metadata=None, subfiletype=1)
    picture = io.read(tmp_path / "x.tif")
    assert picture.size == (8, 8)
    assert "smaller copies" in picture.notes[0]


def test_spectral_bands_are_images_of_their_own(tmp_path):
    bands = some((4, 5, 7), "uint16")
    tifffile.imwrite(tmp_path / "x.tif", bands, photometric="minisblack", planarconfig="contig")
    picture = io.read(tmp_path / "x.tif")
    assert picture.axes == "YXC"
    planes, origin = io.to_float(picture)
    assert planes.shape == (7, 1, 4, 5)
    io.write(tmp_path / "y.tif", io.from_float(planes, origin), like=picture)
    np.testing.assert_array_equal(io.read(tmp_path / "y.tif").array, bands)


def test_white_is_zero_survives(tmp_path):
    array = some((4, 5), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="miniswhite")
    picture = io.read(tmp_path / "x.tif")
    assert picture.metadata.white_is_zero
    io.write(tmp_path / "y.tif", picture.array, like=picture)
    assert io.read(tmp_path / "y.tif").metadata.white_is_zero
    io.write(tmp_path / "y.png", picture.array, like=picture)
    np.testing.assert_array_equal(io.read(tmp_path / "y.png").array, 255 - array)


@pytest.mark.parametrize("kind", ["assocalpha", "unspecified"])
def test_other_kinds_of_alpha_survive_in_tiff_only(tmp_path, kind):
    array = some((4, 5, 4), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="rgb", extrasamples=[kind])
    picture = io.read(tmp_path / "x.tif")
    assert picture.metadata.alpha_kind == kind
    io.write(tmp_path / "y.tif", picture.array, like=picture)
    again = io.read(tmp_path / "y.tif")
    assert again.metadata.alpha_kind == kind
    np.testing.assert_array_equal(again.alpha, array[..., 3])
    with pytest.raises(OutputError, match="straight alpha"):
        io.write(tmp_path / "y.png", picture.array, like=picture)


def test_planar_colour(tmp_path):
    array = some((3, 4, 5), "uint8")
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="rgb", planarconfig="separate")
    picture = io.read(tmp_path / "x.tif")
    assert picture.axes == "YXS"
    np.testing.assert_array_equal(picture.array, array.transpose(1, 2, 0))


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "packbits", "jpeg", "lzma"])
def test_compressed_tiff(tmp_path, compression):
    array = np.full((16, 16, 3), 77, np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="rgb", compression=compression)
    assert np.abs(io.read(tmp_path / "x.tif").array.astype(int) - 77).max() < 3
