import { word } from "./words.js";

function headers() {
  return { ...JSON.parse(document.body.getAttribute("hx-headers:inherited")), "HX-Request": "true" };
}

export function post(path, body, { seconds = 20, keepalive = false } = {}) {
  const signal = AbortSignal.timeout(seconds * 1000);
  return fetch(path, { method: "POST", body, headers: headers(), signal, keepalive });
}

export const remove = (path) =>
  fetch(path, { method: "DELETE", headers: headers(), signal: AbortSignal.timeout(20_000) });

export const ask = (path) => fetch(path, { headers: headers(), signal: AbortSignal.timeout(20_000) });

// For what is soon sent again. Resolves to whether it arrived.
export async function tell(path, values = {}) {
  try {
    return (await post(path, new URLSearchParams(values))).ok;
  } catch {
    return false;
  }
}

// Otherwise a proxy answered, or a hotel's login page.
export const isOurs = (response) => response.headers.has("X-Supportchat");

export const reasonIn = (headers) => decodeURIComponent(headers.get("X-Reason") ?? "");

// In milliseconds. The header has seconds or a date.
export function retryAfter(headers) {
  const value = headers.get("Retry-After");
  if (!value) return 0;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return wait > 0 ? wait : 0;
}

const PASSING = [0, 408, 425, 429, 502, 503, 504]; // 0: no answer
// A proxy that does not reach the desk. 511: a hotel's login page; 520 to 530: Cloudflare's.
const PASSING_FROM_A_PROXY = [401, 422, 500, 511];

export function isPassing(status, isOurs) {
  if (PASSING.includes(status)) return true;
  return !isOurs && (PASSING_FROM_A_PROXY.includes(status) || (status >= 520 && status <= 530));
}

// For answers of proxies.
const WITH_WORDS = [403, 407, 413, 451];
const OUTDATED = [400, 404, 405, 406, 410, 414, 431];

export function reasonOf(status) {
  if (WITH_WORDS.includes(status)) return word(`refused${status}`);
  return OUTDATED.includes(status) ? word("outdated") : word("refusedStatus", { status });
}
