"""Image quality metrics: full-reference (PSNR, SSIM), no-reference (NIQE) and resolution (MTF)."""
