"""A user's own model file: checked, tried out on a small image, and opened as an approach like every other."""
