"""The Several photos tab: many photos, one or a few methods, one zip."""
