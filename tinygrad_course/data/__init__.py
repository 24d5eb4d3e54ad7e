"""The course's data: cat images from HDF5 files, points in the plane, a learner's own picture, stand-in pictures."""
from tinygrad_course.data.images import Dataset, load_images, planar, stand_in
from tinygrad_course.data.pictures import image_to_column, read_image
from tinygrad_course.files import cache_dir

__all__ = ["Dataset", "cache_dir", "image_to_column", "load_images", "planar", "read_image", "stand_in"]


def __dir__() -> list[str]:
    return __all__
