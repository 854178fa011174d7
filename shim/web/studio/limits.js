// What the server takes at most, in the page's words.

/** Of GET /limits; what it doesn't tell is left out, and the server's own refusal says it. */
export function limitsOf(reply) {
  return reply;
}
