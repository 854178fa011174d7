// A request as a command for a shell. The key stays out of it.

const BASE64 = "audio_base64";

/** The very request as curl; a recording is read from the file of its name. */
export function curlOf(client, request, label) {
  const lines = [`curl -X POST ${quoted(client.address("/api/v1/generate/text-to-video"))}`];
  if (client.key) lines.push(`-H "Authorization: Bearer $TALKING_AVATAR_KEY"`);
  lines.push(`-H 'Content-Type: application/json'`);
  if (!(BASE64 in request)) return [...lines, `-d ${quoted(JSON.stringify(request))}`].join(" \\\n  ");
  const { [BASE64]: _, ...others } = request;
  const before = `${JSON.stringify(others).slice(0, -1)},"${BASE64}":"`;
  const body = `{ printf %s ${quoted(before)}; base64 < ${quoted(label)} | tr -d '\\n'; printf '"}'; }`;
  return `${body} | \\\n${[...lines, "--data-binary @-"].join(" \\\n  ")}`;
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
