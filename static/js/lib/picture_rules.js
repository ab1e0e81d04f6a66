const template = document.querySelector("[data-picture-rules]");
export const rules = JSON.parse(template.dataset.pictureRules);

// Resolves to "" for a picture that the desk takes. The first bytes decide: a file's type may be missing or wrong.
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
