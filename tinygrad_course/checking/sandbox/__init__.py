"""A learner's code, loaded and run in a process of its own."""
