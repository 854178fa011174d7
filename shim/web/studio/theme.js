// Dark and light: as the system has it, until somebody chooses.

import { $ } from "./page.js";

const KEY = "look";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  return localStorage.getItem(KEY) ?? (system.matches ? "dark" : "light");
}

function show() {
  const look = chosen();
  document.documentElement.dataset.look = look;
  const button = $("theme");
  button.setAttribute("aria-pressed", String(look === "dark"));
  button.querySelector("use").setAttribute("href", `/web/icons.svg#${look === "dark" ? "sun" : "moon"}`);
}

$("theme").addEventListener("click", () => {
  localStorage.setItem(KEY, chosen() === "dark" ? "light" : "dark");
  show();
});
system.addEventListener("change", show);
show();
