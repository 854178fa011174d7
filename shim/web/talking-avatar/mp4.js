// What the beginning of an MP4 says of its tracks.

import { TalkingAvatarError } from "./errors.js";

/** The type of an MP4's tracks as its beginning has them; null as long as that isn't all there. */
export function typeOf(bytes) {
  const moov = boxEnd(bytes, "moov");
  if (moov === null || moov > bytes.length) return null;
  const avcc = find(bytes, "avcC");
  if (avcc < 0) throw new TalkingAvatarError("unknown_video", "The stream has no H.264 video.");
  const profile = [...bytes.subarray(avcc + 5, avcc + 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `video/mp4; codecs="avc1.${profile}${find(bytes, "mp4a") < 0 ? "" : ", mp4a.40.2"}"`;
}

function boxEnd(bytes, name) {
  const at = find(bytes, name);
  return at < 4 ? null : at - 4 + new DataView(bytes.buffer, bytes.byteOffset + at - 4).getUint32(0);
}

function find(bytes, name) {
  const codes = [...name].map((letter) => letter.charCodeAt(0));
  return bytes.findIndex((_, at) => codes.every((code, index) => bytes[at + index] === code));
}
