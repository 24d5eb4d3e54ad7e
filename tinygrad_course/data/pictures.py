"""A learner's own picture: an image file of any size and mode, as the network sees it."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import InputError
from tinygrad_course.files import open_ordinary

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
PathLike = str | os.PathLike[str]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
MOST_PIXELS = 40_000_000


def image_to_column(path: PathLike, num_px: int = 64) -> Floats:
    """An image file as a column (num_px * num_px * 3, 1) in [0, 1]. Raises as `read_image`."""
    return read_image(path, num_px).reshape(-1, 1) / 255


def read_image(path: PathLike, num_px: int = 64) -> Pixels:
    """An image file of any size and mode as (num_px, num_px, 3), RGB, 0 to 255.

    Turned upright as its EXIF data say, transparent parts on white, stretched to a square as in the course.
    Formats are JPEG, PNG, GIF, BMP, TIFF and WebP, with MOST_PIXELS at most.
    Raises FileNotFoundError, PermissionError, or InputError for a file that is no usable image or without Pillow.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise InputError("reading an image needs Pillow: pip install Pillow") from error
    if num_px < 1:
        raise InputError(f"num_px is {num_px}; expected at least 1")
    stream = open_ordinary(path, "an image")
    try:
        with stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")     # oddities in metadata, which do not matter here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Of these formats alone: Pillow knows some that run programs, or take all memory.
            opened = Image.open(stream, formats=FORMATS)
            if opened.width * opened.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            with _library_silent():
                image = ImageOps.exif_transpose(opened)
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                image = Image.fromarray(_eight_bits(np.asarray(image), image.mode))
            if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                white = Image.new("RGBA", image.size, "white")
                white.alpha_composite(image.convert("RGBA"))
                image = white
            square = image.convert("RGB").resize((num_px, num_px), Image.Resampling.BILINEAR)
            return np.array(square, dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = min(MOST_PIXELS, Image.MAX_IMAGE_PIXELS or MOST_PIXELS)
        raise InputError(f"{path}: the image has too many pixels (more than {most}); make it smaller first") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image of a kind that is read here; expected "
                         "JPEG, PNG, GIF, BMP, TIFF or WebP") from None
    except MemoryError:
        raise InputError(f"{path}: the image does not fit into memory; make it smaller first") from None
    # The decoders raise many kinds (OSError, SyntaxError, struct.error, ...) for a damaged file.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: the image is truncated or damaged ({reason})") from error


@contextmanager
def _library_silent() -> Iterator[None]:
    """The TIFF library writes what it finds to the process's standard error by itself; we say it, in one line."""
    try:
        kept = os.dup(2)
    except OSError:     # closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _eight_bits(pixels: NDArray[Any], mode: str) -> Pixels:
    """Grey values of more than 8 bits as 0 to 255; modes I and F do not say their range, it is guessed."""
    largest = max((float(_finite(row).max(initial=0.0)) for row in pixels), default=0.0)
    ranges = [65535.0] if mode.startswith("I;16") else [1.0] * (mode == "F") + [255.0, 65535.0]
    white = next((top for top in ranges if largest <= top), largest)
    grey = np.empty(pixels.shape, dtype=np.uint8)
    for row, values in zip(grey, pixels):   # row by row: eight times the image would be a lot of memory
        row[...] = np.clip(np.rint(_finite(values) * (255.0 / white)), 0, 255)
    return grey


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0)
