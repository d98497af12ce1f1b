"""The Mosaic tab: a photo rebuilt from a patch database while sliders move."""
