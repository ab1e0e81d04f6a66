// What is refused before it is sent, and in which words. The server has written both into the page.
const template = document.querySelector("[data-picture-rules]");
export const rules = JSON.parse(template.dataset.pictureRules);

// Resolves to a sentence, or to "" for what the desk takes. The bytes decide: the type that a picker says may be none.
export async function problemOf(file) {
  if (!file.size) return rules.empty;
  if (file.size > rules.mostBytes) return rules.tooLarge;
  try {
    const head = hex(await file.slice(0, rules.headBytes).arrayBuffer());
    const found = rules.kinds.find(([offset, signature]) => head.startsWith(signature, offset * 2));
    return found ? (rules.problems[found[2]] ?? "") : rules.unknown;
  } catch {
    return rules.notReadable; // a folder, or a file that is only in the cloud
  }
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export function refusal(sentence) {
  const copy = template.content.cloneNode(true);
  copy.querySelector("[data-sentence]").textContent = sentence;
  return copy;
}
