"""Sphinx's settings: the repository as it lies there is the site, and README its first page.

``make docs`` builds it into build/docs. Links between pages are those that work in the repository.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

project = "SparseViT"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "docs/**.rst", "checkpoints/*.md", "assets/*.md"]
exclude_patterns = [".*", "build", "runs", "**/node_modules"]

html_theme = "furo"
html_title = "SparseViT"
html_copy_source = False
html_extra_path = ["index.html"]  # leads to README.html
html_show_sphinx = False

myst_heading_anchors = 3

smartquotes = False  # "--out" stays two dashes

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
default_role = "code"

CONTENTS = """
```{toctree}
:caption: Use it
:hidden:

docs/install
docs/library
docs/page
docs/commands
docs/tasks
docs/restoration
docs/hosts
docs/custom_host
docs/search
docs/training
docs/scenes
docs/deploy
```

```{toctree}
:caption: What was found
:hidden:
:glob:

docs/benchmarks
docs/accuracy
docs/studies
docs/measuring
checkpoints/*
```

```{toctree}
:caption: Reference
:hidden:

docs/api
docs/architecture
CONTRIBUTING
CHANGELOG
assets/README
```
"""


def add_contents(app, name, source):
    """Give the first page the table of contents, which GitHub would show as text."""
    if name == root_doc:
        source[0] += CONTENTS


def setup(app):
    app.connect("source-read", add_contents)
