"""Doors whose cases do to their process what the frame has to notice."""
