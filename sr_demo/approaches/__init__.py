"""One file or folder per approach. They never import each other; `catalogue` lists them."""
