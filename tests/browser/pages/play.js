// Plays a streamed video in the page, fed in one of five ways, and counts its frames: as chunks, as messages of a
// socket, whole from memory, by its own address while the request runs, and afterwards as
// HLS: of a playlist that grows much faster than it plays Chromium's own player leaves segments out.
async ([path, body, feed]) => {
  const happened = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  let job = null;
  let playlist = null;
  const shown = new Set();
  const look = (now, frame) => { shown.add(Math.round(frame.mediaTime * 25)); video.requestVideoFrameCallback(look); };
  video.requestVideoFrameCallback(look);

  async function* chunks() {
    const reply = await fetch(path, { method: "POST", body });
    job = reply.headers.get("X-Job-Id");
    playlist = reply.headers.get("X-Hls-Url");
    if (feed === "stream") {
      video.src = reply.headers.get("X-Stream-Url");
      video.play();
    }
    const reader = reply.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  }
  async function* fragments() {
    const socket = new WebSocket(location.origin.replace("http", "ws") + path);
    socket.binaryType = "arraybuffer";
    const waiting = [];
    let wake = () => {};
    for (const name of ["message", "close"])
      socket.addEventListener(name, (event) => { waiting.push(event); wake(); });
    socket.addEventListener("open", () => socket.send(body));
    while (true) {
      while (!waiting.length) await new Promise((done) => (wake = done));
      const event = waiting.shift();
      if (event.type === "close") return;
      if (typeof event.data !== "string") yield event.data;
      else job = JSON.parse(event.data).job_id ?? job;
    }
  }

  if (feed === "stream" || feed === "hls") {
    for await (const part of chunks());
    if (feed === "hls") {
      video.src = playlist;
      video.play();
    }
  } else if (feed === "blob") {
    const parts = [];
    for await (const part of chunks()) parts.push(part);
    video.src = URL.createObjectURL(new Blob(parts, { type: "video/mp4" }));
    video.play();
  } else {
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await happened(source, "sourceopen");
    const buffer = source.addSourceBuffer('video/mp4; codecs="avc1.64001f, mp4a.40.2"');
    video.play();
    for await (const part of feed === "socket" ? fragments() : chunks()) {
      buffer.appendBuffer(part);
      await happened(buffer, "updateend");
    }
    source.endOfStream();
  }
  if (!video.ended) await happened(video, "ended");
  const total = video.getVideoPlaybackQuality().totalVideoFrames;
  return { job, total, shown: shown.size, error: video.error && video.error.message };
}
