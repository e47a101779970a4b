// What every page's script needs: sending a decision with the token, and saying what happened.
"use strict";
const TOKEN = document.querySelector('meta[name="tunewright-token"]').content;
const SAID_MS = 8000; // how long a message stays; what matters stands in the page too
let quietLater = 0;

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-tunewright-token": TOKEN },
    body: JSON.stringify(body),
  });
  const found = await answer.text();
  if (!answer.ok) throw new Error(found);
  return JSON.parse(found);
}

function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(quietLater);
  quietLater = setTimeout(() => { place.textContent = ""; }, SAID_MS);
}
