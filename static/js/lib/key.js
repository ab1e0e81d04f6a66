// The key of this browser. Several answers of the desk can give it another one, and the browser keeps the one that comes last: a chat
// that was started under the other would be lost to its customer. So what changes the key waits for what is being sent, and what is
// to be sent waits for the new key.
import { pause } from "./timing.js";

const UPLOAD_MAY_TAKE = 10_000; // of the minutes that one can

const sending = new Set();
let changed = Promise.resolve();

export function changeKey(act) {
  const sent = () => Promise.race([Promise.allSettled(sending), pause(UPLOAD_MAY_TAKE)]);
  changed = changed.then(sent).then(act);
  return changed;
}

export async function withKey(act) {
  for (let seen = null; seen !== changed; await seen) seen = changed;
  const done = act();
  sending.add(done);
  await Promise.allSettled([done]);
  sending.delete(done);
  return done;
}
