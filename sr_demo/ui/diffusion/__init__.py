"""The Diffusion tab: several samples for one photo, and a map of their differences."""
