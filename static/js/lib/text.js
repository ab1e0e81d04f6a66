// A text as the server keeps it: without blank lines before it and space after it. The indent of its first line stays.
export function tidied(text) {
  return withoutBlankLines(text.trimEnd());
}

// What stands behind a message in a text that begins with it; null for a text that does not.
export function behind(text, message) {
  const whole = withoutBlankLines(text);
  return whole.startsWith(message) ? whole.slice(message.length) : null;
}

function withoutBlankLines(text) {
  const indent = text.length - text.trimStart().length;
  return text.slice(text.slice(0, indent).lastIndexOf("\n") + 1);
}
