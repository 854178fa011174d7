// Counts what a <video> really shows. currentTime proves nothing: it also runs on over a frozen picture.
"use strict";

const BITS = 7;

function numberIn(video, context) {
  const { width, height } = context.canvas;
  context.drawImage(video, 0, 0, width, height);
  const row = context.getImageData(0, height / 12, width, 1).data;
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const middle = Math.floor(((bit + 0.5) * width) / BITS);
    if (row[4 * middle] > 128) number |= 1 << bit;
  }
  return number;
}

function watch(video) {
  const canvas = document.createElement("canvas");
  canvas.width = 280;
  canvas.height = 240;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const shown = [];
  let firstShown = null;
  const look = (now, metadata) => {
    firstShown ??= performance.timeOrigin + performance.now();
    shown.push({ number: numberIn(video, context), time: metadata.mediaTime });
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  window.report = () => {
    return {
      shown,
      first_shown: firstShown / 1000,
      total: video.getVideoPlaybackQuality().totalVideoFrames,
      sound_bytes: video.webkitAudioDecodedByteCount,
      starts: video.buffered.length ? video.buffered.start(0) : null,
      error: video.error && video.error.message,
    };
  };
}
