"""Training of networks from photos to weights and a JSON card. Nothing at run time imports this package."""
