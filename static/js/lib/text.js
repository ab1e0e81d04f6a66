// A text as the server keeps it: without blank lines before it and space after it. The indent of its first line stays.
export function tidied(text) {
  return withoutBlankLines(text.trimEnd());
}

// What stands behind a message in a text that begins with it, with or without its indent; null for a text that does not.
export function behind(text, message) {
  const whole = [withoutBlankLines(text), text.trimStart()].find((start) => start.startsWith(message));
  return whole?.slice(message.length) ?? null;
}

function withoutBlankLines(text) {
  const indent = text.length - text.trimStart().length;
  return text.slice(text.slice(0, indent).lastIndexOf("\n") + 1);
}
