// One conversation: keys and buttons for deciding, evidence that lights up in the text, and what is saved.
"use strict";
const page = document.body.dataset;
const about = { transcript_id: page.transcript, content_hash: page.hash };
const talk = document.querySelector(".talk");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const twoPanes = matchMedia("(min-width: 60rem)");
let current = null; // the card that keys act on
let chain = Promise.resolve(); // decisions are sent one after another
let pending = 0;
let latest = null; // the id of the card that was decided last
const failed = new Map(); // card id -> how to try again to save what was not saved

const cards = () => [...document.querySelectorAll(".card")];
const body = document.documentElement;
body.classList.add("scripted");

// ---- which criterion is current

function select(card, { focus = true, follow = true, scroll = true } = {}) {
  if (!card) return;
  if (current && current !== card) open(current, false);
  current = card;
  open(card, true);
  if (focus) card.querySelector(".head").focus({ preventScroll: true });
  const room = twoPanes.matches ? card.closest(".criteria").clientHeight : innerHeight;
  if (scroll) card.scrollIntoView({ block: card.offsetHeight > room - 80 ? "start" : "nearest" });
  lightAll(card, follow && twoPanes.matches);
}

function open(card, is) {
  card.classList.toggle("current", is);
  card.querySelector(".head").setAttribute("aria-expanded", String(is));
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
  select(order.find(undecided) || document.getElementById("overall"));
}

// ---- evidence

function words(quote) {
  const bare = quote.replace(/^[^\p{L}\p{N}]*(?:user|assistant)\s*:/iu, "");
  return bare.split(/\.{2,}|\u2026/u).map((piece) => piece.match(/[\p{L}\p{N}]+/gu)).filter(Boolean);
}

function spans(text, quote) {
  const found = [];
  let from = 0;
  for (const part of words(quote)) {
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}])${part.join("[^\\p{L}\\p{N}]*")}(?![\\p{L}\\p{N}])`, "giu");
    pattern.lastIndex = from;
    const hit = pattern.exec(text);
    if (!hit) return [];
    found.push([hit.index, pattern.lastIndex]);
    from = pattern.lastIndex;
  }
  return found;
}

function unlight() {
  for (const mark of talk.querySelectorAll("mark")) {
    const parent = mark.parentNode;
    mark.replaceWith(mark.firstChild);
    parent.normalize();
  }
  for (const one of talk.querySelectorAll(".lit")) one.classList.remove("lit", "pointed");
}

function lightQuotes(exchange, quotes) {
  for (const place of exchange.querySelectorAll(".text")) {
    const text = place.textContent;
    const hits = quotes.flatMap((quote) => spans(text, quote)).sort((a, b) => a[0] - b[0]);
    if (!hits.length) continue;
    const pieces = [];
    let end = 0;
    for (const [start, stop] of hits) {
      if (stop <= end) continue;
      pieces.push(text.slice(end, Math.max(start, end)));
      const mark = document.createElement("mark");
      mark.textContent = text.slice(Math.max(start, end), stop);
      pieces.push(mark);
      end = stop;
    }
    place.replaceChildren(...pieces, text.slice(end));
  }
}

function lightAll(card, follow) {
  unlight();
  const quotes = new Map();
  for (const button of card.querySelectorAll(".ev")) {
    const list = quotes.get(button.dataset.exchange) || [];
    if (button.dataset.quote) list.push(button.dataset.quote);
    quotes.set(button.dataset.exchange, list);
  }
  const numbers = [...quotes.keys()].sort((a, b) => a - b);
  for (const number of numbers) {
    const exchange = document.getElementById(`x${number}`);
    if (!exchange) continue;
    exchange.classList.add("lit");
    lightQuotes(exchange, quotes.get(number));
  }
  if (follow && numbers.length) bring(document.getElementById(`x${numbers[0]}`));
}

function bring(exchange) {
  const target = exchange?.querySelector("mark") || exchange;
  target?.scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
}

function point(button) {
  const exchange = document.getElementById(`x${button.dataset.exchange}`);
  if (!exchange) return say(`There is no exchange ${button.dataset.exchange}.`);
  const card = button.closest(".card");
  if (card !== current) select(card, { focus: false, follow: false });
  for (const one of talk.querySelectorAll(".pointed")) one.classList.remove("pointed");
  for (const one of card.querySelectorAll(".ev")) one.classList.toggle("at", one === button);
  exchange.classList.add("lit", "pointed");
  const wanted = button.dataset.quote;
  const mark = wanted && [...exchange.querySelectorAll("mark")].find((m) => words(wanted).some((w) => m.textContent.toLowerCase().startsWith(w[0].toLowerCase())));
  (mark || exchange).scrollIntoView({ block: "center", behavior: still.matches ? "auto" : "smooth" });
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
  const blocked = card.querySelector(what.decision ? `[data-decision="${what.decision}"]` : `[data-label="${what.label}"]`);
  if (blocked?.dataset.why) return say(`Not possible: ${blocked.dataset.why}.`);
  if (what.decision && !blocked) return say("The answer is hidden: say yes, no or na yourself.");
  const field = card.querySelector(".note");
  const sent = { ...about, criterion: card.dataset.criterion || null, note: field.value, blind: page.blind === "1", ...what };
  const word = what.decision || what.label;
  save(card, word, () => send("/labels", sent), () => clear(field, sent.note));
  card.dataset.decided = word;
  if (card.id === "overall") return onward();
  latest = card.id;
  goOn(card);
}

function save(card, word, post, after) {
  card = document.getElementById(card.id); // another answer may have put a fresh one in its place
  mark(card, "saving", `Saving: ${word} ...`, `saving ${word}`);
  failed.delete(card.id);
  pending += 1;
  chain = chain.then(post).then(
    (answer) => {
      after();
      show(answer);
      say(`Saved: ${word}, ${card.dataset.name}. ${answer.progress.decided} of ${answer.progress.asked} decided.`);
    },
    (error) => fail(card, word, error, () => save(card, word, post, after)),
  ).finally(() => { pending -= 1; trouble(); });
}

function reason(error) {
  return error instanceof TypeError ? "the app does not answer; is `tunewright review` still running?" : error.message.trim();
}

function mark(card, state, text, brief) {
  card.dataset.state = state;
  card.querySelector(".state").textContent = text;
  card.querySelector(".yours").textContent = brief;
}

function fail(card, word, error, again) {
  card = document.getElementById(card.id);
  card.dataset.decided = "";
  failed.set(card.id, again);
  mark(card, "failed", `NOT SAVED (${word}): ${reason(error)} `, "NOT SAVED");
}

function trouble() {
  const place = document.getElementById("trouble");
  place.textContent = "";
  if (!failed.size) return;
  const [id] = failed.keys();
  const first = document.getElementById(id);
  const n = failed.size === 1 ? "1 decision is" : `${failed.size} decisions are`;
  place.append(`${n} NOT saved. ${first.dataset.name}: ${first.querySelector(".state").textContent} `);
  place.append(button("Try again", () => { for (const again of [...failed.values()]) again(); }));
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function show(answer) {
  if (answer.html) replace(answer.criterion, answer.html);
  for (const place of document.querySelectorAll("[data-total]")) place.textContent = answer.totals[place.dataset.total];
  const here = document.getElementById("here");
  if (here) here.textContent = `${answer.progress.decided} of ${answer.progress.asked} decided`;
  const bar = document.getElementById("bar");
  bar.value = answer.totals.answers_decided + answer.totals.conversations_decided;
}

function replace(criterion, html) {
  const old = document.getElementById(criterion ? `c-${criterion}` : "overall");
  const holder = document.createElement("template");
  holder.innerHTML = html; // escaped by the server's templates; the page's policy lets no script in
  const fresh = holder.content.firstElementChild;
  const drafts = [...old.querySelectorAll("textarea")].map((field) => [field.id, field.value]);
  const focused = old.contains(document.activeElement) ? document.activeElement.id || "head" : null;
  old.replaceWith(fresh);
  for (const [id, value] of drafts) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  open(fresh, current === old);
  if (current !== old) return;
  current = fresh;
  if (focused) (focused === "head" ? fresh.querySelector(".head") : document.getElementById(focused)).focus({ preventScroll: true });
  lightAll(fresh, false);
}

function clear(field, sent) {
  const now = document.getElementById(field.id);
  if (now && now.value === sent) now.value = "";
  keepDraft(now || field);
}

function onward() {
  chain.then(() => {
    if (failed.size || !document.getElementById("overall").dataset.decided) return;
    const place = document.getElementById("onward");
    place.hidden = false;
    place.querySelector("a").focus();
  });
}

function remark(card, field, label) {
  if (!field.value.trim()) {
    field.focus();
    return say("Write something first.");
  }
  const sent = { ...about, criterion: label === "note" ? card.dataset.criterion || null : null, label, note: field.value, blind: page.blind === "1" };
  save(card, label, () => send("/labels", sent), () => clear(field, sent.note));
}

function undo() {
  pending += 1;
  chain = chain.then(() => send("/undo", about)).then(
    (answer) => {
      show(answer);
      const card = document.getElementById(answer.criterion ? `c-${answer.criterion}` : "overall");
      select(card);
      say(`Undone: ${answer.undone.label}, ${card?.dataset.name || answer.criterion}.`);
    },
    (error) => say(`Not undone: ${reason(error)}.`),
  ).finally(() => { pending -= 1; });
}

function blind() {
  chain = chain.then(() => send("/blind", { blind: page.blind !== "1" })).then(() => leave(() => location.reload()), (error) => say(`Not possible: ${reason(error)}.`));
}

function leave(go) {
  chain.then(() => (failed.size ? say("Something is not saved yet: see above.") : go()));
}

// ---- what was typed is kept until it is saved, across reloads too

const draftKey = (field) => `draft ${page.transcript} ${page.hash} ${field.id}`;
function keepDraft(field) {
  if (field.value) sessionStorage.setItem(draftKey(field), field.value);
  else sessionStorage.removeItem(draftKey(field));
}
for (const field of document.querySelectorAll("textarea")) field.value = sessionStorage.getItem(draftKey(field)) || "";
document.addEventListener("input", (event) => { if (event.target.matches("textarea")) keepDraft(event.target); });
addEventListener("beforeunload", (event) => { if (pending || failed.size) event.preventDefault(); });

// ---- keys and clicks

const overall = () => document.getElementById("overall");
const KEYS = {
  j: () => step(1), k: () => step(-1),
  n: () => document.getElementById("after")?.click() ?? say("This is the last conversation."),
  p: () => document.getElementById("before")?.click() ?? say("This is the first conversation."),
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
const DECIDES = "afgyx0usdz";

function judge(decision) {
  if (current.id === "overall") say("Choose a criterion first (j, k).");
  else decide(current, { decision });
}

function answer(label) {
  if (current.id === "overall") say("Choose a criterion first (j, k).");
  else decide(current, { label });
}

// ---- calibration examples

function example(card) {
  const wanted = undecided(card) && latest ? latest : card.id;
  chain.then(() => {
    const found = document.getElementById(wanted);
    const why = found.querySelector("[data-act=example]")?.dataset.why;
    const form = found.querySelector("form.example");
    if (!form) return say(`Not possible: ${why || "choose a criterion first (j, k)"}.`);
    select(found, { focus: false });
    form.hidden = false;
    form.querySelector(".why").focus();
    form.scrollIntoView({ block: "nearest" });
  });
}

function propose(form) {
  const card = form.closest(".card");
  const whole = Number(form.querySelector(".until").max);
  const until = Number(form.querySelector(".until").value) || whole;
  const sent = { ...about, criterion: card.dataset.criterion, reason: form.querySelector(".why").value };
  chain = chain.then(() => send("/calibration", { ...sent, until: until === whole ? null : until, borderline: form.querySelector(".borderline").checked })).then(
    (found) => {
      done(form);
      say(`Proposed, in ${found.file}: ${found.n} for ${card.dataset.name}.`);
    },
    (error) => { form.querySelector(".told").textContent = `Not proposed: ${reason(error)}.`; },
  );
}

function done(form) {
  form.hidden = true;
  form.querySelector(".told").textContent = "";
  form.closest(".card").querySelector(".head").focus();
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("textarea");
  if (event.key === "Escape" && event.target.form?.matches(".example")) done(event.target.form);
  else if (field && event.key === "Escape") field.closest(".card").querySelector(".head").focus();
  if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.parentElement.querySelector("button").click();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (event.target.matches("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
  if (localStorage.getItem("keys") === "off") return;
  if (event.target.matches(".head") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    return step(event.key === "ArrowDown" ? 1 : -1);
  }
  if (event.repeat && DECIDES.includes(event.key)) return;
  const act = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button, a");
  if (!button) return;
  const card = button.closest(".card");
  if (button.tagName === "A" && button.origin === location.origin && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    if (!button.getAttribute("href").startsWith("#") && (pending || failed.size)) {
      event.preventDefault();
      leave(() => location.assign(button.href));
    }
  } else if (button.matches(".ev")) point(button);
  else if (button.matches(".head")) select(card, { focus: false });
  else if (button.matches(".choice")) { if (card !== current) select(card, { focus: false }); decide(card, { ...button.dataset.label && { label: button.dataset.label }, ...button.dataset.decision && { decision: button.dataset.decision } }); }
  else if (button.dataset.act === "note") remark(card, card.querySelector(".note"), "note");
  else if (button.dataset.act === "missing") remark(card, card.querySelector(".missing"), "criterion missing");
  else if (button.dataset.act === "example") example(card);
  else if (button.dataset.act === "cancel") done(button.form);
  else if (button.dataset.act === "undo") undo();
  else if (button.dataset.act === "blind") blind();
  else if (button.dataset.act === "help") KEYS["?"]();
  else if (button.id === "back") { button.hidden = true; select(current); }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".example")) return;
  event.preventDefault();
  propose(event.target);
});

const keysOn = document.getElementById("keys-on");
keysOn.checked = localStorage.getItem("keys") !== "off";
keysOn.addEventListener("change", () => localStorage.setItem("keys", keysOn.checked ? "on" : "off"));

for (const card of cards()) open(card, false);
select(cards().find(undecided) || overall(), { focus: false, follow: false, scroll: twoPanes.matches });
