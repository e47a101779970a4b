"""The checks of a domain's design, by subject: each is one testable line of the method, with its evidence."""
