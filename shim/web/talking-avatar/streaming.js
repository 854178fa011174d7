// A video's fragments while it is made: over a WebSocket where one can be had, else by a chunked reply.

import { TalkingAvatarError, connectionLost, stopped } from "./errors.js";

export const API = "/api/v1";
export const STREAM = `${API}/generate/text-to-video-stream`;

/** The finished video's reply. `send` is the client's own way to send a request, and gives the bare response. */
export async function streamed(client, send, request, watcher) {
  const told = { onBegin() {}, onProgress() {}, onFragment() {}, ...watcher };
  const protocols = await protocolsOf(client, request, told.signal);
  const reply = protocols && (await overSocket(client.address(STREAM), request, told, protocols));
  return reply ?? overFetch(client, send, request, told);
}

/** What a WebSocket shows instead of a header, which browsers don't let it send; null where there is nothing. */
async function protocolsOf(client, request, signal) {
  if (typeof WebSocket === "undefined") return null;
  if (client.token) return ["talking-avatar", `token.${client.token}`];
  if (!client.key) return [];
  if (!request.session_id) return null;
  try {
    const fields = { session_id: request.session_id, generations: 1, expires_in: 60 };
    const { token } = await client.request("POST", `${API}/tokens`, fields, { signal });
    return ["talking-avatar", `token.${token}`];
  } catch (error) {
    // An identity provider's token may not mint one: the chunked reply takes it as a header.
    if (error.status === 403 || error.status === 404) return null;
    throw error;
  }
}

/** The reply, or undefined where no socket opened: why, the same request over HTTP tells. */
function overSocket(address, request, told, protocols) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address.replace(/^http/, "ws"), protocols);
    let opened = false;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      socket.send(JSON.stringify(request));
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return told.onFragment(new Uint8Array(data));
      const { type, ...fields } = JSON.parse(data);
      if (type === "start") told.onBegin(fields);
      if (type === "progress") told.onProgress(fields);
      if (type === "end") resolve(fields);
      if (type === "error") reject(TalkingAvatarError.told(fields));
    };
    socket.onclose = () => (opened ? reject(connectionLost()) : resolve(undefined));
    const leave = () => {
      reject(stopped());
      socket.close();
    };
    if (told.signal?.aborted) leave();
    told.signal?.addEventListener("abort", leave, { once: true });
  });
}

/** The reply; the job's record tells how it ended. */
async function overFetch(client, send, request, told) {
  const response = await send("POST", STREAM, request, told);
  const { headers } = response;
  const jobId = headers.get("X-Job-Id");
  told.onBegin({
    job_id: jobId,
    stream_url: headers.get("X-Stream-Url"),
    hls_url: headers.get("X-Hls-Url"),
    content_type: headers.get("Content-Type"),
  });
  const reader = response.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) told.onFragment(part.value);
  } catch (error) {
    if (told.signal?.aborted) throw stopped();
    // The job's record has the reason, where it was the job that failed.
    await client.waitForJob(jobId, told);
    throw connectionLost();
  }
  return client.waitForJob(jobId, told);
}
