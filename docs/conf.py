"""How the site is built: `make docs`. Offline, every warning an error, every code block executed."""
import os
import sys
from pathlib import Path

import tinygrad_course

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "tinygrad_course"
author = "the tinygrad_course developers"
version = release = tinygrad_course.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_click", "plain_docstrings"]
exclude_patterns = ["build", "**.ipynb_checkpoints", "notebooks/**.py"]
html_theme = "furo"
html_title = "tinygrad_course"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
html_show_sphinx = False
html_copy_source = False

nb_execution_mode = "cache"
nb_execution_cache_path = os.environ.get("DOCS_CACHE", str(Path(__file__).parent / "build" / "executed"))
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# Formulas are MathML, which browsers show without a script.
myst_dmath_double_inline = True

# Single backticks in docstrings are code.
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = True
# Python's own classes and Graphviz's are documented elsewhere, and nothing is fetched while this is built.
nitpick_ignore_regex = [("py:class", r"_thread\._local|contextlib\..*|graphviz\..*|tinygrad_course\.models\.\w+\.\w+")]
