"""Large diffusion models that run on a GPU: one shell around the pipelines of the diffusers package, and SUPIR beside it."""
