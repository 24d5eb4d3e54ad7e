"""What all plots have in common: colours, marks, words, and how a function becomes one that draws a plot."""
from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import product
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from tinygrad_course.autodiff import no_grad
from tinygrad_course.errors import InputError
from tinygrad_course.holding import in_mode
from tinygrad_course.tensor import Array, plain
from tinygrad_course.visualize.scene.viewer import made
from tinygrad_course.visualize.scene.lettering import clean, text_width

if TYPE_CHECKING:
    from tinygrad_course.visualize.plots.figure import Plot

Parameters = ParamSpec("Parameters")

# Okabe and Ito 2008: distinguishable by the colour-blind. Their yellow is too weak for lines on white.
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
INK, MUTED = "#1b1f24", "#6b7280"
# The same on what is light on dark pages too, such as cells and regions in colour. They differ, so that they stay.
INK_ON_LIGHT, MUTED_ON_LIGHT = "#1b1f25", "#6b7281"

# Nothing is told by colour alone: each class has its mark, each line its mark and its dashes.
CLASS_COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
CLASS_MARKS = ("o", "^", "s", "D", "v", "P")
LINE_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
LINE_MARKS = ("o", "^", "s", "D", "v", "P")
LINE_DASHES = ("-", "--", "-.", ":")

# Fonts with letters that matplotlib's own lacks. Which of them there are depends on the computer.
FALLBACK_FONTS = (
    "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei",
    "Arial Unicode MS", "Hiragino Sans", "Hiragino Sans GB", "Yu Gothic", "MS Gothic", "IPAGothic", "Malgun Gothic",
    "NanumGothic", "Nirmala UI", "Noto Sans Devanagari", "Noto Sans Thai", "Leelawadee UI", "FreeSans", "Unifont")


def draws(function: Callable[Parameters, Plot]) -> Callable[Parameters, Plot]:
    """A function that returns a plot, run in the house style. Raises InputError where matplotlib is missing."""
    @wraps(function)
    def drawing(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Plot:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise InputError("plots need matplotlib: pip install matplotlib") from error
        from tinygrad_course.visualize.plots.figure import house_style

        with house_style():
            plot = function(*args, **kwargs)
            _make_letters_drawable(plot)
        plot.alt = one_line(plot.alt)
        made(plot)
        return plot
    return drawing


def new_plot(title: str, width: float, height: float) -> Plot:
    """An empty plot of this size in inches."""
    from tinygrad_course.visualize.plots.figure import Plot

    plot = Plot(figsize=(width, height), layout="constrained")
    plot.get_layout_engine().set(w_pad=0.1, h_pad=0.1, wspace=0.02, hspace=0.02)  # type: ignore[call-arg, union-attr]
    plot.title = one_line(title)
    # 0.105 inches are a little more than a bold letter of 12 points takes on average.
    plot.suptitle(textwrap.fill(words(title, 300), max(20, int(width / 0.105))))
    return plot


def one_line(text: str) -> str:
    """Without line breaks, runs of spaces, and what files cannot hold."""
    return clean(" ".join(text.split()))


def shortened(text: str, limit: int) -> str:
    """On one line, no wider than `limit` usual letters."""
    whole = text = one_line(text)
    letters = min(limit, len(text))
    while len(text) > limit or letters > 3 and text_width(text, 1.0) > 0.56 * limit:
        end = letters // 3  # what goes is the middle: names often differ at the end
        text = f"{whole[:letters - end]}…{whole[len(whole) - end:]}"
        letters -= 1
    return text


def words(text: str, limit: int) -> str:
    """Text of a user for matplotlib: `shortened`, and "$" does not begin a formula."""
    return shortened(text, limit).replace("$", r"\$")


def line_style(number: int) -> dict[str, Any]:
    """Colour, mark and dashes of a line; they come again after 24 lines."""
    choices = [(c, d) for d, c in product(LINE_DASHES, range(len(LINE_COLOURS)))]
    colour, dashes = choices[number % len(choices)]
    return {"color": LINE_COLOURS[colour], "marker": LINE_MARKS[colour], "linestyle": dashes}


def legend(place: Any, handles: Sequence[Any], labels: Sequence[str], **options: Any) -> None:
    """A legend of an axes or a figure. matplotlib would leave out what users call "_x"."""
    made = place.legend(handles, [f"{i}" for i in range(len(labels))], **options)
    for text, label in zip(made.get_texts(), labels):
        text.set_text(words(label, 44))


def listed(names: Sequence[str]) -> str:
    """For people: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def probabilities(model: Any, X: Array) -> Array:
    """y_hat as an array (n_y, m), computed in one go; nothing is recorded and the model is not changed.

    Raises InputError where the model does not give one finite column for each example.
    """
    name = type(model).__name__
    if not callable(model):
        raise InputError(f"model is {name}; expected a model, for which model(X) is y_hat")
    with no_grad(), in_mode(model, training=False), np.errstate(all="ignore"):
        y_hat = np.asarray(plain(model(X)))
    if y_hat.ndim != 2 or y_hat.shape[1] != X.shape[1] or y_hat.shape[0] < 1:
        raise InputError(f"{name} gives {y_hat.shape} for X {X.shape}; expected one column per example, "
                         f"(n_y, {X.shape[1]})")
    if not np.isfinite(y_hat).all():
        raise InputError(f"{name} gives {y_hat[~np.isfinite(y_hat)][0]}; expected finite numbers: its parameters may "
                         "be infinite, train it anew with a smaller learning rate")
    return y_hat


def predicted_classes(y_hat: Array) -> Array:
    """(m,) whole numbers, by the rule of `training.predict`."""
    classes: Array = (y_hat[0] > 0.5).astype(int) if y_hat.shape[0] == 1 else y_hat.argmax(axis=0)
    return classes


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as an int. Raises InputError."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least or (
            most is not None and value > most):
        expected = f"at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r}; expected a whole number, {expected}")
    return int(value)


def _make_letters_drawable(plot: Plot) -> None:
    """Use other fonts for letters that the usual one lacks, and a box for those that none has.

    matplotlib would warn of each of them whenever the plot is drawn.
    """
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
    from matplotlib.text import Text

    def letters_of(family: str) -> set[int]:
        return set(get_font(findfont(FontProperties(family=[family]))).get_charmap())

    usual = letters_of("DejaVu Sans")
    strange: list[tuple[Text, set[int]]] = []
    for text in plot.findobj(Text):
        assert isinstance(text, Text)
        letters = {ord(letter) for letter in text.get_text()} - usual - {ord("\n")}
        if letters:
            strange.append((text, letters))
    if not strange:
        return
    installed = {font.name for font in fontManager.ttflist}
    fallbacks = {name: letters_of(name) for name in FALLBACK_FONTS if name in installed}
    for text, letters in strange:
        useful = [name for name, there in fallbacks.items() if letters & there]
        missing = letters.difference(*(fallbacks[name] for name in useful))
        text.set_fontfamily(["DejaVu Sans", *useful])
        text.set_text(text.get_text().translate(dict.fromkeys(missing, "\N{WHITE VERTICAL RECTANGLE}")))
