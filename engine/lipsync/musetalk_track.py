"""What a track of MuseTalk holds for every frame, by name."""

from __future__ import annotations

MUSETALK = "musetalk"
LATENTS = "latents"
"""float16 (N, *LATENT_SHAPE)."""
FACE_BOX = "face_box"
"""int32 (N, 4): left, top, right, bottom of the face in the frame, which may reach beyond it."""
SIDE = 256
"""Width and height of the face that the networks take and draw."""
LATENT_SHAPE = (8, SIDE // 8, SIDE // 8)
"""A frame's latents: four planes of the face with its lower half masked, then four of the whole face."""
