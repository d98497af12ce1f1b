"""Diffusion between a network's calm result and the picture it stands for: the chain, its noise, and how it is walked."""
