"""Decides which targets to try, in which order and with which credentials. Pure: no I/O, no clock."""
