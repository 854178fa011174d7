// Captions: the cues of a WebVTT file.

const TIMES = /(?:(\d+):)?(\d+):(\d+)\.(\d+)\s+-->\s+(?:(\d+):)?(\d+):(\d+)\.(\d+)/;

/** The cues of a WebVTT file as {start, end, text}, in seconds. */
export function cuesOf(vtt) {
  return vtt.split(/\r?\n\r?\n/).flatMap((block) => {
    const match = TIMES.exec(block);
    if (!match) return [];
    const text = block.slice(match.index + match[0].length).split(/\r?\n/).slice(1).join("\n").trim();
    return [{ start: secondsOf(match.slice(1, 5)), end: secondsOf(match.slice(5, 9)), text }];
  });
}

/** A cue a line above the picture's edge. */
export function cueOf(start, end, text) {
  return Object.assign(new VTTCue(start, end, text), { line: -1 - text.split("\n").length });
}

function secondsOf([hours = 0, minutes, seconds, milliseconds]) {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(milliseconds) / 1000;
}
