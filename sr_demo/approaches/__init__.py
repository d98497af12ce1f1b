"""The approaches: one file or folder each. They never import each other; `catalogue` lists them."""
