"""Any colour mode to RGB: depth scaled, transparency laid on a ground that shows the drawing."""

from __future__ import annotations

from PIL import Image

from data_cards.errors import BadRowError

_LIGHT = 230
_WHITE, _GREY = (255, 255, 255), (128, 128, 128)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode; see :func:`data_cards.images.decode` for what becomes of depth and alpha.

    Args:
        image: A loaded image of any mode.

    Returns:
        An image of mode RGB (``image`` itself if it is one without transparency).

    Raises:
        BadRowError: The colour mode has no conversion to RGB.
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _deep_to_rgb(image)
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return _flatten(image.convert("RGBA"))
    if mode == "RGB":
        return image
    try:
        return image.convert("RGB")
    except ValueError:
        raise BadRowError(f"image has an unsupported colour mode ({mode})") from None


def _deep_to_rgb(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and low >= 0 and high <= 65535):
        values = values / 257.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        values = values * 255.0
    else:
        values = (values - low) * (255.0 / (high - low)) if high > low else values * 0
    grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _flatten(image: Image.Image) -> Image.Image:
    alpha = image.getchannel("A")
    rgb = image.convert("RGB")
    extrema = alpha.getextrema()
    if extrema[0] == 255:
        return rgb
    visible = alpha.point([0] * 128 + [255] * 128)
    counts = rgb.convert("L").histogram(visible)
    light = sum(counts[_LIGHT:])
    ground = Image.new("RGB", image.size, _GREY if 2 * light > sum(counts) else _WHITE)
    ground.paste(rgb, mask=alpha)
    return ground
