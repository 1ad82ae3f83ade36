"""What evaluators are given and what they return."""
