// What every part of the page does with its elements.

export const $ = (id) => document.getElementById(id);

/** Say what went wrong beside what caused it; without a sentence, nothing did. `field`: the control at fault. */
export function tellError(id, sentence, field = null) {
  const place = $(id);
  place.textContent = sentence ?? "";
  place.hidden = !sentence;
  field?.toggleAttribute("aria-invalid", Boolean(sentence));
  if (sentence) field?.setAttribute("aria-invalid", "true");
}

/** Change what is shown. The keyboard's focus, where this would lose it, goes to `next`. */
export function keepFocus(next, change) {
  const held = document.activeElement;
  change();
  if (held !== document.body && !held.getClientRects().length) next.focus({ preventScroll: true });
}

/** Show one of an id's siblings alone. */
export function showOnly(shown, ...ids) {
  for (const id of ids) $(id).hidden = id !== shown;
}

/** A bar's share from 0 to 1; null while nobody knows. */
export function showShare(bar, figure, share) {
  if (share === null || share === undefined) bar.removeAttribute("value");
  else bar.value = share;
  figure.textContent = share ? `${Math.round(share * 100)} %` : "";
}

export function showList(id, sentences) {
  const list = $(id);
  list.replaceChildren(...sentences.map((sentence) => made("li", { textContent: sentence })));
  list.hidden = !sentences.length;
}

export function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** A file that is dropped beside its place would be opened instead of the page, and all that is typed be lost. */
export function ignoreStrayFiles() {
  for (const name of ["dragover", "drop"])
    addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
}

/** Have a place take files that are dropped on it, and its input those that are picked. */
export function takeFiles(place, input, take) {
  for (const name of ["dragenter", "dragover"])
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.add("is-over");
    });
  for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("is-over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  });
}

export function bytesOf(count) {
  if (count < 1e6) return `${Math.max(1, Math.round(count / 1e3))} kB`;
  return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
}

export function secondsOf(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rest = Math.round(seconds % 60);
  return rest ? `${Math.floor(seconds / 60)}:${String(rest).padStart(2, "0")} min` : `${seconds / 60} min`;
}

export function isStopped(error) {
  return error.name === "AbortError";
}
