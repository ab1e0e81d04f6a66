// As the server does it. The indent of the first line stays.
export function tidied(text) {
  return withoutBlankLines(text.trimEnd());
}

// The rest of a text that begins with a message, with or without its indent; null if it does not.
export function behind(text, message) {
  const whole = [withoutBlankLines(text), text.trimStart()].find((start) => start.startsWith(message));
  return whole?.slice(message.length) ?? null;
}

function withoutBlankLines(text) {
  const indent = text.length - text.trimStart().length;
  return text.slice(text.slice(0, indent).lastIndexOf("\n") + 1);
}
