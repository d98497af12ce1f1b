"""Plain nn.Modules that spandrel does not have: numbers in, modules out; no files, no configuration objects."""
