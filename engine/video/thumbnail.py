"""A small JPEG of one picture."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from engine.video.av_frame import av_frame
from engine.video.i420 import I420

LONGEST_SIDE = 640
QUALITY = 88


def thumbnail(frame: I420) -> bytes:
    """``frame`` as JPEG, its longer side LONGEST_SIDE pixels, or its own size where that is smaller.

    The picture goes through RGB, because a JPEG's YUV is BT.601 in full range and the frame's is BT.709 in
    limited range.
    """
    rgb = av_frame(frame).reformat(format="bgr24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG)
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    small = cv2.resize(rgb.to_ndarray(), size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return np.asarray(data).tobytes()
