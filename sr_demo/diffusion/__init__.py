"""Residual-shift diffusion: noise, sampler, upscaler, and the trajectory as plain values."""
