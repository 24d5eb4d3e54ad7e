"""A picture as shapes at exact places, and what draws them."""
