"""Which methods suit a photo: estimates from its pixels, and rules that rest on them."""
