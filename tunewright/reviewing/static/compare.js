// Two conversations side by side: which is better, question by question, by key or button.
"use strict";
const about = { pair: page.pair, token: page.content };
const cards = [...document.querySelectorAll(".question-card")];
const still = matchMedia("(prefers-reduced-motion: reduce)");
let current = 0;

// ---- which question is current

function select(at, { focus = true, follow = true } = {}) {
  current = Math.min(cards.length - 1, Math.max(0, at));
  cards.forEach((card, n) => {
    card.classList.toggle("current", n === current);
  });
  const card = cards[current];
  if (focus) (card.querySelector('[aria-pressed="true"]') || card.querySelector(".side")).focus({ preventScroll: true });
  if (follow) card.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
}

function goOn() {
  const order = cards.map((_, n) => (current + 1 + n) % cards.length);
  const open = order.find((n) => !cards[n].dataset.side);
  if (open === undefined) onward(isDone);
  else select(open);
}

function isDone() {
  return cards.every((card) => card.dataset.side);
}

// ---- deciding

function decide(card, side) {
  const note = card.querySelector("textarea").value;
  const sent = { ...about, question: card.dataset.question, side, note };
  mark(card, side);
  save(card.dataset.question, {
    name: card.dataset.name,
    word: side === "tie" ? "tie" : `${side} better`,
    post: () => send("/preferences", sent),
    shows: (state, why) => {
      card.dataset.state = state;
      card.querySelector(".state").replaceChildren(...(why ? [`${why} `, tryAgain()] : []));
      if (!state) mark(card, card.dataset.was);
    },
    saved: (state) => {
      card.dataset.state = "saved";
      show(state);
      return `${state.done} of ${state.asked} pairs`;
    },
  });
}

function mark(card, side) {
  card.dataset.side = side || "";
  card.querySelector(".tick").textContent = side ? "✓" : "○";
  for (const button of card.querySelectorAll(".side")) button.setAttribute("aria-pressed", String(button.dataset.side === side));
}

function show(state) {
  for (const card of cards) {
    const name = card.dataset.question;
    const field = card.querySelector("textarea");
    card.dataset.was = state.answers[name] || "";
    if (!failed.has(name) && (pending <= 1 || card.dataset.state !== "saving")) mark(card, state.answers[name]);
    const isSaved = field.value === field.dataset.saved || (field.value.trim() === state.notes[name] && !field.matches(":focus"));
    if (isSaved) keep(field, state.answers[name] ? state.notes[name] : field.value, state.notes[name]);
  }
  document.getElementById("done").textContent = state.done;
  document.getElementById("bar").value = state.done;
  const link = document.querySelector("#onward a");
  link.href = state.following || "/compare";
  link.firstChild.textContent = state.following ? "Next undecided pair " : "To the result ";
}

function undo() {
  takeBack(() => send("/preferences/undo", about), (state) => {
    show(state);
    const at = cards.findIndex((card) => card.dataset.question === state.undone);
    document.getElementById("onward").hidden = true;
    if (at >= 0) select(at);
    say(`Undone: ${cards[at]?.dataset.name || state.undone}.`);
  });
}

// ---- notes: kept in this tab until they are saved with a decision

function keep(field, value, saved) {
  field.value = value;
  field.dataset.saved = saved;
  keepDraft(field);
}

function leaveNote(field) {
  const card = field.closest(".question-card");
  if (field.value.trim() === field.dataset.saved) return;
  if (card.dataset.side) decide(card, card.dataset.side);
  else say("The note is saved with your decision.");
}

restoreDrafts(page.content);
for (const card of cards) {
  card.dataset.was = card.dataset.side; // what the server holds
  const field = card.querySelector("textarea");
  field.addEventListener("change", () => leaveNote(field));
}

// ---- keys and clicks

function follow(id, otherwise) {
  const link = document.getElementById(id);
  if (link) leave(() => location.assign(link.href));
  else say(otherwise);
}

function next() {
  const place = document.getElementById("onward");
  if (place && !place.hidden) leave(() => location.assign(place.querySelector("a").href));
  else follow("after", "This is the last pair.");
}

function choose(side) {
  const card = cards[current];
  decide(card, side);
  goOn();
}

const PAIR_KEYS = {
  j: () => select(current + 1), k: () => select(current - 1),
  h: () => choose("A"), ArrowLeft: () => choose("A"), l: () => choose("B"), ArrowRight: () => choose("B"),
  t: () => choose("tie"), 0: () => choose("tie"),
  n: next, p: () => follow("before", "This is the first pair."),
  m: () => cards[current].querySelector("textarea").focus(),
  z: undo,
  "?": () => document.getElementById("help").showModal(),
};
const LIST_KEYS = { n: () => follow("following", "All pairs are decided.") };
const KEYS = cards.length ? PAIR_KEYS : LIST_KEYS;

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("textarea");
  if (field && (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey)))) {
    event.preventDefault();
    return field.closest(".question-card").querySelector(".side").focus();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.target.matches("input, textarea, select") || document.querySelector("dialog[open]")) return;
  if (localStorage.getItem("keys") === "off") return;
  const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
  if (!act || event.repeat) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button, a");
  if (!button) return;
  const act = button.dataset.act;
  if (button.matches(".side")) {
    select(cards.indexOf(button.closest(".question-card")), { focus: false });
    decide(cards[current], button.dataset.side);
    onward(isDone);
  } else if (act === "undo") undo();
  else if (act === "help") PAIR_KEYS["?"]();
  else if (button.matches("a")) stayUntilSaved(event, button);
});

if (cards.length) {
  const keysOn = document.getElementById("keys-on");
  keysOn.checked = localStorage.getItem("keys") !== "off";
  keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));
  const open = cards.findIndex((card) => !card.dataset.side);
  select(open < 0 ? cards.length - 1 : open, { focus: false, follow: false });
  document.getElementById("onward").hidden = open >= 0;
}
