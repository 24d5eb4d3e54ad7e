"""What `visualize.<Tab>` and `plots.<Tab>` show, and what a mistyped name says."""

from types import ModuleType

import pytest

from tinygrad_course import visualize
from tinygrad_course.visualize import plots


@pytest.mark.parametrize("module", [visualize, plots])
def test_only_public_names_are_shown_and_all_are_there(module: ModuleType) -> None:
    assert dir(module) == sorted(module.__all__)
    for name in dir(module):
        assert getattr(module, name).__doc__


@pytest.mark.parametrize("module, name, message", [
    (plots, "plot_cost", "plots has no 'plot_cost': did you mean plot_costs?"),
    (plots, "plot_decision_bounday", "plots has no 'plot_decision_bounday': did you mean plot_decision_boundary?"),
    (plots, "xyz", "plots has no 'xyz'"), (visualize, "draw_grahp", "visualize has no 'draw_grahp': did you mean "
                                           "draw_graph?")])
def test_a_mistyped_name(module: ModuleType, name: str, message: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(module, name)
    assert str(raised.value) == message
    assert not hasattr(module, "__wrapped__")
