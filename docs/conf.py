"""Configuration of the documentation; build it as docs/contributing.rst says."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import sklearn_align

# Extensions of this documentation.
sys.path.insert(0, str(Path(__file__).parent))

project = "sklearn_align"
author = "The sklearn_align developers"
copyright = author
version = release = sklearn_align.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    # Formulas without a connection.
    "sphinx-mathjax-offline",
    "sphinx_gallery.gen_gallery",
    "parameter_topics",
]
templates_path = ["templates"]
exclude_patterns = ["_build", "templates"]
suppress_warnings = ["config.cache"]

# A reference to a name of this package that does not exist is an error; those to other packages
# can only be resolved with their inventories.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(joblib|matplotlib|numpy|pandas|pyarrow|scipy|sklearn|skorch|torch)\..*"),
]

autosummary_generate = True
autodoc_typehints = "none"
# Defaults are shown as they are written: the names of classes without their modules.
autodoc_preserve_defaults = True
# "On this page" has methods without the name of their class, which leaves no room for theirs.
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Links to the pages of other projects need their inventories, hence a connection.
if os.environ.get("SKLEARN_ALIGN_DOCS_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable", None),
    }

# Prompts and output of examples are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_align"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    # The start page is short.
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
}
html_show_sourcelink = False
# Pages without subpages have no navigation at the left.
_SINGLE_PAGES = (
    "index",
    "install",
    "quickstart",
    "benchmarks",
    "comparison",
    "references",
    "notes",
    "whats_new",
    "contributing",
)
html_sidebars: dict[str, list[str]] = {page: [] for page in _SINGLE_PAGES}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_align",),
    "abort_on_example_error": True,
    "parallel": 2,
    "download_all_examples": False,
    "show_memory": False,
    "subsection_order": [
        f"../examples/{group}" for group in ("align", "migrate", "fuse", "inspect", "extend")
    ],
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (400, 280),
    "remove_config_comments": True,
}

# Matplotlib's headless backend warns when the examples call show.
warnings.filterwarnings("ignore", message=".*non-interactive.*", category=UserWarning)


def escape_docstring(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape text that Sphinx would misread.

    Fitted attributes in the shapes of types look like references, and a full stop within a
    formula ends the summary on the API page.
    """
    lines[:6] = [line.replace(" . ", " · ") for line in lines[:6]]
    lines[:] = [re.sub(r"\b(n_features_(?:in|target))_(?=[,)])", r"\1\\_", line) for line in lines]


TABLE = re.compile(r"^\.\. csv-table::.*\n   :file: (tables/\S+)\n(?:   :.*\n)*", re.MULTILINE)
MISSING_TABLE = "*Not measured yet: the command above writes this table to* ``docs/{}``.\n"


def replace_missing_tables(app: Any, page: str, source: list[str]) -> None:
    """Say so where the csv file of a benchmark has not been written."""

    def table_or_text(match: re.Match[str]) -> str:
        exists = (Path(app.srcdir) / match[1]).exists()
        return match[0] if exists else MISSING_TABLE.format(match[1])

    source[0] = TABLE.sub(table_or_text, source[0])


def setup(app: Any) -> None:
    """Connect after numpydoc."""
    app.connect("autodoc-process-docstring", escape_docstring, priority=900)
    app.connect("source-read", replace_missing_tables)
