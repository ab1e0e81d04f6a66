// Messages that the server has not acknowledged yet, one outbox per form. It outlives the form and the page.
import { dropPicture } from "./pictures.js";
import { recall, remember } from "./storage.js";

const PATIENCE = 10 * 60 * 1000;
const outboxes = new Map();

class Outbox {
  constructor(key) {
    this.key = key;
    this.messages = JSON.parse(recall("unsent", key) ?? "[]");
    this.isBusy = false; // a request is under way
    this.failures = 0; // of the first message, since somebody sent or retried it
    this.limit = null; // reason and until: when the desk has said that this is too much at once
    this.note = ""; // changed, deleted, or empty when there was nothing to send
    this.timer = null;
  }

  // A refused message waits for a person, without holding up the others.
  get first() {
    return this.messages.find((message) => !message.isRefused);
  }

  get state() {
    const [message] = this.messages;
    if (!message) return this.note || "idle";
    if (message.isStopped) return "stopped";
    if (this.limit) return "limited";
    return this.failures ? "trying" : "sending";
  }

  // "final": refused, and not to be sent as it is. "leaving": deleted here, but it may have arrived.
  stateOf(message) {
    if (message.isTakenBack) return "leaving";
    if (message.isRefused) return message.isFinal ? "final" : "refused";
    if (message.isStopped) return "stopped";
    if (this.limit && message === this.first) return "limited";
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

  drop(message) {
    if (message === this.first) this.failures = 0;
    this.messages = this.messages.filter((other) => other !== message);
    if (message.hasPicture) dropPicture(message.id);
    this.save();
  }

  clear() {
    clearTimeout(this.timer);
    for (const message of this.messages) this.drop(message);
  }

  restart(message) {
    Object.assign(message, { isStopped: false, isRefused: false, reason: "", since: Date.now() });
    this.failures = 0;
    this.save();
  }

  save() {
    const kept = this.messages.filter((message) => !message.isTakenBack);
    remember("unsent", this.key, kept.length ? JSON.stringify(kept) : "");
  }

  announce(what = "changed") {
    document.dispatchEvent(new CustomEvent(`sending:${what}`, { detail: this }));
  }
}

export function outboxOf(key) {
  if (!outboxes.has(key)) outboxes.set(key, new Outbox(key));
  return outboxes.get(key);
}

export const allOutboxes = () => [...outboxes.values()];

export function findMessage(id) {
  for (const outbox of outboxes.values()) {
    const message = outbox.messages.find((candidate) => candidate.id === id);
    if (message) return { outbox, message };
  }
}
