"""Residual-shift diffusion: the noise, the sampler, the upscaler around it, and its trajectory as plain values."""
