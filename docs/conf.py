"""How the pages become a site: ``make site``. Everything a reader's browser needs is in it; nothing is fetched."""

from importlib.metadata import version as _version_of

project = "Countermand"
author = "The Countermand developers"
project_copyright = author
release = version = _version_of("countermand")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
exclude_patterns = ["_build", "deploy/*"]
nitpicky = True

html_theme = "furo"
html_title = "Countermand"
html_copy_source = False
html_show_sphinx = False
