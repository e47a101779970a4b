// Saving what a reader decides: one request after another, shown as saved only when the server has said so. What could
// not be saved is told of loudly and can be tried again; what was typed stays until it is saved, across reloads too.
"use strict";
const page = document.body.dataset;
const failed = new Map(); // what was decided on -> the try that failed (see `save`), and what is told of it
let chain = Promise.resolve();
let pending = 0;
let draftsOf = ""; // what the page's drafts are about

function inTurn(post, done, refused) {
  pending += 1;
  chain = chain.then(post).then(done, refused).catch((error) => say(`This page is broken, reload it: ${error.message}`))
    .finally(() => {
      pending -= 1;
      trouble();
    });
}

// A try: `post` sends it; `name` and `word` say what was decided on and how; `saved` shows the answer and returns how far
// the reader is; `shows` is told its state: "saving", "failed" (and why), or "" when it is dropped.
function save(thing, one) {
  failed.delete(thing);
  one.shows("saving");
  inTurn(
    one.post,
    (answer) => {
      failed.delete(thing); // what failed while this one waited
      say(`Saved: ${one.word}, ${one.name}. ${one.saved(answer)} decided.`);
    },
    (error) => {
      const why = `NOT SAVED (${one.word}): ${reason(error)}`;
      failed.set(thing, { ...one, told: `${one.name}: ${why}` });
      one.shows("failed", why);
    },
  );
}

function reason(error) {
  return error instanceof TypeError ? "the app does not answer; is `tunewright review` still running?" : error.message.trim();
}

function trouble() {
  const [first] = failed.values();
  const n = failed.size === 1 ? "1 decision is" : `${failed.size} decisions are`;
  document.getElementById("trouble").replaceChildren(...(first ? [`${n} NOT saved. ${first.told} `, tryAgain()] : []));
}

// In its turn: what is newer on the same thing may be on its way, and takes the place of what failed.
function tryAgain() {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Try again";
  button.addEventListener("click", () => chain.then(() => { for (const [thing, one] of [...failed]) save(thing, one); }));
  return button;
}

// In its turn: what is still on its way may fail, and it is then that decision which is taken back, no saved one.
function takeBack(post, undone) {
  inTurn(
    () => (failed.size ? null : post()),
    (answer) => (answer ? undone(answer) : dropFailed()),
    (error) => say(`Not undone: ${reason(error)}.`),
  );
}

function dropFailed() {
  const [thing, last] = [...failed].at(-1);
  failed.delete(thing);
  last.shows("");
  say("Dropped: what was not saved. Nothing that was saved is undone.");
}

// ---- going on, when all is saved

function onward(isDone) {
  chain.then(() => {
    if (failed.size || !isDone()) return;
    const place = document.getElementById("onward");
    place.hidden = false;
    place.querySelector("a").focus();
  });
}

function leave(go) {
  chain.then(() => (failed.size ? say("Something is not saved yet: see above.") : go()));
}

function stayUntilSaved(event, link) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || link.getAttribute("href").startsWith("#")) return;
  if (!pending && !failed.size) return;
  event.preventDefault();
  leave(() => location.assign(link.href));
}

addEventListener("beforeunload", (event) => { if (pending || failed.size) event.preventDefault(); });

// ---- drafts: what is in a field and not on disk

const draftKey = (field) => `draft ${draftsOf} ${field.id}`;

function keepDraft(field) {
  if (field.value === (field.dataset.saved ?? "")) sessionStorage.removeItem(draftKey(field));
  else sessionStorage.setItem(draftKey(field), field.value);
}

function restoreDrafts(about) {
  draftsOf = about;
  for (const field of document.querySelectorAll("textarea")) field.value = sessionStorage.getItem(draftKey(field)) ?? field.value;
}

document.addEventListener("input", (event) => { if (event.target.matches("textarea")) keepDraft(event.target); });
