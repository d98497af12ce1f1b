"""Large diffusion models for GPUs: pipelines of the diffusers package, SUPIR in a subprocess, and image captions."""
