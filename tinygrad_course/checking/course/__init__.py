"""What each function of the course is: its formulas, references, samples and training."""
