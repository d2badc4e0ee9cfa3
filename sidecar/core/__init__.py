"""The core: facts in, decisions and wishes out. No I/O, no clock, no chance."""
