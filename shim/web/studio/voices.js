// Voices and models to choose from, where the server lists them.

import { sentenceOf } from "./access.js";
import { $, made, tellError } from "./page.js";

const sample = new Audio();

/** Fill both lists. A server without them has no such path, and then nothing is shown. */
export async function fillVoices(client, access) {
  const [voices, models] = await Promise.all([
    fill("voice", () => access.with(() => client.voices(), { quiet: true })),
    fill("model", () => access.with(() => client.models(), { quiet: true })),
  ]);
  tellError("voice-error", voices);
  // What keeps both away is told once.
  tellError("model-error", models === voices ? null : models);
}

/** Why there is no list; null where there is one, and where the server has none. */
async function fill(id, list) {
  const part = $(`${id}-part`);
  try {
    const offered = (await list()).filter((offer) => offer.available !== false);
    $(id).replaceChildren(...offered.map((offer) => optionOf(offer, id)));
    $(id).disabled = false;
    part.hidden = offered.length === 0;
    if (id === "voice") offerSamples(offered);
    return null;
  } catch (error) {
    if (error.status === 404) return null;
    $(id).replaceChildren(made("option", { value: "", textContent: "Default" }));
    $(id).disabled = true;
    part.hidden = false;
    return sentenceOf(error);
  }
}

function optionOf(offer, id) {
  const language = id === "voice" && offer.languages?.length === 1 ? ` (${offer.languages[0]})` : "";
  return made("option", { value: offer.id, textContent: `${offer.name}${language}`, selected: Boolean(offer.default) });
}

function offerSamples(voices) {
  const button = $("voice-sample");
  const address = () => voices.find((voice) => voice.id === $("voice").value)?.preview_url;
  const show = () => {
    sample.pause();
    button.hidden = !address();
  };
  button.onclick = async () => {
    if (!sample.paused) return sample.pause();
    sample.src = address();
    try {
      await sample.play();
      tellError("voice-error", null);
    } catch (error) {
      if (error.name !== "AbortError") tellError("voice-error", "The sample can't be played. The voice itself may well work.");
    }
  };
  sample.onplay = sample.onpause = () =>
    button.querySelector("use").setAttribute("href", `/web/icons.svg#${sample.paused ? "play" : "stop"}`);
  $("voice").onchange = show;
  show();
}
