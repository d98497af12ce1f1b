"""Plain nn.Modules that spandrel lacks. They are built from numbers, without files or configuration objects."""
