"""What looks again, and closer, at the best of what was found."""
