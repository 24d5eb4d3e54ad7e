"""Stand-in images for the course's photographs: small pictures of cats and of other things, drawn with numpy.

Nobody has to download anything to follow the course: `draw()` makes 209 training and 50 test images of
64 x 64 with the course's shares of cats, always the same for the same seed. They are no photographs, and
results on them are not the course's results; every file of them is marked with the attribute `stand_in`.

A picture is a background and one subject. A subject is a list of shapes, a shape is its signed distance:
negative inside, zero on the edge, positive outside, and from it follows how much of each pixel is painted.
"""

import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_course.errors import InputError
from tinygrad_course.files import expanded, replace_atomically
from tinygrad_course.isolation import hdf5

NUM_PX = 64
# Of the seeds tried, one on which logistic regression does about as well as on the course's photographs.
SEED = 5
# Counts as in the course's files: (images, cats among them).
TRAIN_COUNTS, TEST_COUNTS = (209, 72), (50, 33)

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Field = NDArray[np.float32]             # one value per point of the canvas
Colour = tuple[float, float, float]     # red, green, blue, 0 to 1
Point = tuple[float, float]
Window = tuple[slice, slice]            # rows and columns of the canvas
Random = np.random.RandomState

_FINE = 2 * NUM_PX      # drawn at twice the size and averaged: smooth edges and whiskers
_V, _U = ((np.mgrid[:_FINE, :_FINE] + 0.5) * (2 / _FINE) - 1).astype(np.float32)      # -1 .. 1, v points down

INK, WHITE, PINK = (0.08, 0.07, 0.09), (0.96, 0.95, 0.92), (0.91, 0.58, 0.6)


def draw(seed: int = SEED) -> tuple[Pixels, Labels, Pixels, Labels]:
    """Training images (209, 64, 64, 3) and labels (209,), test images (50, 64, 64, 3) and labels (50,).

    Label 1 is a cat. The same seed gives the same pictures.
    """
    random = Random(seed)
    train, test = (_draw_set(random, *counts) for counts in (TRAIN_COUNTS, TEST_COUNTS))
    return *train, *test


def _draw_set(random: Random, m: int, cats: int) -> tuple[Pixels, Labels]:
    labels = random.permutation(np.repeat([1, 0], [cats, m - cats]))
    return np.stack([_picture(random, bool(label)) for label in labels]), labels.astype(np.int64)


def _picture(random: Random, is_cat: bool) -> Pixels:
    """One picture (64, 64, 3) uint8."""
    canvas = Canvas(_background(random))
    # Mostly large and near the middle, as people take photographs, but some small, off centre or tilted.
    # These ranges set how hard the task is: a linear model learns the training set by heart and gets most
    # test images right.
    size = 1.05 - 0.35 * random.rand() ** 2
    reach = 0.4 * (1.05 - size)
    canvas.place(random.uniform(-reach, reach), random.uniform(-reach, reach), size,
                 turn=random.uniform(-0.2, 0.2), mirror=random.rand() < 0.5)
    subjects = CATS if is_cat else OTHERS
    subjects[random.randint(len(subjects))](canvas, random)

    fine = canvas.pixels * random.uniform(0.75, 1.0)      # brightness of the picture
    pixels = fine.reshape(NUM_PX, 2, NUM_PX, 2, 3).mean(axis=(1, 3))
    pixels += random.normal(0, 0.015, pixels.shape)       # grain
    return np.asarray(np.clip(np.rint(pixels * 255), 0, 255), dtype=np.uint8)


# --- canvas and shapes ----------------------------------------------------------------------------

class Canvas:
    """An image being painted, and the place where the next subject goes.

    A subject is drawn in its own coordinates: u to the right and v down, both about -1 to 1 over the subject.
    """

    def __init__(self, pixels: Field) -> None:
        self.pixels = pixels                    # (_FINE, _FINE, 3), 0 to 1
        self.place(0.0, 0.0, 1.0)

    def place(self, x: float, y: float, size: float, turn: float = 0.0, mirror: bool = False) -> None:
        """Put the subject's centre at (x, y), scale it by `size` and turn it by `turn` radians."""
        flip = -1.0 if mirror else 1.0
        c, s = math.cos(turn), math.sin(turn)
        self._x, self._y, self._size = x, y, size
        self._to_canvas = np.array([[flip * c, -s], [flip * s, c]]) * size
        (c, s), dx, dy = (c / size, s / size), _U - np.float32(x), _V - np.float32(y)
        self.u, self.v = flip * (c * dx + s * dy), c * dy - s * dx      # (_FINE, _FINE) each

    def window(self, points: Sequence[Point], margin: float) -> Window:
        """The rectangle of the canvas around these points of the subject: small shapes are quick to paint."""
        xy = np.array(points) @ self._to_canvas.T + (self._x, self._y)
        low, high = xy.min(axis=0) - margin * self._size, xy.max(axis=0) + margin * self._size
        first = np.clip((low + 1) * (_FINE / 2) - 2, 0, _FINE).astype(int)
        last = np.clip((high + 1) * (_FINE / 2) + 2, 0, _FINE).astype(int)
        return slice(first[1], last[1]), slice(first[0], last[0])

    def fill(self, distance: Field, colour: Colour, window: Window, opacity: float = 1.0) -> None:
        """Paint where the signed distance is negative, with an edge one pixel wide."""
        cover = opacity * np.clip(0.5 - distance * (self._size * _FINE / 2), 0, 1)
        pixels = self.pixels[window]
        pixels += cover[..., None] * (np.array(colour, np.float32) - pixels)

    def ellipse(self, cu: float, cv: float, ru: float, rv: float, colour: Colour,
                opacity: float = 1.0) -> None:
        """Paint an ellipse, by a close estimate of its distance (exact for a circle)."""
        window = self.window([(cu, cv)], max(ru, rv))
        u, v = (self.u[window] - cu) / ru, (self.v[window] - cv) / rv
        norm = np.sqrt(u * u + v * v) + 1e-6
        steepness = np.sqrt((u / ru) ** 2 + (v / rv) ** 2) + 1e-6
        self.fill(norm * (norm - 1) / steepness, colour, window, opacity)

    def polygon(self, points: Sequence[Point], colour: Colour, rounding: float = 0.0) -> None:
        """Paint a convex polygon, corners clockwise as seen, grown by `rounding` on all sides."""
        window = self.window(points, rounding)
        u, v = self.u[window], self.v[window]
        distance = np.full_like(u, -np.inf)
        for (u0, v0), (u1, v1) in zip(points, [*points[1:], points[0]]):
            length = math.hypot(u1 - u0, v1 - v0)
            side = (u - u0) * ((v1 - v0) / length) + (v - v0) * ((u0 - u1) / length)
            np.maximum(distance, side, out=distance)
        self.fill(distance - rounding, colour, window)

    def box(self, u0: float, v0: float, u1: float, v1: float, colour: Colour) -> None:
        """Paint an upright rectangle between two corners."""
        self.polygon([(u0, v0), (u1, v0), (u1, v1), (u0, v1)], colour)

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Paint a line through the points, with round ends; its width is in units of u."""
        window = self.window(points, width)
        distance = np.full_like(self.u[window], np.inf)
        for (u0, v0), (u1, v1) in zip(points, points[1:]):
            du, dv = u1 - u0, v1 - v0
            u, v = self.u[window] - u0, self.v[window] - v0
            along = np.clip((u * du + v * dv) / (du * du + dv * dv), 0, 1)
            np.minimum(distance, np.hypot(u - along * du, v - along * dv), out=distance)
        self.fill(distance - width / 2, colour, window)


def _curve(start: Point, bend: Point, end: Point, steps: int = 7) -> list[Point]:
    """A quadratic Bezier curve as a list of points."""
    return [((1 - t) ** 2 * start[0] + 2 * t * (1 - t) * bend[0] + t * t * end[0],
             (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * bend[1] + t * t * end[1])
            for t in np.linspace(0, 1, steps).tolist()]


def _colour(random: Random, low: float = 0.1, high: float = 0.9) -> Colour:
    red, green, blue = random.uniform(low, high, 3).tolist()
    return red, green, blue


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour a with a share of b."""
    return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2]))


def _muted(random: Random) -> Colour:
    """A colour of a background: less strong than a subject's."""
    return _mix(_colour(random), (0.35, 0.4, 0.42), 0.5)


def _pick(random: Random, choices: Sequence[Colour]) -> Colour:
    """One of the colours, slightly changed."""
    return _mix(choices[random.randint(len(choices))], _colour(random), 0.12)


# --- backgrounds, the same for cats and others ----------------------------------------------------

def _background(random: Random) -> Field:
    """A background (_FINE, _FINE, 3): a gradient, a room, stripes, soft noise or blobs."""
    a, b = (np.array(_muted(random), np.float32) for _ in range(2))
    kind = random.randint(5)
    if kind == 0:       # gradient in any direction
        angle = random.uniform(0, 2 * np.pi)
        share = 0.5 + 0.35 * (np.cos(angle) * _U + np.sin(angle) * _V)
    elif kind == 1:     # wall and floor, or sky and ground
        share = np.clip((_V - random.uniform(-0.1, 0.6)) * _FINE / 2, 0, 1)
    elif kind == 2:     # stripes
        angle, waves = random.uniform(0, np.pi), random.uniform(5, 16)
        share = 0.3 + 0.3 * np.clip(3 * np.sin(waves * (np.cos(angle) * _U + np.sin(angle) * _V)), -1, 1)
    elif kind == 3:     # soft noise: a coarse grid, interpolated
        share = _soft_noise(random, random.randint(4, 12))
    else:               # blobs
        canvas = Canvas(np.broadcast_to(a, (_FINE, _FINE, 3)).copy())
        for _ in range(7):
            u, v, radius = random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(0.1, 0.5)
            canvas.ellipse(u, v, radius, radius, _muted(random), opacity=0.6)
        return canvas.pixels
    return np.asarray(a + share[..., None] * (b - a), dtype=np.float32)


def _soft_noise(random: Random, cells: int) -> NDArray[Any]:
    """Random values 0 to 1 on a grid of cells, linearly interpolated to (_FINE, _FINE)."""
    grid = random.rand(cells + 1, cells + 1)
    at = np.linspace(0, cells, _FINE, endpoint=False)
    rows = np.stack([np.interp(at, np.arange(cells + 1), row) for row in grid])
    return np.stack([np.interp(at, np.arange(cells + 1), column) for column in rows.T], axis=1)


# --- cats -----------------------------------------------------------------------------------------

COATS: tuple[Colour, ...] = (
    (0.87, 0.52, 0.2), (0.5, 0.5, 0.54), (0.16, 0.15, 0.17), (0.93, 0.91, 0.88), (0.83, 0.7, 0.52),
    (0.45, 0.33, 0.24), (0.65, 0.4, 0.25), (0.36, 0.38, 0.44))
EYES: tuple[Colour, ...] = ((0.45, 0.75, 0.25), (0.95, 0.78, 0.2), (0.35, 0.65, 0.9), (0.85, 0.5, 0.15))


class Coat:
    """The colours of one cat."""

    def __init__(self, random: Random) -> None:
        self.base = _pick(random, COATS)
        light = sum(self.base) / 3
        self.marks = _mix(self.base, INK if light > 0.35 else WHITE, 0.45)          # stripes of a tabby
        self.patch = _mix(self.base, WHITE, 0.8 if random.rand() < 0.6 else 0.15)   # muzzle, chest, paws
        self.line = _mix(self.base, INK, 0.75) if light > 0.3 else (0.62, 0.6, 0.62)
        self.edge = _mix(self.base, INK, 0.35)                                      # parts in shade
        self.points = _mix(self.base, INK, 0.65 if random.rand() < 0.2 else 0.0)    # Siamese: dark ears, tail
        self.eyes = EYES[random.randint(len(EYES))]
        self.striped = random.rand() < 0.5


def _head(canvas: Canvas, coat: Coat, cu: float, cv: float, r: float) -> None:
    """A cat's head of radius r, seen from the front."""
    for side in (-1, 1):
        outer = [(0.93, -0.15), (0.2, -0.72), (0.88, -1.42)]
        inner = [(0.8, -0.5), (0.42, -0.78), (0.8, -1.18)]
        for corners, colour in ((outer, coat.points), (inner, PINK)):
            ear = [(cu + side * r * u, cv + r * v) for u, v in corners]
            canvas.polygon(ear if side == 1 else ear[::-1], colour, rounding=0.02 * r)
    canvas.ellipse(cu, cv, r * 1.06, r * 0.9, coat.base)
    if coat.striped:
        for u, end in ((-0.28, -0.45), (0.0, -0.38), (0.28, -0.45)):
            stripe = [(cu + u * r * 1.15, cv - 0.8 * r), (cu + u * r, cv + end * r)]
            canvas.stroke(stripe, 0.11 * r, coat.marks)
    for side in (-1, 1):
        canvas.ellipse(cu + side * 0.2 * r, cv + 0.42 * r, 0.28 * r, 0.23 * r, coat.patch)      # muzzle
    for side in (-1, 1):
        canvas.ellipse(cu + side * 0.44 * r, cv - 0.1 * r, 0.25 * r, 0.22 * r, coat.line)
        canvas.ellipse(cu + side * 0.44 * r, cv - 0.1 * r, 0.22 * r, 0.19 * r, coat.eyes)
        canvas.ellipse(cu + side * 0.44 * r, cv - 0.1 * r, 0.085 * r, 0.18 * r, INK)            # slit pupil
        canvas.ellipse(cu + (side * 0.44 - 0.07) * r, cv - 0.18 * r, 0.055 * r, 0.055 * r, WHITE)
    nose = [(cu - 0.13 * r, cv + 0.2 * r), (cu + 0.13 * r, cv + 0.2 * r), (cu, cv + 0.34 * r)]
    canvas.polygon(nose, PINK, rounding=0.02 * r)
    for side in (-1, 1):
        lip, corner = (cu + side * 0.08 * r, cv + 0.58 * r), (cu + side * 0.28 * r, cv + 0.48 * r)
        canvas.stroke(_curve((cu, cv + 0.34 * r), lip, corner, steps=5), 0.06 * r, INK)
        for lift in (-0.14, 0.02, 0.18):
            root = cu + side * 0.45 * r, cv + (0.38 + lift / 3) * r
            tip = cu + side * 1.35 * r, cv + (0.32 + lift) * r
            canvas.stroke([root, tip], 0.035 * r, WHITE if sum(coat.patch) < 2.2 else coat.line)


def _sitting_cat(canvas: Canvas, random: Random) -> None:
    coat = Coat(random)
    tail = _curve((0.35, 0.8), (1.15, 0.9), (0.82, random.uniform(-0.1, 0.4)))
    canvas.stroke(tail, 0.17, coat.points)
    canvas.ellipse(0, 0.5, 0.52, 0.5, coat.base)
    canvas.ellipse(0, 0.15, 0.36, 0.45, coat.base)
    canvas.ellipse(0, 0.3, 0.2, 0.34, coat.patch)
    if coat.striped:
        for v in (0.38, 0.55, 0.72):
            for side in (-1, 1):
                canvas.stroke([(side * 0.5, v), (side * 0.3, v + 0.04)], 0.06, coat.marks)
    for side in (-1, 1):
        canvas.stroke([(side * 0.15, 0.45), (side * 0.15, 0.85)], 0.2, coat.base)
        canvas.ellipse(side * 0.17, 0.92, 0.15, 0.09, coat.patch)
    canvas.stroke([(0, 0.55), (0, 0.9)], 0.025, coat.edge)
    _head(canvas, coat, random.uniform(-0.08, 0.08), -0.36, 0.45)


def _cat_face(canvas: Canvas, random: Random) -> None:
    coat = Coat(random)
    canvas.ellipse(0, 1.0, 0.62, 0.45, coat.edge)
    _head(canvas, coat, 0, 0.15, 0.78)


def _walking_cat(canvas: Canvas, random: Random) -> None:
    coat = Coat(random)
    canvas.stroke(_curve((-0.6, 0.1), (-1.15, 0.1), (-0.95, random.uniform(-0.75, -0.3))), 0.14, coat.points)
    for u, colour in ((-0.42, coat.edge), (0.22, coat.edge), (-0.58, coat.base), (0.38, coat.base)):
        step = random.uniform(-0.1, 0.1)
        canvas.stroke([(u, 0.3), (u + step, 0.8)], 0.17, colour)
        canvas.ellipse(u + step + 0.04, 0.84, 0.12, 0.07, coat.patch)
    canvas.ellipse(-0.1, 0.2, 0.66, 0.32, coat.base)
    if coat.striped:
        for u in (-0.5, -0.3, -0.1, 0.1):
            canvas.stroke([(u, -0.08), (u - 0.05, 0.22)], 0.07, coat.marks)
    _head(canvas, coat, 0.52, -0.18, 0.37)


def _lying_cat(canvas: Canvas, random: Random) -> None:
    coat = Coat(random)
    canvas.ellipse(-0.1, 0.45, 0.85, 0.38, coat.base)
    canvas.ellipse(-0.5, 0.42, 0.42, 0.42, coat.base)
    if coat.striped:
        for u in (-0.6, -0.4, -0.2):
            canvas.stroke([(u, 0.08), (u + 0.06, 0.34)], 0.07, coat.marks)
    canvas.stroke(_curve((-0.85, 0.6), (-0.6, 1.0), (0.15, 0.83)), 0.15, coat.points)
    canvas.ellipse(0.6, 0.76, 0.2, 0.09, coat.patch)
    _head(canvas, coat, 0.4, 0.15, 0.42)


CATS: tuple[Callable[[Canvas, Random], None], ...] = (_sitting_cat, _cat_face, _walking_cat, _lying_cat)


# --- other things ---------------------------------------------------------------------------------

def _house(canvas: Canvas, random: Random) -> None:
    wall, roof, glass = _colour(random, 0.4), _colour(random, 0.1, 0.7), (0.6, 0.8, 0.95)
    canvas.box(0.3, -0.75, 0.5, -0.2, _mix(roof, INK, 0.4))
    canvas.box(-0.65, -0.1, 0.65, 0.85, wall)
    canvas.polygon([(-0.85, -0.1), (0, -0.85), (0.85, -0.1)], roof)
    canvas.box(-0.15, 0.3, 0.17, 0.85, _mix(roof, INK, 0.5))
    for u in (-0.5, 0.3):
        canvas.box(u, 0.1, u + 0.24, 0.36, glass)
        canvas.stroke([(u + 0.12, 0.1), (u + 0.12, 0.36)], 0.03, WHITE)


def _tree(canvas: Canvas, random: Random) -> None:
    leaf = _mix((0.2, 0.55, 0.2), _colour(random), 0.35)
    canvas.box(-0.12, 0.2, 0.12, 0.95, (0.4, 0.26, 0.15))
    if random.rand() < 0.5:
        for v, half in ((0.55, 0.65), (0.1, 0.52), (-0.3, 0.38)):
            canvas.polygon([(-half, v), (0, v - 0.6), (half, v)], _mix(leaf, INK, 0.25 + v / 3))
    else:
        for u, v, r in ((-0.35, -0.05, 0.4), (0.35, -0.05, 0.4), (0, -0.4, 0.48)):
            canvas.ellipse(u, v, r, r, _mix(leaf, WHITE, 0.1 - v / 4))


def _car(canvas: Canvas, random: Random) -> None:
    paint = _colour(random)
    canvas.polygon([(-0.55, 0.1), (-0.35, -0.35), (0.3, -0.35), (0.55, 0.1)], paint)
    canvas.polygon([(-0.4, 0.05), (-0.28, -0.26), (-0.04, -0.26), (-0.04, 0.05)], (0.7, 0.85, 0.95))
    canvas.polygon([(0.04, 0.05), (0.04, -0.26), (0.24, -0.26), (0.4, 0.05)], (0.7, 0.85, 0.95))
    canvas.box(-0.95, 0.08, 0.95, 0.45, paint)
    canvas.ellipse(0.9, 0.2, 0.08, 0.08, (1.0, 0.9, 0.5))
    for u in (-0.5, 0.5):
        canvas.ellipse(u, 0.48, 0.24, 0.24, INK)
        canvas.ellipse(u, 0.48, 0.11, 0.11, (0.7, 0.7, 0.72))


def _ball(canvas: Canvas, random: Random) -> None:
    a, b = _colour(random), _colour(random)
    canvas.ellipse(0, 0, 0.8, 0.8, a)
    canvas.ellipse(0, 0, random.uniform(0.2, 0.5), 0.79, b)
    canvas.ellipse(0, 0, 0.15, 0.78, a)
    canvas.ellipse(-0.3, -0.35, 0.16, 0.12, WHITE, opacity=0.7)


def _fish(canvas: Canvas, random: Random) -> None:
    scales = _colour(random, 0.25)
    fin = _mix(scales, INK, 0.3)
    canvas.polygon([(-0.45, 0), (-0.95, -0.45), (-0.95, 0.45)], fin)
    canvas.polygon([(-0.2, -0.25), (0.05, -0.7), (0.3, -0.25)], fin)
    canvas.ellipse(0.12, 0, 0.72, 0.4, scales)
    for u in (-0.25, -0.02, 0.2):
        canvas.stroke(_curve((u, -0.28), (u + 0.12, 0), (u, 0.28)), 0.06, _mix(scales, WHITE, 0.5))
    canvas.ellipse(0.56, -0.1, 0.11, 0.11, WHITE)
    canvas.ellipse(0.58, -0.1, 0.055, 0.055, INK)


def _boat(canvas: Canvas, random: Random) -> None:
    hull, sail = _colour(random, 0.1, 0.7), _colour(random, 0.5, 1.0)
    canvas.stroke([(0, -0.85), (0, 0.4)], 0.06, (0.35, 0.24, 0.15))
    canvas.polygon([(0.06, 0.25), (0.06, -0.8), (0.7, 0.25)], sail)
    canvas.polygon([(-0.06, 0.25), (-0.55, 0.25), (-0.06, -0.55)], _mix(sail, INK, 0.15))
    canvas.polygon([(-0.9, 0.38), (0.9, 0.38), (0.55, 0.8), (-0.6, 0.8)], hull)


def _flower(canvas: Canvas, random: Random) -> None:
    petal, centre = _colour(random, 0.3, 1.0), (0.95, 0.8, 0.25)
    canvas.stroke(_curve((0, 0), (0.1, 0.5), (-0.05, 0.95)), 0.09, (0.2, 0.5, 0.2))
    canvas.ellipse(0.22, 0.62, 0.22, 0.09, (0.2, 0.5, 0.2))
    petals = random.randint(5, 9)
    for angle in np.arange(petals) * (2 * np.pi / petals):
        canvas.ellipse(0.36 * float(np.sin(angle)), 0.36 * float(np.cos(angle)) - 0.25, 0.25, 0.25, petal)
    canvas.ellipse(0, -0.25, 0.24, 0.24, centre)


def _mushroom(canvas: Canvas, random: Random) -> None:
    cap = _mix((0.8, 0.2, 0.15), _colour(random), 0.5)
    stalk = _mix(WHITE, (0.6, 0.5, 0.4), 0.3)
    canvas.polygon([(-0.17, 0), (0.17, 0), (0.26, 0.85), (-0.26, 0.85)], stalk, rounding=0.04)
    half_disc = np.maximum(np.hypot(canvas.u, canvas.v - 0.1) - 0.85, canvas.v - 0.1)
    canvas.fill(half_disc, cap, np.s_[:, :])
    for u, v, r in ((-0.45, -0.15, 0.12), (0.0, -0.45, 0.15), (0.4, -0.1, 0.14), (-0.1, -0.08, 0.09)):
        canvas.ellipse(u, v, r, r * 0.9, WHITE)


def _bird(canvas: Canvas, random: Random) -> None:
    feathers = _colour(random)
    for u in (-0.08, 0.14):
        canvas.stroke([(u, 0.5), (u, 0.9)], 0.05, (0.9, 0.6, 0.15))
    canvas.polygon([(-0.5, 0.1), (-0.95, -0.1), (-0.9, 0.3)], _mix(feathers, INK, 0.3))
    canvas.polygon([(0.6, -0.5), (0.95, -0.38), (0.6, -0.25)], (0.95, 0.65, 0.15))
    canvas.ellipse(0, 0.2, 0.6, 0.42, feathers)
    canvas.ellipse(0.42, -0.35, 0.32, 0.32, feathers)
    canvas.ellipse(-0.1, 0.2, 0.36, 0.2, _mix(feathers, WHITE, 0.4))
    canvas.ellipse(0.52, -0.42, 0.07, 0.07, INK)


def _teapot(canvas: Canvas, random: Random) -> None:
    glaze = _colour(random, 0.2)
    canvas.stroke(_curve((-0.45, -0.15), (-1.15, 0.1), (-0.4, 0.5)), 0.12, _mix(glaze, INK, 0.25))
    canvas.stroke(_curve((0.4, 0.4), (0.75, 0.3), (0.85, -0.25)), 0.17, _mix(glaze, INK, 0.15))
    canvas.ellipse(0, 0.22, 0.6, 0.52, glaze)
    canvas.ellipse(0, -0.27, 0.36, 0.12, _mix(glaze, WHITE, 0.35))
    canvas.ellipse(0, -0.42, 0.1, 0.1, _mix(glaze, INK, 0.3))
    canvas.ellipse(-0.2, 0.05, 0.12, 0.2, WHITE, opacity=0.4)


def _abstract(canvas: Canvas, random: Random) -> None:
    for _ in range(4):
        u, v, r = random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5), random.uniform(0.3, 0.65)
        if random.rand() < 0.5:
            canvas.ellipse(u, v, r, r * random.uniform(0.4, 1.0), _colour(random))
        else:
            angles = np.array([0, 2.1, 4.2]) + random.uniform(-0.4, 0.4, 3) + random.uniform(0, 2 * np.pi)
            corners = [(u + r * math.cos(a), v + r * math.sin(a)) for a in angles]
            canvas.polygon(corners, _colour(random))


OTHERS: tuple[Callable[[Canvas, Random], None], ...] = (
    _house, _tree, _car, _ball, _fish, _boat, _flower, _mushroom, _bird, _teapot, _abstract)


# --- the file -------------------------------------------------------------------------------------

def _is_stand_in(file: Path) -> bool:
    try:
        return bool(np.all(hdf5.read(file, {}, attributes=["stand_in"]).attributes.get("stand_in", False)))
    except (InputError, OSError):
        return False


def write_stand_in(path: str | os.PathLike[str], seed: int = SEED) -> Path:
    """Write the stand-in images as HDF5, in the course's five datasets, and return the file's path.

    `path` is a file ending in .h5 or .hdf5, or a folder (made if need be) that gets a data.h5. The file
    appears whole or not at all, and older stand-ins stay whole until then. Raises OSError, in one line, if it
    cannot be written, and InputError where another file is there, which is left alone.
    """
    import h5py

    file = expanded(path)
    if file.suffix.lower() not in (".h5", ".hdf5"):
        file = file / "data.h5"
    names = ("train_set_x", "train_set_y", "test_set_x", "test_set_y")
    if file.exists() and not _is_stand_in(file):
        raise InputError(f"{file}: there are images that are not stand-ins: give another place")
    # Made in memory first: what then can fail on the disk is plain writing, with plain errors.
    memory = io.BytesIO()
    with h5py.File(memory, "w") as made:
        made.attrs["stand_in"] = True
        for name, array in zip(names, draw(seed)):
            made.create_dataset(name, data=array)
        made.create_dataset("list_classes", data=np.array([b"non-cat", b"cat"]))

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{file}: cannot be written: {error.strerror or error}") from error
    with replace_atomically(file) as temporary:
        temporary.write_bytes(memory.getbuffer())
    return file
