// What every page's script needs: sending a decision with the token, and saying what happened.
"use strict";
const TOKEN = document.querySelector('meta[name="tunewright-token"]').content;

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
  document.getElementById("said").textContent = text;
}
