// The list of conversations: / goes to the search, n to the next conversation; filters apply at once.
"use strict";
const filters = document.querySelector(".filters");
for (const select of filters.querySelectorAll("select")) select.addEventListener("change", () => filters.submit());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  if (localStorage.getItem("keys") === "off") return;
  const start = document.getElementById("start");
  if (event.key === "/") document.getElementById("search").focus();
  else if (event.key === "n" && start) start.click();
  else return;
  event.preventDefault();
});
