"""The Training tab: how the embedded networks were trained."""
