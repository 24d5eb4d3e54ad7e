"""What Tab offers is what is public: no `np`, no `Any`, no helper."""

import importlib

import pytest

PUBLIC = ["tinygrad_course", *(f"tinygrad_course.{name}" for name in (
    "checking", "compare", "compiler", "data", "equations", "models", "nn", "optim", "training", "visualize",
    "visualize.live", "visualize.plots"))]


@pytest.mark.parametrize("name", PUBLIC)
def test_only_public_names_are_offered(name: str) -> None:
    module = importlib.import_module(name)
    assert set(dir(module)) - {"__version__"} == set(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)
