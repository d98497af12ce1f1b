"""Recommendation of methods for a photo: estimates from its pixels, and rules based on these estimates."""
