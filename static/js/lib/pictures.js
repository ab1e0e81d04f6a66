// Pictures that are being sent, by message id: in memory, and in IndexedDB for after a reload.
import { pause } from "./timing.js";

const DAY = 24 * 60 * 60 * 1000;
// IndexedDB can hang (Safari 14: WebKit bug 226547): the message then goes out from memory, and after a reload its picture
// counts as lost.
const KEPT_WITHIN = 1000;
const FOUND_WITHIN = 10_000;
const files = new Map();
let opened;

export function keepPicture(id, file) {
  files.set(id, file);
  return Promise.race([change((store) => store.put({ file, at: Date.now() }, id)), pause(KEPT_WITHIN)]);
}

export async function keptPicture(id) {
  if (files.has(id)) return files.get(id);
  const entry = await Promise.race([change((store) => store.get(id)), pause(FOUND_WITHIN)]);
  return entry?.file;
}

export function dropPicture(id) {
  files.delete(id);
  return change((store) => store.delete(id));
}

export function dropOldPictures(now = Date.now()) {
  return change((store) => {
    const cursor = store.openCursor();
    cursor.addEventListener("success", () => {
      const entry = cursor.result;
      if (!entry) return;
      if (now - entry.value.at > DAY) entry.delete();
      entry.continue();
    });
    return cursor;
  });
}

// Resolves to undefined where there is no storage.
async function change(request) {
  try {
    opened ??= open();
    const transaction = (await opened).transaction("pictures", "readwrite");
    const asked = request(transaction.objectStore("pictures"));
    await new Promise((resolve, reject) => {
      transaction.addEventListener("complete", resolve);
      transaction.addEventListener("abort", () => reject(transaction.error));
    });
    return asked.result ?? undefined;
  } catch {
    opened = undefined; // the next call tries to open it again
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("supportchat", 1);
    request.addEventListener("upgradeneeded", () => request.result.createObjectStore("pictures"));
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}
