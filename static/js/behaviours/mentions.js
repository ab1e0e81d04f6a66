// "@" at the start of a word opens the list of colleagues above the box of a note.
import { insert, made, openLists } from "../lib/expanding.js";

const KEY = "@";
const OTHER = /[^\p{L}\p{M}\p{N}\s.'’-]/u; // ends a name

openLists(KEY, { addressOf: ({ dataset }) => dataset.colleagues, listOf, choose, typedOf });

// The expander goes on with the first one of a line.
function typedOf(text) {
  const typed = text.slice(text.search(/(?:^|[\s([])@[^@]*$/) < 0 ? 0 : text.lastIndexOf(KEY) + 1);
  return OTHER.test(typed) ? null : typed;
}

function listOf(colleagues, text) {
  if (!colleagues.length || isWritten(colleagues, text)) return null;
  const fragment = made("data-mention-list");
  fragment.querySelector("[data-choices]").append(...colleagues.map(choiceOf));
  return fragment;
}

// Whoever has typed a name to its end goes on with the sentence, or sends it.
const isWritten = (colleagues, text) =>
  /\s$/.test(text) && colleagues.some(({ written }) => isSame(written, text.trim()));
const isSame = (one, other) => one.localeCompare(other, undefined, { sensitivity: "base" }) === 0;

function choiceOf(colleague, index) {
  const choice = made("data-mention-choice");
  choice.id = `colleague-${index}`;
  choice.choice = colleague;
  choice.querySelector("[data-name]").textContent = colleague.name;
  choice.querySelector("[data-email]").textContent = colleague.email;
  choice.querySelector("[data-initials]").textContent = colleague.initials;
  choice.querySelector(".avatar").classList.add(`avatar--hue-${colleague.hue}`);
  const face = choice.querySelector("[data-face]");
  if (colleague.picture) Object.assign(face, { src: colleague.picture, hidden: false });
  return choice;
}

function choose(expander, { written }) {
  insert(expander, KEY, `${KEY}${written} `);
}
