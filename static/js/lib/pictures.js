// The pictures of messages that are being sent, by the message's id: in memory, and in IndexedDB for after a reload.

const DAY = 24 * 60 * 60 * 1000;
const files = new Map();
let opened;

// Resolves once the picture survives a reload, or cannot.
export function keepPicture(id, file) {
  files.set(id, file);
  return change((store) => store.put({ file, at: Date.now() }, id));
}

export async function keptPicture(id) {
  if (files.has(id)) return files.get(id);
  const entry = await change((store) => store.get(id));
  return entry?.file;
}

export function dropPicture(id) {
  files.delete(id);
  return change((store) => store.delete(id));
}

// What nobody came back for within a day goes.
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

// Resolves to the request's result; to undefined where there is no storage.
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
    opened = undefined; // another try may find it open again
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
