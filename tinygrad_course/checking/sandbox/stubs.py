"""Stand-ins for modules that the course's notebooks import and that are not there: they do nothing, harmlessly."""
from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

# What is no helper module of the course's; every other module that is not there may well be one.
OTHERS = ("matplotlib", "pylab", "seaborn", "h5py", "scipy", "PIL", "sklearn", "skimage", "imageio", "cv2", "pandas",
          "IPython", "ipywidgets", "google", "tqdm", "nose", "jupyter", "plotly", "tensorflow", "keras", "torch",
          "theano", "caffe", "mxnet", "sympy", "numba", "requests", "bokeh")


class Nothing:
    """Whatever is done with it, it stays nothing: called, indexed, or asked for an attribute."""

    def __init__(self, name: str = "stand-in"):
        self.__name__ = name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        # used as a decorator it leaves the function alone
        if len(arguments) == 1 and not named and callable(arguments[0]) and not isinstance(arguments[0], Nothing):
            return arguments[0]
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(f"{self.__name__}.{name}")

    def __getitem__(self, key: Any) -> Any: return self
    def __setitem__(self, key: Any, value: Any) -> None: pass
    def __enter__(self) -> Any: return self
    def __exit__(self, *error: Any) -> None: pass
    def __iter__(self) -> Iterator[Any]: return iter([self] * 5)  # load_dataset() gives five things
    def __len__(self) -> int: return 0


class StubModule(ModuleType):
    """A module that has every name: the course's helpers are the right ones, everything else is `Nothing`."""

    __path__: list[str] = []

    def __init__(self, name: str, helpers: dict[str, Any]):
        super().__init__(name)
        self.__dict__["__all__"] = list(helpers)
        self.__dict__.update(helpers)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(f"{self.__name__}.{name}")


class StubFinder(MetaPathFinder, Loader):
    """Comes last of all finders, so that what is installed is used.

    It answers the learner's own code only: a package that tries whether another one is there has to hear that it is
    not. asked_here: whether a source file belongs to the learner.
    """

    def __init__(self, helpers: dict[str, Any], asked_here: Callable[[str], bool]):
        self.helpers = helpers
        self.asked_here = asked_here
        self.made: set[str] = set()  # modules that are not there

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        top = fullname.split(".")[0]
        if top != fullname:
            known = isinstance(sys.modules.get(top), StubModule)
        else:
            known = self.asked_here(_importing_file())
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.made.add(spec.name.split(".")[0])
        return self.module(spec.name)

    def module(self, name: str) -> StubModule:
        return StubModule(name, self.helpers if name.split(".")[0] not in OTHERS else {})

    def exec_module(self, module: ModuleType) -> None:
        pass


def _importing_file() -> str:
    """The source file that the import statement stands in which is being carried out."""
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_code.co_filename if frame is not None else ""


# ------------------------------------------------------------------------------- names that NumPy had once

# name: what it was, and what to write today
REMOVED: dict[str, tuple[Any, str]] = {
    "int": (int, "int"), "float": (float, "float"), "bool": (bool, "bool"), "complex": (complex, "complex"),
    "object": (object, "object"), "str": (str, "str"), "long": (int, "int"), "unicode": (str, "str"),
    "float_": (np.float64, "np.float64"), "complex_": (np.complex128, "np.complex128"), "int0": (np.intp, "np.intp"),
    "unicode_": (np.str_, "np.str_"), "string_": (np.bytes_, "np.bytes_"),
    "asscalar": (lambda a: np.asarray(a).item(), "a.item()"),
    "product": (np.prod, "np.prod"), "cumproduct": (np.cumprod, "np.cumprod"), "alltrue": (np.all, "np.all"),
    "sometrue": (np.any, "np.any"), "round_": (np.round, "np.round"), "row_stack": (np.vstack, "np.vstack"),
    "msort": (lambda a: np.sort(a, axis=0), "np.sort(a, axis=0)"),
    "in1d": (lambda a, b: np.isin(a, b).ravel(), "np.isin"), "Inf": (np.inf, "np.inf"), "Infinity": (np.inf, "np.inf"),
    "infty": (np.inf, "np.inf"), "NaN": (np.nan, "np.nan"), "NAN": (np.nan, "np.nan"), "PINF": (np.inf, "np.inf"),
    "NINF": (-np.inf, "-np.inf"), "trapz": (lambda y, x=None: np.trapezoid(y, x), "np.trapezoid"),
}


def give_back(names: Iterable[str]) -> list[str]:
    """Gives NumPy the names that it had once and a learner's file uses; notes on what to write."""
    notes = []
    for name in sorted(names):
        if name in REMOVED and not _has(name):
            value, today = REMOVED[name]
            setattr(np, name, value)
            notes.append(f"np.{name} is gone from NumPy and was given back for this check: write {today}")
    return notes


def _has(name: str) -> bool:
    """Whether NumPy has a name, other than as one that warns or raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return hasattr(np, name)
    except AttributeError:
        return False
