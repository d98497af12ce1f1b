"""The Compare tab: one photo, several methods, side by side."""
