// The list of conversations: / goes to the search, n to the next conversation, j and k along the list.
"use strict";
const links = [...document.querySelectorAll(".row .who a")];

function step(by) {
  const here = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, here + by))]?.focus();
}

const KEYS = {
  "/": () => document.getElementById("search").focus(),
  n: () => document.getElementById("start")?.click(),
  j: () => step(1),
  k: () => step(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.matches("input, textarea, select") || localStorage.getItem("keys") === "off") return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});
