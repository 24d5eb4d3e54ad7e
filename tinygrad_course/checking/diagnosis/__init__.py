"""Which mistakes explain wrong numbers."""
