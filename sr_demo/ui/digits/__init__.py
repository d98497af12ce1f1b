"""The Digits tab: one latent, drawn at any resolution."""
