// A few emoji and nothing else are shown large.

const PART = "\\p{Extended_Pictographic}[\\ufe0f\\p{Emoji_Modifier}]*";
const ONE = `(?:\\p{Regional_Indicator}{2}|${PART}(?:\\u200d${PART})*)`;
const FEW = new RegExp(`^(?:${ONE}\\s*){1,3}$`, "u");
const MOST = 60; // of code units, which a family has many of

function mark(line) {
  const bubble = line.querySelector(".bubble");
  const text = bubble?.textContent.trim();
  if (text && text.length <= MOST && FEW.test(text)) bubble.dataset.emoji = "";
}

document.addEventListener("timeline:lines", ({ detail }) => detail.forEach(mark));
document.addEventListener("pending:added", ({ target }) => mark(target.lastElementChild));
