// Requests whose answer is not for the page to show, and what an answer means.

// The headers of every request of this page, `hx-headers` on the body, and that a script asks.
function headers() {
  return { ...JSON.parse(document.body.getAttribute("hx-headers:inherited")), "HX-Request": "true" };
}

export function post(path, body, seconds = 20) {
  return fetch(path, { method: "POST", body, headers: headers(), signal: AbortSignal.timeout(seconds * 1000) });
}

// Resolves to whether it was taken. Nobody waits: it is soon told again.
export async function tell(path, values = {}) {
  try {
    return (await post(path, new URLSearchParams(values))).ok;
  } catch {
    return false;
  }
}

// Whether the desk itself has answered, and not a proxy or a hotel's login page.
export const isOurs = (response) => response.headers.has("X-Supportchat");

// The sentence with which the desk has refused something.
export const reasonIn = (headers) => decodeURIComponent(headers.get("X-Reason") ?? "");

// In milliseconds. The header has seconds or a date.
export function retryAfter(headers) {
  const value = headers.get("Retry-After");
  if (!value) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return wait > 0 ? wait : 0;
}

const PASSING = [0, 408, 425, 429, 502, 503, 504]; // 0: no answer
// From the desk they mean something else; from a proxy they say that it did not reach the desk. 511: a hotel's login page;
// 520 to 530: Cloudflare's.
const PASSING_FROM_A_PROXY = [401, 422, 500, 511];

export function isPassing(status, isOurs) {
  if (PASSING.includes(status)) return true;
  return !isOurs && (PASSING_FROM_A_PROXY.includes(status) || (status >= 520 && status <= 530));
}

// What somebody can do about the answer of a proxy.
const REASONS = {
  403: "Something between you and us, perhaps a firewall, refused this. Reload the page, or try another network.",
  407: "Your network asks you to log in first. Do that, and try again.",
  413: "This is too large for the server. Send a smaller picture, or a shorter text.",
  451: "Your network does not let this through. Try another network.",
};
const OUTDATED = "The server could not take this. Reload the page, and then try again.";

export const reasonOf = (status) =>
  REASONS[status] ??
  ([400, 404, 405, 406, 410, 414, 431].includes(status) ? OUTDATED : `The server refused this (${status}).`);
