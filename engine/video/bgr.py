"""Between I420 and 8-bit BGR, for what has to be looked at or drawn in colours: BT.709, limited range."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.video.i420 import I420, Bytes

# ITU-R BT.709-6, items 3.2 to 3.4: R, G and B weigh 0.2126, 0.7152 and 0.0722 in luma.
_RED, _BLUE = 0.2126, 0.0722
_GREEN = 1 - _RED - _BLUE
_LUMA, _CHROMA = 219 / 255, 224 / 255


def _to_yuv() -> NDArray[np.float32]:
    luma = np.array([_BLUE, _GREEN, _RED])
    u = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - _BLUE))
    v = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - _RED))
    rows = np.stack([luma * _LUMA, u * _CHROMA, v * _CHROMA])
    return np.hstack([rows, [[16.0], [128.0], [128.0]]]).astype(np.float32)


def _to_bgr() -> NDArray[np.float32]:
    forward = _to_yuv().astype(np.float64)
    back = np.linalg.inv(forward[:, :3])
    return np.hstack([back, -back @ forward[:, 3:]]).astype(np.float32)


_TO_YUV, _TO_BGR = _to_yuv(), _to_bgr()


def bgr_of(picture: I420) -> Bytes:
    """The picture as BGR: uint8 [H, W, 3]."""
    size = (picture.width, picture.height)
    u, v = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (picture.u, picture.v))
    return np.asarray(cv2.transform(cv2.merge((picture.y, u, v)), _TO_BGR), np.uint8)


def i420_of(bgr: Bytes) -> I420:
    """A BGR picture of even width and height as I420; a chroma sample is the mean of its four pixels."""
    height, width = bgr.shape[:2]
    y, u, v = cv2.split(cv2.transform(bgr, _TO_YUV))
    half = (width // 2, height // 2)
    picture = I420.blank(width, height)
    picture.y[:] = y
    picture.u[:] = cv2.resize(u, half, interpolation=cv2.INTER_AREA)
    picture.v[:] = cv2.resize(v, half, interpolation=cv2.INTER_AREA)
    return picture
