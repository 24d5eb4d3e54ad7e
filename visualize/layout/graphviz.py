"""Graphviz: text for its language, and places from its program `dot`.

`dot` gets nothing but the sizes of the boxes and gives back places; what is in the boxes is drawn by `svg` and
`raster`. So pictures look the same everywhere, and no user's text reaches a program from elsewhere.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

import graphviz

from tinygrad_course.visualize.layout.layered import LayoutGraph, Placement, Point, place
from tinygrad_course.visualize.scene.lettering import clean

SECONDS = 10.0   # that dot may take
MOST_BOXES = 120  # for which dot is asked: with more it takes seconds, for 4000 it does not end in minutes
LONGEST_NAME = 60  # letters of a user's text in a label
LOOK = {"fontname": "Helvetica", "fontsize": "10"}  # of whatever has a label, in DOT texts for users


class NoPlaces(Exception):
    """dot gave no places; the message says why."""


def arranged(graph: LayoutGraph) -> tuple[Placement, str]:
    """Places for everything, from dot if it can, else from `layout`; and one line that says which."""
    try:
        return _places_of_dot(graph)
    except NoPlaces as reason:
        return place(graph), f"laid out by tinygrad_course: {reason}"


def _places_of_dot(graph: LayoutGraph) -> tuple[Placement, str]:
    if len(graph.sizes) > MOST_BOXES:
        raise NoPlaces(f"{len(graph.sizes)} boxes are too many for the program dot")
    program = shutil.which("dot")
    if program is None:
        raise NoPlaces("the program dot is not installed")
    until = time.monotonic() + SECONDS
    # What dot says of itself, such as "dot - graphviz version 2.43.0 (0)", comes on the stream for errors.
    words = _run([program, "-V"], "", until, errors=True).decode(errors="replace").split()
    version = words[words.index("version") + 1] if "version" in words[:-1] else ""
    try:
        places = _read(json.loads(_run([program, "-Tjson0"], _text(graph), until)), graph)
    except (ValueError, KeyError, TypeError, IndexError):  # no JSON, or not what was asked for
        raise NoPlaces("the program dot did not give the places of all nodes") from None
    return places, f"laid out by dot {version}".rstrip()


def _run(command: list[str], text: str, until: float, errors: bool = False) -> bytes:
    """What a program writes. Files, not pipes: a pipe would stay open as long as anything that it started."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as result:
        source.write(text.encode())
        source.seek(0)
        streams: dict[str, Any] = {"stdout": subprocess.DEVNULL if errors else result,
                                   "stderr": result if errors else subprocess.DEVNULL}
        try:
            process = subprocess.Popen(command, stdin=source, start_new_session=True, **streams)
        except OSError as error:
            raise NoPlaces(f"the program dot cannot be started ({error.strerror})") from None
        try:
            status = process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise NoPlaces(f"the program dot took more than {SECONDS:g} seconds") from None
        finally:
            if process.poll() is None:
                with suppress(OSError):
                    # With all that it started, where the system knows groups of processes.
                    os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
                process.wait()
        if status != 0:
            raise NoPlaces(f"the program dot failed (status {status})")
        result.seek(0)
        return result.read()


def _text(graph: LayoutGraph) -> str:
    """The graph for dot: numbers only. Lengths are inches."""
    lines = ["digraph {", f"rankdir={'LR' if graph.rightward else 'TB'};",
             'graph [nodesep=0.25 ranksep=0.42 margin=0 pad=0 splines=true];',
             'node [shape=box fixedsize=true label="" margin=0];', "edge [arrowhead=none];"]
    boxes: dict[int | None, list[int]] = defaultdict(list)
    for box in range(len(graph.sizes)):
        boxes[graph.group_of[box] if graph.group_of else None].append(box)
    groups: dict[int | None, list[int]] = defaultdict(list)
    for number, parent in enumerate(graph.parents):
        groups[parent].append(number)
    todo: list[int | str | None] = [None]
    while todo:  # groups within groups, without recursion
        this = todo.pop()
        if isinstance(this, str):
            lines.append(this)
            continue
        if this is not None:
            lines.append(f'subgraph cluster_{this} {{ graph [margin=12 label="x" fontsize=12];')
            todo.append("}")
        for box in boxes[this]:
            width, height = graph.sizes[box]
            lines.append(f"n{box} [width={width / 72:.4f} height={height / 72:.4f}];")
        todo += reversed(groups[this])
    lines += [f"n{tail} -> n{head} [id={edge}];" for edge, (tail, head) in enumerate(graph.edges)]
    return "\n".join([*lines, "}\n"])


def _read(answer: Any, graph: LayoutGraph) -> Placement:
    """dot's places; it counts y from below."""
    _, _, width, height = map(float, answer["bb"].split(","))

    def point(text: str) -> Point:
        x, y = text.split(",")
        return float(x), height - float(y)

    centres: dict[int, Point] = {}
    frames: dict[int, tuple[float, float, float, float]] = {}
    for thing in answer.get("objects", ()):
        name = thing["name"]
        if name.startswith("cluster_") and "bb" in thing:  # an empty one has no place
            left, low, right, high = map(float, thing["bb"].split(","))
            frames[int(name[8:])] = (left, height - high, right, height - low)
        elif not name.startswith("cluster_"):
            centres[int(name[1:])] = point(thing["pos"])
    routes = {int(edge["id"]): [point(corner) for corner in edge["pos"].split()] for edge in answer.get("edges", ())}
    return Placement(width, height, [centres[box] for box in range(len(graph.sizes))],
                     [routes[edge] for edge in range(len(graph.edges))], frames)


def dot_label(*lines: str) -> str:
    """Lines of any text as a label: nothing in them has a meaning for Graphviz, and long ones are cut.

    Quotes are escaped by `graphviz` itself, which would take what stands between < and > for HTML if not told.
    """
    cut = (line if len(line) <= LONGEST_NAME else line[:LONGEST_NAME - 1] + "…" for line in lines)
    return graphviz.nohtml("\\n".join(clean(line).replace("\\", "\\\\") for line in cut))  # type: ignore[no-any-return]
