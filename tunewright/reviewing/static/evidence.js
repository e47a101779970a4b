// Evidence in the text of a conversation: the exchanges that judges name, and the words that they quote, are marked.
// Quotes are found word by word, as the judging does: case, spaces and punctuation play no part (evidence.py).
"use strict";
const talk = document.querySelector(".talk");

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
  const first = numbers.length && document.getElementById(`x${numbers[0]}`);
  if (follow && first) bring(first.querySelector("mark") || first);
}

function bring(target) {
  const go = () => target.scrollIntoView({ block: "center" });
  go();
  requestAnimationFrame(() => requestAnimationFrame(go)); // what is far away gets its height when it comes near
}

function markOf(exchange, quote) {
  for (const place of exchange.querySelectorAll(".text")) {
    const [first] = quote ? spans(place.textContent, quote) : [];
    let end = 0;
    for (const piece of first ? place.childNodes : []) {
      end += piece.textContent.length;
      if (end > first[0]) return piece;
    }
  }
  return null;
}
