"""The values and rules of a production. Pure: no I/O, no clock, no torch."""
