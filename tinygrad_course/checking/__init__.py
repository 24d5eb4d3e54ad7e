"""What is wrong with a learner's handwritten function: `check_backward` for one, `check_file` for a whole file."""
from tinygrad_course.checking.check_function import check_backward
from tinygrad_course.checking.check_file import check_file
from tinygrad_course.checking.report import Report

__all__ = ["Report", "check_backward", "check_file"]


def __dir__() -> list[str]:
    return __all__
