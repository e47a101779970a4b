// One conversation: keys and buttons for deciding, evidence that lights up in the text.
"use strict";
const about = { transcript_id: page.transcript, content_hash: page.hash };
const twoPanes = matchMedia("(min-width: 60rem)");
let current = null; // the card that keys act on
let latest = null; // the id of the card that was decided last

const cards = () => [...document.querySelectorAll(".card")];
const overall = () => document.getElementById("overall");
document.documentElement.classList.add("scripted");

// ---- which criterion is current

function select(card, { focus = true, follow = true, scroll = true } = {}) {
  if (!card) return;
  if (current && current !== card) unfold(current, false);
  current = card;
  unfold(card, true);
  if (focus) card.querySelector(".head").focus({ preventScroll: true });
  const room = twoPanes.matches ? card.closest(".criteria").clientHeight : innerHeight;
  if (scroll) card.scrollIntoView({ block: card.offsetHeight > room - 80 ? "start" : "nearest" });
  lightAll(card, follow && twoPanes.matches);
}

function unfold(card, is) {
  card.classList.toggle("current", is);
  card.querySelector(".head").setAttribute("aria-expanded", String(is));
}

function takeOver(old, fresh, hadFocus, focused) {
  unfold(fresh, current === old);
  if (current !== old) return;
  current = fresh;
  const place = (focused && document.getElementById(focused)) || fresh.querySelector(".head");
  if (hadFocus) place.focus({ preventScroll: true });
  lightAll(fresh, false);
}

function step(by) {
  const all = cards();
  select(all[Math.min(all.length - 1, Math.max(0, all.indexOf(current) + by))]);
}

function undecided(card) {
  return card.dataset.asked === "1" && !card.dataset.decided;
}

function goOn(from) {
  const all = cards();
  const here = all.indexOf(from);
  const order = [...all.slice(here + 1), ...all.slice(0, here)];
  select(order.find(undecided) || overall());
}

// ---- evidence (evidence.js)

function point(button) {
  const exchange = document.getElementById(`x${button.dataset.exchange}`);
  if (!exchange) return say(`There is no exchange ${button.dataset.exchange}.`);
  const card = button.closest(".card");
  if (card !== current) select(card, { focus: false, follow: false });
  for (const one of talk.querySelectorAll(".pointed")) one.classList.remove("pointed");
  for (const one of card.querySelectorAll(".ev")) one.classList.toggle("at", one === button);
  exchange.classList.add("lit", "pointed");
  const quoted = markOf(exchange, button.dataset.quote);
  for (const mark of talk.querySelectorAll("mark")) mark.classList.toggle("at", mark === quoted);
  bring(quoted || exchange);
  if (!twoPanes.matches) document.getElementById("back").hidden = false;
  say(`Exchange ${button.dataset.exchange} marked.`);
}

function nextEvidence() {
  const all = [...current.querySelectorAll(".ev")];
  if (!all.length) return say(`No evidence to show for ${current.dataset.name}.`);
  point(all[(all.findIndex((b) => b.classList.contains("at")) + 1) % all.length]);
}

// ---- deciding

function decide(card, what) {
  const choice = what.decision ? `[data-decision="${what.decision}"]` : `[data-label="${what.label}"]`;
  const button = card.querySelector(choice);
  if (!button) return say("The answer is hidden: say yes, no or na yourself.");
  if (button.dataset.why) return say(`Not possible: ${button.dataset.why}.`);
  const word = what.decision || what.label;
  const field = card.querySelector(".note");
  saveOn(card, word, request(card, { note: field.value, ...what }), field);
  card.dataset.decided = word;
  if (card.id === "overall") return onward(() => overall().dataset.decided);
  latest = card.id;
  goOn(card);
}

function request(card, what) {
  const { criterion, question, shown } = card.dataset;
  const seen = { question_hash: question || null, shown: shown || null };
  return { ...about, ...seen, criterion: criterion || null, blind: page.blind === "1", ...what };
}

function remark(card, field, label) {
  if (field.value.trim()) return saveOn(card, label, request(card, { label, note: field.value }), field);
  field.focus();
  say("Write something first.");
}

function undo() {
  takeBack(() => send("/undo", about), (answer) => {
    show(answer);
    select(cardOf(answer.criterion));
    say(`Undone: ${answer.undone.label}, ${cardOf(answer.criterion)?.dataset.name || answer.criterion}.`);
  });
}

function blind() {
  const mode = { blind: page.blind !== "1" };
  inTurn(() => send("/blind", mode), () => {}, (error) => say(`Not possible: ${reason(error)}.`));
  leave(() => location.reload());
}

// ---- calibration examples

function example(card) {
  const wanted = undecided(card) && latest ? latest : card.id;
  chain.then(() => {
    const found = document.getElementById(wanted);
    const form = found.querySelector("form.example");
    const why = found.querySelector("[data-act=example]")?.dataset.why || "choose a criterion first (j, k)";
    if (!form) return say(`Not possible: ${why}.`);
    select(found, { focus: false });
    form.hidden = false;
    form.querySelector(".why").focus();
    form.scrollIntoView({ block: "nearest" });
  });
}

function propose(form) {
  const name = form.closest(".card").dataset.name;
  const until = Number(form.querySelector(".until").value) || null;
  const sent = {
    ...about,
    criterion: form.closest(".card").dataset.criterion,
    reason: form.querySelector(".why").value,
    borderline: form.querySelector(".borderline").checked,
    until: until === Number(form.querySelector(".until").max) ? null : until,
  };
  inTurn(() => send("/calibration", sent), (found) => {
    sessionStorage.removeItem(draftKey(form.querySelector(".why")));
    closeForm(form);
    say(`Proposed, in ${found.file}: ${found.n} for ${name}.`);
  }, (error) => { form.querySelector(".told").textContent = `Not proposed: ${reason(error)}.`; });
}

function closeForm(form) {
  form.hidden = true;
  form.querySelector(".told").textContent = "";
  form.closest(".card").querySelector(".head").focus();
}

// ---- keys and clicks

const KEYS = {
  j: () => step(1), k: () => step(-1),
  n: () => follow("after", "This is the last conversation."), p: () => follow("before", "This is the first conversation."),
  v: nextEvidence,
  a: () => judge("agree"), f: () => judge("false pass"), g: () => judge("false fail"),
  y: () => answer("YES"), x: () => answer("NO"), 0: () => answer("NA"), u: () => answer("unsure"),
  m: () => current.querySelector(".note").focus(),
  c: () => { select(overall(), { focus: false }); document.getElementById("missing").focus(); },
  e: () => example(current),
  s: () => decide(overall(), { label: "satisfied" }), d: () => decide(overall(), { label: "not satisfied" }),
  z: undo, b: blind,
  "/": () => document.getElementById("search").focus(),
  "?": () => document.getElementById("help").showModal(),
};
function follow(link, otherwise) {
  const found = document.getElementById(link);
  if (found) found.click();
  else say(otherwise);
}

const DECIDES = "afgyx0usdz"; // a key that is held down decides once

function judge(decision) {
  if (current.id === "overall") say("Choose a criterion first (j, k).");
  else decide(current, { decision });
}

function answer(label) {
  if (current.id === "overall") say("Choose a criterion first (j, k).");
  else decide(current, { label });
}

document.addEventListener("keydown", (event) => {
  const at = event.target;
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (event.isComposing || event.defaultPrevented) return;
  if (at.closest(".card") && at.matches("textarea, input")) return typing(event, at, modified);
  if (modified || at.matches("input, textarea, select") || document.querySelector("dialog[open]")) return;
  if (localStorage.getItem("keys") === "off" || (event.repeat && DECIDES.includes(event.key))) return;
  const arrow = at.matches(".head") && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const act = arrow ? () => step(arrow) : Object.hasOwn(KEYS, event.key) && KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

function typing(event, field, modified) {
  const form = field.closest("form.example");
  if (event.key === "Escape") form ? closeForm(form) : field.closest(".card").querySelector(".head").focus();
  if (event.key !== "Enter" || !modified) return;
  if (form) return form.requestSubmit();
  field.parentElement.querySelector("button").click();
  if (field.value.trim()) field.closest(".card").querySelector(".head").focus(); // single keys act again
}

const ACTS = {
  note: (card) => remark(card, card.querySelector(".note"), "note"),
  missing: (card) => remark(card, card.querySelector(".missing"), "criterion missing"),
  example, undo, blind,
  cancel: (card) => closeForm(card.querySelector("form.example")),
  help: KEYS["?"],
  back: () => { document.getElementById("back").hidden = true; select(current); },
};

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("button, a");
  if (!pressed) return;
  const card = pressed.closest(".card");
  if (card && card !== current && !pressed.matches(".ev")) select(card, { focus: false });
  if (pressed.matches("a")) stayUntilSaved(event, pressed);
  else if (pressed.matches(".ev")) point(pressed);
  else if (pressed.dataset.decision) decide(card, { decision: pressed.dataset.decision });
  else if (pressed.dataset.label) decide(card, { label: pressed.dataset.label });
  else if (pressed.dataset.act) ACTS[pressed.dataset.act](card);
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".example")) return;
  event.preventDefault();
  propose(event.target);
});

const keysOn = document.getElementById("keys-on");
keysOn.checked = localStorage.getItem("keys") !== "off";
keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));

restoreDrafts(page.transcript);
for (const card of cards()) unfold(card, false);
select(cards().find(undecided) || overall(), { focus: false, follow: false, scroll: twoPanes.matches });
