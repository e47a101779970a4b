// Saving what a reader decides: one request after another, shown as saved only when the server has said so. What could
// not be saved is told of loudly and can be tried again; what was typed stays until it is saved, across reloads too.
"use strict";
const page = document.body.dataset;
const about = { transcript_id: page.transcript, content_hash: page.hash };
const failed = new Map(); // what was not saved (card id, and which remark) -> how to try again, and how to drop it
const REMARKS = ["note", "criterion missing"]; // these add up; of all else the latest holds
let chain = Promise.resolve();
let pending = 0;

function inTurn(post, done, refused) {
  pending += 1;
  chain = chain.then(post).then(done, refused).catch((error) => say(`This page is broken, reload it: ${error.message}`))
    .finally(() => {
      pending -= 1;
      trouble();
    });
}

function save(card, word, sent, field) {
  const id = card.id;
  const thing = REMARKS.includes(word) ? `${id} ${word}` : id;
  const before = card.dataset.decided;
  const said = failed.get(thing)?.said ?? card.querySelector(".yours").textContent;
  failed.delete(thing);
  mark(card, "saving", `Saving: ${word} ...`, `saving ${word}`);
  inTurn(
    () => send("/labels", sent),
    (answer) => {
      failed.delete(thing); // what failed while this one waited: tried again, it would replace what is newer
      clear(field.id, sent.note);
      show(answer);
      say(`Saved: ${word}, ${card.dataset.name}. ${answer.progress.decided} of ${answer.progress.asked} decided.`);
    },
    (error) => {
      const now = document.getElementById(id);
      now.dataset.decided = before;
      mark(now, "failed", `NOT SAVED (${word}): ${reason(error)}`, "NOT SAVED");
      failed.set(thing, {
        said,
        again: () => save(document.getElementById(id), word, sent, field),
        drop: () => mark(document.getElementById(id), "", "", said),
      });
    },
  );
}

function reason(error) {
  return error instanceof TypeError ? "the app does not answer; is `tunewright review` still running?" : error.message.trim();
}

function mark(card, state, text, brief) {
  card.dataset.state = state;
  card.querySelector(".state").textContent = text;
  card.querySelector(".yours").textContent = brief;
}

function trouble() {
  const place = document.getElementById("trouble");
  place.textContent = "";
  if (!failed.size) return;
  const [thing] = failed.keys();
  const first = document.getElementById(thing.split(" ")[0]);
  const n = failed.size === 1 ? "1 decision is" : `${failed.size} decisions are`;
  place.append(`${n} NOT saved. ${first.dataset.name}: ${first.querySelector(".state").textContent} `);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Try again";
  button.addEventListener("click", () => { for (const one of [...failed.values()]) one.again(); });
  place.append(button);
}

function dropFailed() {
  const [thing, last] = [...failed].at(-1);
  failed.delete(thing);
  last.drop();
  trouble();
  say("Dropped: what was not saved. Nothing that was saved is undone.");
}

function leave(go) {
  chain.then(() => (failed.size ? say("Something is not saved yet: see above.") : go()));
}

addEventListener("beforeunload", (event) => { if (pending || failed.size) event.preventDefault(); });

// ---- what the server answers takes the place of what was shown

function show(answer) {
  if (answer.html) replace(answer.criterion, answer.html);
  for (const place of document.querySelectorAll("[data-total]")) place.textContent = answer.totals[place.dataset.total];
  const here = document.getElementById("here");
  if (here) here.textContent = `${answer.progress.decided} of ${answer.progress.asked} decided`;
  document.getElementById("bar").value = answer.totals.answers_decided + answer.totals.conversations_decided;
}

function cardOf(criterion) {
  return document.getElementById(criterion ? `c-${criterion}` : "overall");
}

function replace(criterion, html) {
  const old = cardOf(criterion);
  const holder = document.createElement("template");
  holder.innerHTML = html; // escaped by the server's templates; the page's policy lets no script in
  const fresh = holder.content.firstElementChild;
  const typed = [...old.querySelectorAll("textarea")].filter((field) => field.value !== field.defaultValue);
  const focused = old.contains(document.activeElement) && document.activeElement.id;
  const had = focused !== false;
  old.replaceWith(fresh);
  for (const field of typed) {
    const place = document.getElementById(field.id);
    if (place) place.value = field.value;
  }
  takeOver(old, fresh, had, focused);
}

// ---- drafts

const draftKey = (field) => `draft ${page.transcript} ${field.id}`;

function keepDraft(field) {
  if (field.value) sessionStorage.setItem(draftKey(field), field.value);
  else sessionStorage.removeItem(draftKey(field));
}

function clear(id, sent) {
  const field = document.getElementById(id);
  if (field.value === sent) field.value = "";
  keepDraft(field);
}

for (const field of document.querySelectorAll("textarea")) field.value = sessionStorage.getItem(draftKey(field)) ?? field.value;
document.addEventListener("input", (event) => { if (event.target.matches("textarea")) keepDraft(event.target); });
