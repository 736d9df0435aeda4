"""Will a flight arrive late? A model to copy from."""
