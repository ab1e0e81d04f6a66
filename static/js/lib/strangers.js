// What an answer means that somebody between us and the desk has given, and what a person can do about it.

// Faults of the moment, whoever says so. 0: no answer.
const PASSING = [0, 408, 425, 429, 502, 503, 504];
// Of the desk itself they mean something else; of others they say that the desk could not be asked.
const MEANT_BY_US_ONLY = [401, 422];

// Cloudflare's 520 to 530 say that it has not reached us; 500 and 511 are a proxy's own trouble, or a hotel's login page.
const isTroubleOfStrangers = (status) => [500, 511].includes(status) || (status >= 520 && status <= 530);

export function isPassing(status, isOurs) {
  if (PASSING.includes(status)) return true;
  return !isOurs && (isTroubleOfStrangers(status) || MEANT_BY_US_ONLY.includes(status));
}

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
