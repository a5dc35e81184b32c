"""Image-text encoders behind one Protocol."""
