"""Training: photos in, weights and a JSON card out. Nothing at run time imports it."""
