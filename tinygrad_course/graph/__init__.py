"""A recorded graph, read from outside: what was recorded, by which Module, in which role."""
