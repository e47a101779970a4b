"""The three things that the probes can say about general abilities, for those who find it and those who tell it."""

LOST, OPEN, INTACT = "abilities lost", "loss not excluded", "abilities intact"
