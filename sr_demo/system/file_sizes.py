"""File sizes in human-readable units."""

from __future__ import annotations


def file_size(count: float) -> str:
    """Format bytes: 12 kB, 1.2 MB, 67 MB, 2.7 GB, in units of 1000; a dash for none."""
    if count <= 0:
        return "–"
    if count < 999_500:
        return f"{max(count / 1e3, 1):.0f} kB"
    if count < 999.5e6:
        return f"{count / 1e6:.1f} MB" if count < 9.95e6 else f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"
