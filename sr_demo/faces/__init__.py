"""Where the faces in an image are."""
