"""The digits lab: encode 26 x 26 pixels to a latent, and draw the latent as an image of any size."""
