"""Files that are refused, formats that cannot hold an image, and output that is never half written."""

import dataclasses
import errno
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from aplomb import io
from aplomb.errors import ImageFileError, OutputError, ShapeError
from pictures import some


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def test_missing(tmp_path):
    with pytest.raises(ImageFileError, match="no such file"):
        io.read(tmp_path / "x.png")


def test_a_folder(tmp_path):
    with pytest.raises(ImageFileError, match="is a folder"):
        io.read(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "x.png").touch()
    with pytest.raises(ImageFileError, match="empty"):
        io.read(tmp_path / "x.png")


def test_text_file(tmp_path):
    (tmp_path / "x.png").write_text("not an image")
    with pytest.raises(ImageFileError, match=r"begins with b'not an i'"):
        io.read(tmp_path / "x.png")


def test_the_content_counts_not_the_name(tmp_path):
    io.write(tmp_path / "x.png", some((4, 5), "uint8"))
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert io.read(tmp_path / "x.jpg").format == "PNG"


@pytest.mark.parametrize(
    "name", ["a.png", "b.png", "x.jpg", "x.bmp", "x.webp", "x.tif", "lzw.tif", "pages.tif", "x.gif"]
)
def test_truncated(tmp_path, name):
    path = tmp_path / name
    noise = some((64, 64), "uint8")
    if name == "b.png":
        io.write(path, some((64, 64, 3), "uint16"))
    elif name == "lzw.tif":
        tifffile.imwrite(path, noise, compression="lzw", rowsperstrip=8)
    elif name == "pages.tif":
        pages = [Image.fromarray(noise)] * 4
        pages[0].save(path, save_all=True, append_images=pages[1:])
    else:
        Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for part in (0.02, 0.3, 0.6, 0.95):
        path.write_bytes(whole[: max(12, int(part * len(whole)))])
        with pytest.raises(ImageFileError, match=name.replace(".", r"\.")):
            io.read(path)


@pytest.mark.parametrize("name", ["a.png", "b.png", "x.jpg", "x.bmp", "x.webp", "x.tif", "x.gif"])
def test_damaged_files_raise_nothing_else(tmp_path, name):
    path, rng = tmp_path / name, np.random.default_rng(0)
    if name == "b.png":
        io.write(path, some((8, 8, 3), "uint16"))
    else:
        Image.fromarray(some((8, 8), "uint8")).save(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        broken = whole.copy()
        broken[rng.integers(4, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(broken.tobytes())
        try:
            io.read(path, max_pixels=10**6)
        except ImageFileError:
            pass


def test_decompression_bombs(tmp_path):
    (tmp_path / "x.png").write_bytes(png_of_size(60000, 60000))
    with pytest.raises(ImageFileError, match=r"3.6e\+09 pixels claimed .* decompression bomb"):
        io.read(tmp_path / "x.png")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((2000, 2000), np.uint8), compression="zlib")
    with pytest.raises(ImageFileError, match="decompression bomb"):
        io.read(tmp_path / "x.tif", max_pixels=10**6)
    assert io.read(tmp_path / "x.tif").size == (2000, 2000)


def test_a_large_file_of_ordinary_compression_is_no_bomb(tmp_path):
    for name in ("x.png", "x.tif"):
        io.write(tmp_path / name, some((50, 50), "uint8"))
        assert io.read(tmp_path / name, max_pixels=100).size == (50, 50)


def test_a_picture_above_pillows_own_limit_opens(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    io.write(tmp_path / "x.png", some((50, 50), "uint8"))
    assert io.read(tmp_path / "x.png").size == (50, 50)


# ----------------------------------------------------------------------------------------- output


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("x.png", np.zeros((4, 5), np.float32), "bool, uint8 or uint16, the image is float32; write .tif"),
        ("x.jpg", np.zeros((4, 5), np.float32), r"image \* 255"),
        ("x.jpg", np.zeros((4, 5), np.uint16), "JPEG holds uint8, the image is uint16; write .png or .tif"),
        ("x.jpg", np.zeros((4, 5), bool), "write .png or .tif"),
        ("x.png", np.zeros((4, 5), np.int32), "the image is int32; write .tif"),
        ("x.jpg", np.zeros((4, 5, 4), np.uint8), "holds no alpha"),
        ("x.bmp", np.zeros((4, 5, 4), np.uint8), "holds no alpha"),
        ("x.png", np.zeros((6, 4, 5), np.uint8), "one grey or RGB image"),
        ("x.png", np.zeros((4, 5, 3), bool), "black and white only"),
        ("x.tif", np.zeros((4, 5, 3), bool), "black and white only"),
        ("x.webp", np.zeros((1, 16384, 3), np.uint8), "16383 pixels a side"),
        ("x.jpg", np.zeros((70000, 1), np.uint8), "65500 pixels a side"),
        ("x.tif", np.zeros((4, 5), complex), "TIFF holds bool, integers and floats"),
        ("x.gif", np.zeros((4, 5), np.uint8), "asked for the suffix '.gif'; known are: .bmp, "),
        ("x", np.zeros((4, 5), np.uint8), "asked for the suffix ''"),
    ],
)  # fmt: skip
def test_a_format_refuses_what_it_cannot_hold(tmp_path, name, array, reason):
    with pytest.raises(OutputError, match=reason):
        io.write(tmp_path / name, array)
    assert list(tmp_path.iterdir()) == []


def test_shapes_that_do_not_fit(tmp_path):
    with pytest.raises(ShapeError, match="empty"):
        io.write(tmp_path / "x.png", np.zeros((0, 5), np.uint8))
    picture = io.Picture(np.zeros((4, 5, 3), np.uint8), alpha=np.zeros((4, 5), np.uint8))
    with pytest.raises(ShapeError, match="alpha"):
        io.write(tmp_path / "x.png", np.zeros((8, 10, 3), np.uint8), like=picture)
    with pytest.raises(ShapeError, match="like a picture"):
        io.write(tmp_path / "x.png", np.zeros((4, 5), np.uint8), like=picture)
    with pytest.raises(OutputError, match="its alpha uint8"):
        io.write(tmp_path / "x.tif", np.zeros((4, 5, 3), np.float32), like=picture)
    opaque = dataclasses.replace(picture, alpha=None)
    io.write(tmp_path / "x.png", np.zeros((8, 10, 3), np.uint8), like=opaque)


def test_output_folder_missing(tmp_path):
    with pytest.raises(OutputError, match=r"the folder .*nowhere does not exist; create it first"):
        io.write(tmp_path / "nowhere" / "x.png", np.zeros((4, 5), np.uint8))


def test_output_in_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        io.write(tmp_path / "file" / "x.png", np.zeros((4, 5), np.uint8))


def test_output_is_a_folder(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(OutputError, match="is a folder; give the name of a file"):
        io.write(tmp_path / "x.png", np.zeros((4, 5), np.uint8))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_output_not_writable(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="cannot write in the folder"):
        io.write(tmp_path / "x.png", np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.jpg"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_intact(tmp_path, monkeypatch, name, step):
    io.write(tmp_path / name, some((4, 5), "uint8"))
    before = (tmp_path / name).read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OutputError, match="No space left on device"):
        io.write(tmp_path / name, some((4, 5), "uint8", seed=1))
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_interrupted_write_leaves_no_trace(tmp_path):
    def interrupted():
        with io.whole_file(tmp_path / "x.onnx") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_and_links_stay(tmp_path):
    path, link = tmp_path / "x.png", tmp_path / "link.png"
    io.write(path, some((4, 5), "uint8"))
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    io.write(link, some((4, 5), "uint8", seed=1))
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(io.read(path).array, some((4, 5), "uint8", seed=1))
