// Requests whose answer is not for the page to show.

// The headers that every request of this page carries: the agent whose page it is, if any, and that a script asks.
function headers() {
  return { ...JSON.parse(document.body.getAttribute("hx-headers:inherited")), "HX-Request": "true" };
}

// Resolves to the answer; rejects when there is none in time.
export function post(path, body, seconds = 20) {
  return fetch(path, { method: "POST", body, headers: headers(), signal: AbortSignal.timeout(seconds * 1000) });
}

// Tells the server something that is soon told again: nobody waits for an answer. Resolves to whether it was taken.
export async function tell(path, values = {}) {
  try {
    return (await post(path, new URLSearchParams(values))).ok;
  } catch {
    return false;
  }
}

// Whether the desk itself has answered, and not a proxy in between or a hotel's login page.
export const isOurs = (response) => response.headers.has("X-Supportchat");

// The sentence with which the desk has refused something.
export const reasonIn = (headers) => decodeURIComponent(headers.get("X-Reason") ?? "");

// How long a server wants to be left alone, in milliseconds. The header has seconds or a date.
export function retryAfter(headers) {
  const value = headers.get("Retry-After");
  if (!value) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return wait > 0 ? wait : 0;
}
