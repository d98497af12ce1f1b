"""Faces in an image: detection, alignment and masks."""
