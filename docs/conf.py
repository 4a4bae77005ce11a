"""The documentation's site: `just docs`. Nothing is fetched; a warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tlzoo.version import __version__

project = "tlzoo"
author = "the tlzoo authors"
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "generating"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["generating"]
nitpicky = True
# what is not tlzoo's is documented elsewhere, and elsewhere is a network away
nitpick_ignore_regex = [("py:.*", r"(?!tlzoo\.).*"), ("py:.*", r"tlzoo\..*T$")]  # elsewhere, and variables of types

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "fieldlist"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"  # docstrings write `name` as Markdown does

html_theme = "furo"
html_title = f"tlzoo {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "friendly"
highlight_language = "text"
smartquotes = False  # `--option` is no dash
