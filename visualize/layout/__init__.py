"""Where the nodes and lines of a graph are placed."""
