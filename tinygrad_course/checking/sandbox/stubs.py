"""Stand-ins for modules that the course's notebooks import and that are not there: they do nothing, harmlessly."""
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The course's own modules carry version numbers in their names: dnn_app_utils_v3, testCases_v4a.
COURSE = ("dnn_utils", "dnn_app_utils", "testCase", "test_case", "planar_utils", "lr_utils", "public_tests",
          "test_utils", "init_utils", "reg_utils", "gc_utils", "opt_utils", "grader", "submission", "outputs",
          "autograder")
OTHERS = ("matplotlib", "pylab", "seaborn", "h5py", "scipy", "PIL", "sklearn", "skimage", "imageio", "cv2", "pandas",
          "IPython", "ipywidgets", "google", "tqdm", "nose", "jupyter", "plotly")


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
    """Comes last of all finders, so that what is installed is used."""

    def __init__(self, helpers: dict[str, Any]):
        self.helpers = helpers

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        top = fullname.split(".")[0]
        known = top in OTHERS or top.startswith(COURSE)
        if not known or (top != fullname and not isinstance(sys.modules.get(top), StubModule)):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        top = spec.name.split(".")[0]
        return StubModule(spec.name, self.helpers if top.startswith(COURSE) else {})

    def exec_module(self, module: ModuleType) -> None:
        pass
