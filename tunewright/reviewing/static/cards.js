// The card of a criterion: how it shows what is being saved, and what the server answers in its place.
"use strict";
const REMARKS = ["note", "criterion missing"]; // these add up; of all else the latest holds

function saveOn(card, word, sent, field) {
  const { id } = card;
  save(REMARKS.includes(word) ? `${id} ${word}` : id, {
    name: card.dataset.name,
    word,
    post: () => send("/labels", sent),
    shows: (state, why) => mark(document.getElementById(id), word, state, why),
    saved: (answer) => {
      clear(field.id, sent.note);
      show(answer);
      return `${answer.progress.decided} of ${answer.progress.asked}`;
    },
  });
}

function mark(card, word, state, why = "") {
  const yours = card.querySelector(".yours");
  card.dataset.was ??= card.dataset.decided; // as the server put it; a new card has its own
  card.dataset.said ??= yours.textContent;
  card.dataset.state = state;
  card.querySelector(".state").textContent = state === "saving" ? `Saving: ${word} ...` : why;
  yours.textContent = { saving: `saving ${word}`, failed: "NOT SAVED" }[state] ?? card.dataset.said;
  if (state !== "saving") card.dataset.decided = card.dataset.was;
}

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

function clear(id, sent) {
  const field = document.getElementById(id);
  if (field.value === sent) field.value = "";
  keepDraft(field);
}
