"""The comparison viewer: images of one scene with one zoom and position for all."""
