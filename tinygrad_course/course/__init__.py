"""The exercises of the course, and their reproduction."""
