"""The Mosaic tab: a photo that is rebuilt from a patch database while sliders move."""
