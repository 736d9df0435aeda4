"""Which species is this penguin? A model to copy from."""
