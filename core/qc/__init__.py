"""Quality control by eye: who needs a look, pictures to look at, and verdicts that count."""
