"""Image quality in numbers: full-reference (PSNR, SSIM), no-reference (NIQE) and resolution (MTF)."""
