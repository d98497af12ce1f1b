"""Operations on images that need no network: resizing, tiling, degradation, sample images and the resolution chart."""
