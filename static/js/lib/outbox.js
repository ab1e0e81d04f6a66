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
    this.note = ""; // why the last message was dropped: changed (somebody has written over it) or picture (it is lost)
    this.timer = null;
  }

  get first() {
    return this.messages[0];
  }

  // idle, sending, trying (again and again), stopped (until somebody presses Retry), changed or picture.
  get state() {
    if (!this.first) return this.note || "idle";
    if (this.first.isStopped) return "stopped";
    return this.failures ? "trying" : "sending";
  }

  get isOutOfPatience() {
    return Date.now() - this.first.since > PATIENCE;
  }

  // The messages that stand in the box: without one that somebody has written over while it was on its way.
  get written() {
    return this.messages.filter((message) => !message.isTakenBack);
  }

  // The part of a text that none of the messages has taken.
  rest(text) {
    return this.written.reduce((rest, message) => rest.trimStart().slice(message.text.length), text).trim();
  }

  // How many of the messages stand at the start of a text, one after the other, as they were sent.
  standing(text) {
    let rest = text;
    for (const [index, message] of this.written.entries()) {
      rest = rest.trimStart();
      if (!rest.startsWith(message.text)) return index;
      rest = rest.slice(message.text.length);
    }
    return this.written.length;
  }

  add(message) {
    this.note = "";
    this.messages.push(message);
    this.save();
  }

  // Forgets a message. The attempt that is under way, if there is one, is the last.
  drop(message) {
    this.messages = this.messages.filter((other) => other !== message);
    if (message.hasPicture) dropPicture(message.id);
    this.save();
  }

  save() {
    remember("unsent", this.key, this.written.length ? JSON.stringify(this.written) : "");
  }
}

export function lineOf(key) {
  if (!lines.has(key)) lines.set(key, new Line(key));
  return lines.get(key);
}

export const allLines = () => [...lines.values()];
