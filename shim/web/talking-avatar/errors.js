// What goes wrong, as one kind of error with a sentence for people.

/** Whatever went wrong: `code` is stable, `message` is a sentence for people. */
export class TalkingAvatarError extends Error {
  constructor(code, message, { retryable = false, status = 0, retryAfter = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { name: "TalkingAvatarError", code, retryable, status, retryAfter, requestId });
  }

  /** The error of the server's own form: {"error", "detail", "retryable", "request_id"}. */
  static told(fields, status = 0, retryAfter = null) {
    const { error, detail, retryable, request_id: requestId } = fields;
    return new TalkingAvatarError(error, detail, { retryable, status, retryAfter, requestId });
  }
}

export function unreachable(server) {
  const sentence = `The server at ${server} can't be reached. Check the connection, and that its CORS_ORIGINS has this page.`;
  return new TalkingAvatarError("unreachable", sentence, { retryable: true });
}

export function stopped() {
  return new DOMException("It was stopped.", "AbortError");
}

export async function errorOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  return errorOfText(await response.text(), response.status, retryAfter);
}

export function errorOfText(text, status, retryAfter = null) {
  try {
    const fields = JSON.parse(text);
    if (fields.error && fields.detail) return TalkingAvatarError.told(fields, status, retryAfter);
  } catch {
    // A proxy's own page: the status says all that there is to say.
  }
  return new TalkingAvatarError(`http_${status}`, `The server answered ${status} without a reason.`, {
    retryable: status >= 500, status, retryAfter,
  });
}

export function connectionLost() {
  return new TalkingAvatarError("connection_lost", "The connection broke before the video was complete. Try again.", {
    retryable: true,
  });
}

export function unplayable(error) {
  const reason = error?.message ? ` (${error.message})` : "";
  return new TalkingAvatarError("unplayable", `This browser can't play the video${reason}.`);
}
