"""Plain networks that the spandrel package does not have: numbers in, modules out; no files, no configuration."""
