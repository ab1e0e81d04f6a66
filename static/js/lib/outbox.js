// Messages that the server has not acknowledged yet, in the order of their writing: one line of them for each form.
// A line outlives its form and the page: it is remembered until it is empty.
import { dropPicture } from "./pictures.js";
import { recall, remember } from "./storage.js";

const PATIENCE = 10 * 60 * 1000;
const lines = new Map();

export class Line {
  constructor(key) {
    this.key = key;
    this.messages = JSON.parse(recall("unsent", key) ?? "[]");
    this.isBusy = false; // a request is under way
    this.failures = 0; // of the first message, since it was sent or tried by hand
    this.note = ""; // why the last message was dropped: changed, deleted, or empty when there was nothing to send
    this.timer = null;
  }

  // The next one to go out. What was refused waits for somebody, and holds up nothing.
  get first() {
    return this.messages.find((message) => !message.isRefused);
  }

  // Of the line: idle, sending, trying (again and again), stopped (until somebody presses Retry), or its note.
  get state() {
    const [message] = this.messages;
    if (!message) return this.note || "idle";
    if (message.isStopped) return "stopped";
    return this.failures ? "trying" : "sending";
  }

  // Of one message: sending, trying, waiting (for those before it), stopped, refused, final (refused, and not to be
  // sent as it is), or leaving (somebody has taken it back, and nobody knows yet whether it has arrived).
  stateOf(message) {
    if (message.isTakenBack) return "leaving";
    if (message.isRefused) return message.isFinal ? "final" : "refused";
    if (message.isStopped) return "stopped";
    if (!this.failures && !this.first.isStopped) return "sending";
    return message === this.first ? "trying" : "waiting";
  }

  get isOutOfPatience() {
    return Date.now() - this.first.since > PATIENCE;
  }

  add(message) {
    this.note = "";
    this.messages.push(message);
    this.save();
  }

  // Forgets a message. The attempt that is under way, if there is one, is the last.
  drop(message) {
    if (message === this.first) this.failures = 0;
    this.messages = this.messages.filter((other) => other !== message);
    if (message.hasPicture) dropPicture(message.id);
    this.save();
  }

  save() {
    const kept = this.messages.filter((message) => !message.isTakenBack);
    remember("unsent", this.key, kept.length ? JSON.stringify(kept) : "");
  }
}

export function lineOf(key) {
  if (!lines.has(key)) lines.set(key, new Line(key));
  return lines.get(key);
}

export const allLines = () => [...lines.values()];

// The line and the message of an id; undefined when no line has it.
export function findMessage(id) {
  for (const line of lines.values()) {
    const message = line.messages.find((candidate) => candidate.id === id);
    if (message) return { line, message };
  }
}
