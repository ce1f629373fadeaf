"""How Sphinx shows the site; `docs/build.py` gathers its pages and calls it."""

import bglint

project = "bglint"
release = bglint.__version__
html_title = "bglint"
html_theme = "furo"
html_baseurl = bglint.DOCS
html_copy_source = False
html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 3
smartquotes = False
