"""Lines of text in a picture: letters with sub- and superscripts, how wide they are, and what is cut."""
from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

JOINERS = "\u200c\u200d"  # invisible, but letters and signs look otherwise without them


def clean(text: str) -> str:
    """One line without control characters, lone surrogates and what else XML cannot hold or would be out of sight."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if letter in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" if
                   unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in JOINERS
                   or letter in "\ufffe\uffff" else letter for letter in text)


def counted(number: int, noun: str) -> str:
    """ "1 unit", "2 units"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Run:
    """A piece of a line of text: letters, with a subscript and a superscript stacked behind them, as in a_1^[1]."""

    text: str
    sub: str = ""
    sup: str = ""


Line = Sequence[Run]


def plain_text(line: Line) -> str:
    """The line in letters alone: W[1], a_1[1], w^T, W[1]^T."""
    return "".join(run.text + (f"_{run.sub}" if run.sub else "") + _raised(run.sup) for run in line)


def _raised(sup: str) -> str:
    layer, bracket, power = sup.partition("]") if sup.startswith("[") else ("", "", sup)
    return layer + bracket + (f"^{power}" if power else "")


@dataclass(frozen=True)
class Text:
    """One line of text. anchor: which of its ends, or its middle, is at x; y is its baseline."""

    x: float
    y: float
    line: Line
    size: float = 12.0
    anchor: str = "middle"  # "start", "middle", "end"
    colour: str = "ink"
    bold: bool = False
    limit: float | None = None  # the width that it must not exceed; it is cut with an ellipsis


# --------------------------------------------------------------------------------------------- text widths
# Browsers and printers have different fonts. These widths, of Helvetica in thousandths of the size, are close for
# every sans-serif font; `svg` fixes each line to the width that was reckoned here, so no text leaves its box.

_WIDTHS = {
    **dict.fromkeys("ijl'|", 222), **dict.fromkeys(" !,./:;I[]\\ftI()-`", 305), **dict.fromkeys('r"*{}°', 360),
    **dict.fromkeys("Jcksvxyz^", 500), **dict.fromkeys("abdeghnopquL0123456789$#_?", 560),
    **dict.fromkeys("+<>=~FTZ×·−", 600), **dict.fromkeys("ABEKPSVXY&", 670), **dict.fromkeys("CDHNRUwGOQ", 750),
    **dict.fromkeys("mM%", 850), **dict.fromkeys("W@…", 1000),
}
SCRIPT = 0.7       # size of sub- and superscripts
SUBSCRIPT = 0.28   # how far below the baseline a subscript stands, in sizes of the letter
SUPERSCRIPT = 0.42  # how far above


@lru_cache(maxsize=50_000)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of plain text in points."""
    units = 0
    for letter in text:
        width = _WIDTHS.get(letter)
        if width is None and not unicodedata.combining(letter):
            width = 1000 if unicodedata.east_asian_width(letter) in "WF" else 620
        units += width or 0
    return units * size / 1000 * (1.07 if bold else 1.0)


def run_width(run: Run, size: float, bold: bool = False) -> float:
    scripts = max(text_width(run.sub, size * SCRIPT, bold), text_width(run.sup, size * SCRIPT, bold))
    return text_width(run.text, size, bold) + (scripts + size * 0.06 if scripts else 0.0)


def line_width(line: Line, size: float, bold: bool = False) -> float:
    return sum(run_width(run, size, bold) for run in line)


def placed_letters(text: Text) -> Iterator[tuple[str, float, float, float, float]]:
    """The pieces of a line, with its sub- and superscripts: letters, x of their start, baseline, size and width."""
    size, bold = text.size, text.bold
    line = text.line if text.limit is None else fitted(text.line, size, text.limit, bold)
    width = line_width(line, size, bold)
    x = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    for run in line:
        letters = text_width(run.text, size, bold)
        yield run.text, x, text.y, size, letters
        for script, shift in ((run.sub, SUBSCRIPT), (run.sup, -SUPERSCRIPT)):
            if script:
                yield (script, x + letters + size * 0.06, text.y + shift * size, size * SCRIPT,
                       text_width(script, size * SCRIPT, bold))
        x += run_width(run, size, bold)


def fitted(line: Line, size: float, limit: float, bold: bool = False) -> Line:
    """The line, cut and closed with an ellipsis where it is wider than `limit`."""
    if line_width(line, size, bold) <= limit + 0.01:  # it may have been reckoned as exactly as wide
        return line
    kept: list[Run] = []
    room = limit - text_width("…", size, bold)
    for run in line:
        width = run_width(run, size, bold)
        if width > room:
            letters = run.text
            while letters and text_width(letters, size, bold) > room:
                letters = letters[:min(len(letters) - 1, int(len(letters) * 0.9))]
            kept.append(Run(letters + "…"))
            return kept
        kept.append(run)
        room -= width
    return kept
