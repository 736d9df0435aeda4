"""The checks, one family a file; ``catalogue`` says which follow from which claims."""
