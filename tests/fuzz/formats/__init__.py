"""Where in a media file its structure stands: sizes, types and numbers, found by walking it as a reader would."""
