"""The Diffusion tab: several samples for one photo, and where they differ."""
