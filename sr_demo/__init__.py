"""Super-resolution approaches side by side, with what each one costs."""

__version__ = "0.1.0"
