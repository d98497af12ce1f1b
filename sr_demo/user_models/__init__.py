"""Users' own model files: checks, a trial on a small image, and opening as an approach like any other."""
