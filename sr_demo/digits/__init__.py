"""The digits lab: from 26 x 26 pixels to a latent, and from the latent to a picture of any size."""
