"""Avatars as their owners send, list, look at and remove them."""
