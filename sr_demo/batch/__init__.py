"""Upscaling a folder of images, resumable, in one process, several, or on Ray."""
