"""The live page: one file in which a model computes, step by step, and learns."""
from tinygrad_course.visualize.live.page import LivePage, live_page

__all__ = ["LivePage", "live_page"]


def __dir__() -> list[str]:
    return __all__
