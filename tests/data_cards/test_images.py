"""Hostile and odd images: each decodes well or gives its own short reason."""

import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_cards import BadRowError, ImageRef
from data_cards.images import ImageLimits, decode, read_bytes


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(mode: str = "RGB", size=(64, 48)) -> Image.Image:
    data = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(data).convert(mode)


def reason(data: bytes, name: str = "", **options) -> str:
    with pytest.raises(BadRowError) as caught:
        decode(data, name, **options)
    return caught.value.reason


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_whole_and_truncated(kind):
    data = encoded(noise(), kind)
    image, facts = decode(data, "wrong.name")
    assert image.mode == "RGB" and image.size == (64, 48)
    assert (facts["width"], facts["height"], facts["format"], facts["frames"]) == (64, 48, kind, 1)
    if kind in ("PNG", "BMP", "PPM", "TIFF"):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(noise()))
    assert reason(data[: len(data) // 2], "a.x") == "image truncated: a.x"


def test_each_bad_kind_has_its_own_reason():
    assert reason(b"") == "image empty (0 bytes)"
    assert reason(b"\x89PNG\r\n\x1a\n") == "image truncated"
    assert reason(b"hello world, this is text") == "not an image"
    assert reason(b"%PDF-1.7 ...") == "not an image (it is a PDF file)"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "not an image (it is a PostScript file)"
    assert "SVG" in reason(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert "HTML" in reason(b"<!DOCTYPE html><html>404</html>", "dog.jpg")
    damaged = bytearray(encoded(Image.linear_gradient("L").rotate(20), "PNG"))
    damaged[300:320] = b"\xff" * 20
    assert reason(bytes(damaged)).startswith("image damaged (wrong checksum in IDAT)")


def test_bombs_are_refused_by_their_header():
    assert "too many pixels (60000 x 60000, limit 50000000)" in reason(png_header(60000, 60000))
    for kind in ("PNG", "GIF", "WEBP"):
        data = encoded(Image.new("RGB", (300, 300)), kind)
        assert "too many pixels" in reason(data, limits=ImageLimits(max_pixels=300 * 299))
        assert decode(data, limits=ImageLimits(max_pixels=300 * 300))[0].size == (300, 300)
    tiff = encoded(Image.new("1", (30000, 30000)), "TIFF", compression="group4")
    assert "too many pixels" in reason(tiff)
    assert "too large" in reason(bytes(11), limits=ImageLimits(max_bytes=10))


def test_gif_frame_larger_than_its_canvas():
    data = bytearray(encoded(Image.new("P", (8, 8)), "GIF"))
    at = data.index(b",", 13 + 3)
    data[at + 5 : at + 9] = struct.pack("<HH", 60000, 60000)
    assert "pixels" in reason(bytes(data)) or "truncated" in reason(bytes(data))


def test_wrongly_named_is_decoded_by_content():
    assert decode(encoded(noise(), "PNG"), "photo.jpg")[1]["format"] == "PNG"


def test_exif_rotation_turns_the_image_upright():
    upright = Image.new("RGB", (40, 20), "white")
    upright.paste((255, 0, 0), (0, 0, 20, 20))  # red on the left
    for orientation, turn in {3: 180, 6: 90, 8: 270}.items():
        stored = upright.rotate(turn, expand=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        image, facts = decode(encoded(stored, "JPEG", exif=exif, quality=95))
        assert image.size == (40, 20) == (facts["width"], facts["height"])
        assert image.getpixel((5, 10))[1] < 60 < 200 < image.getpixel((35, 10))[1]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # pytest undoes the filter of data_cards.images
def test_damaged_exif_does_not_spoil_the_pixels():
    data = encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    assert decode(data)[0].size == (64, 48)


def test_cmyk_palette_bilevel():
    image, facts = decode(encoded(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG"))
    assert facts["mode"] == "CMYK"
    red, green, blue = image.getpixel((4, 4))
    assert red > 200 and green < 60 and blue < 60
    palette = Image.new("RGB", (8, 8), (10, 200, 30)).quantize(4)
    assert decode(encoded(palette, "PNG"))[0].getpixel((0, 0)) == (10, 200, 30)
    assert decode(encoded(Image.new("1", (8, 8), 1), "PNG"))[0].getpixel((0, 0)) == (255,) * 3


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image, facts = decode(encoded(Image.fromarray(np.tile(ramp, (4, 1))), "PNG"))
    assert facts["mode"].startswith("I")
    np.testing.assert_array_equal(np.asarray(image)[0, :, 0], np.arange(256))
    floats = np.tile(np.array([0.0, 0.5, 1.0, np.nan], np.float32), (2, 1))
    image, _ = decode(encoded(Image.fromarray(floats), "TIFF"))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255, 0]
    wide = np.tile(np.array([-100000, 0, 100000], np.int32), (2, 1))
    image, _ = decode(encoded(Image.fromarray(wide), "TIFF"))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_on_a_ground_that_shows_the_drawing(mode):
    def drawing(colour):
        image = Image.new("RGBA", (20, 20), (*colour, 0))
        image.paste((*colour, 255), (5, 5, 15, 15))
        return image.convert("LA") if mode == "LA" else image.quantize(8) if mode == "P" else image

    black, _ = decode(encoded(drawing((0, 0, 0)), "PNG"))
    assert black.getpixel((0, 0)) == (255, 255, 255) and max(black.getpixel((10, 10))) < 8
    white, _ = decode(encoded(drawing((255, 255, 255)), "PNG"))
    assert white.getpixel((0, 0)) == (128, 128, 128) and min(white.getpixel((10, 10))) > 247
    assert black.mode == white.mode == "RGB"


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (16, 16), (40 * i, 0, 0)) for i in range(5)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        image, facts = decode(data)
        assert facts["frames"] == 5 and image.getpixel((3, 3)) == (0, 0, 0)


def test_draft_keeps_the_facts_and_enough_pixels():
    data = encoded(noise(size=(1600, 1200)), "JPEG")
    image, facts = decode(data, target=(224, 224))
    assert (facts["width"], facts["height"]) == (1600, 1200)
    assert min(image.size) >= 224 and max(image.size) < 1600
    assert decode(data)[0].size == (1600, 1200)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P"])
def test_reduction_averages_whole_blocks(mode):
    """Two by two becomes one: checked against the mean by hand, alpha weighing the colours."""
    pixels = np.zeros((512, 512, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[::2, :, :3] = 200
    if mode in ("RGBA", "LA"):
        pixels[1::2, :, 3] = 0  # every other line is invisible, and must not darken the others
    image = Image.fromarray(pixels).convert(mode)
    small, facts = decode(encoded(image, "PNG"), target=(256, 256))
    assert small.size == (256, 256) and (facts["width"], facts["height"]) == (512, 512)
    # visible 200 at half alpha on white (228), or 200 and 0 averaged (100)
    expected = 228 if mode in ("RGBA", "LA") else 100
    assert abs(small.getpixel((9, 9))[0] - expected) <= 1
    assert decode(encoded(image, "PNG"), target=(257, 256))[0].size == (512, 512)


def test_reduction_respects_a_transparent_colour():
    image = Image.new("RGB", (512, 512), (10, 200, 30))
    image.putpixel((0, 0), (255, 0, 255))
    small, _ = decode(encoded(image, "PNG", transparency=(255, 0, 255)), target=(256, 256))
    assert small.size == (256, 256)
    red, green, blue = small.getpixel((0, 0))
    assert green > 200 and abs(red - blue) < 40  # white shines through, no magenta


def test_read_bytes_reasons(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"12345")

    def why(ref: ImageRef, **options) -> str:
        with pytest.raises(BadRowError) as caught:
            read_bytes(ref, **options)
        return caught.value.reason

    assert read_bytes(ImageRef("a", path=file)) == b"12345"
    assert why(ImageRef("a", path=tmp_path / "none.png")) == "image missing: a"
    assert why(ImageRef("d", path=tmp_path)) == "image is a directory: d"
    assert why(ImageRef("a", path=file), max_bytes=4).startswith("image too large (5 bytes")
    assert why(ImageRef("a", data=b"123"), max_bytes=2).startswith("image too large (3 bytes")
    assert why(ImageRef("a", error="is a URL")) == "is a URL"
    assert "File name too long" in why(ImageRef("a", path=tmp_path / ("x" * 300)))
    os.mkfifo(tmp_path / "pipe")
    assert why(ImageRef("p", path=tmp_path / "pipe")) == "image is not a regular file: p"
    if os.geteuid() != 0:
        file.chmod(0)
        assert why(ImageRef("a", path=file)) == "image not readable: permission denied: a"


def test_names_in_reasons_are_printable_and_short():
    assert reason(b"x", "a\x1b[31m\n" + "b" * 500).isprintable()
    assert len(reason(b"x", "b" * 500)) < 200


def test_threads_agree_and_pillow_is_left_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    items = [encoded(noise(size=(50 + i, 40)), "PNG") for i in range(20)]
    items += [b"", b"junk", png_header(60000, 60000), items[0][:100]]

    def outcome(data: bytes):
        try:
            return decode(data)[0].tobytes()
        except BadRowError as error:
            return error.reason

    alone = [outcome(data) for data in items]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(outcome, items)) == alone
    assert before == Image.MAX_IMAGE_PIXELS


def test_nothing_is_printed(tmp_path):
    """No warning and no remark of a C library reaches the terminal."""
    files = {
        "big.png": png_header(12000, 9000),
        "cut.tif": encoded(noise(), "TIFF", compression="tiff_lzw")[:-900],
        "exif.jpg": encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        "cut.gif": encoded(noise(), "GIF")[:500],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import sys, pathlib\n"
        "from data_cards.images import decode, ImageLimits\n"
        "from data_cards import BadRowError\n"
        "for p in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: decode(p.read_bytes(), limits=ImageLimits(max_pixels=10**9))\n"
        "    except BadRowError as e: print(e.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 3


def test_open_clip_art_holds_real_bombs(packages):
    folder = packages / "usr/share/openclipart/png"
    if not folder.is_dir():
        pytest.skip("Open Clip Art is not among the demo packages")
    files = sorted(folder.rglob("*.png"), key=lambda p: (-p.stat().st_size, p.name))
    reasons, light = [], 0
    for path in [*files[:60:3], *sorted(folder.rglob("*.png"))[::400]]:
        try:
            image, facts = decode(read_bytes(ImageRef(path.name, path=path)), path.name)
            assert image.size == (facts["width"], facts["height"]) and image.mode == "RGB"
            light += 1
        except BadRowError as error:
            reasons.append(error.reason)
    assert light > 10
    bombs = [p for p in files if pixels(p) > 50_000_000]
    assert bombs, "Open Clip Art 0.18 holds some drawings of hundreds of megapixels"
    for path in bombs:
        assert "too many pixels" in reason(path.read_bytes())


def pixels(path: Path) -> int:
    with path.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    return width * height
