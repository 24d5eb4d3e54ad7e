"""Which programs take part: our engines, and the peers' programs in the folder `peers` or another one."""
from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tinygrad_course
from tinygrad_course.errors import InputError
from tinygrad_course.training.fit import ENGINES

OUR_ENGINES = ("eager", "numpy", "native")
OUR_ENGINE = Path(__file__).with_name("our_engine.py")
PEERS = Path(__file__).parents[1] / "peers"
ENDING = "_peer.py"
ALWAYS = "handwritten"  # the course's NumPy needs nothing that is not there


@dataclass(frozen=True)
class Contestant:
    """A file that `worker.py` can run, with arguments. version: of the library that it uses."""

    name: str
    file: Path
    arguments: tuple[str, ...]
    ours: bool
    version: str | None


def our_programs(chosen: Sequence[str] | None) -> tuple[list[Contestant], list[str]]:
    """Our engines, and notes on those that this version does not have. Raises InputError for an unknown one."""
    known = list(dict.fromkeys([*OUR_ENGINES, *(engine for engine in ENGINES if engine != "auto")]))
    _refuse_unknown("engine", chosen or [], known)
    wanted = known if chosen is None else list(dict.fromkeys(chosen))
    programs = [Contestant(name, OUR_ENGINE, (name,), True, tinygrad_course.__version__)
                for name in wanted if name in ENGINES]
    return programs, [f"{name}: there is no such engine in this version" for name in wanted if name not in ENGINES]


def peer_programs(where: Path, chosen: Sequence[str] | None) -> tuple[list[Contestant], list[str]]:
    """The peers' programs, and notes on those that cannot take part.

    where: the folder with their programs. chosen: their names, all by default; "jax" stands for "jax-fori" too.
    Raises InputError for a folder that is missing or without programs, and for an unknown name.
    """
    if not where.is_dir():
        raise InputError(f"{where}: there is no such folder; expected the one with the peers' programs")
    files = {file.name.removesuffix(ENDING).replace("_", "-"): file for file in sorted(where.glob("*" + ENDING))}
    if not files:
        raise InputError(f"{where}: there is no file *{ENDING} in this folder; expected the peers' programs")
    _refuse_unknown("peer", chosen or [], sorted({*files, *(name.partition("-")[0] for name in files)}))
    programs, notes = [], []
    for name in sorted(files, key=lambda name: (name != ALWAYS, name)):
        library = name.partition("-")[0]
        if chosen is not None and name != ALWAYS and name not in chosen and library not in chosen:
            continue
        if library == ALWAYS:
            programs.append(Contestant(name, files[name], (), False, importlib.metadata.version("numpy")))
        elif importlib.util.find_spec(library) is None:
            notes.append(f"{name}: {library} is not installed")
        else:
            programs.append(Contestant(name, files[name], (), False, _version(library)))
    return programs, notes


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _refuse_unknown(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"there is no {kind} {name!r}; there are {', '.join(known)}")
