"""`tunewright doctor`: what a run would need and this machine has not, found before the run begins."""
