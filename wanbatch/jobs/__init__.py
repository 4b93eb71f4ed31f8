"""What is true of each job, and what to do next."""
