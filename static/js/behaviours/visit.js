// Where on their site the customer is, as the widget there says it: cut to what the site keeps, and said now and then.
import { tell } from "../lib/http.js";

const EVERY = 3000;
const MOST_PAGES = 10;
const MOST = 2000; // characters of an address, ten times the ones of a title
const chat = document.querySelector("[data-pages]");

let next = null;
let timer = null;

export function keepVisit(visit) {
  if (!chat || !Array.isArray(visit?.pages)) return;
  next = visit;
  timer ??= setTimeout(say, 0);
}

async function say() {
  if (next === null) return (timer = null);
  timer = setTimeout(say, EVERY);
  const pages = next.pages.slice(-MOST_PAGES).filter((page) => page?.url);
  const visit = {
    referrer: kept(next.referrer),
    pages: pages.map(({ url, title, at }) => ({ url: kept(url), title: String(title).slice(0, MOST / 10), at })),
  };
  next = null;
  await tell(chat.dataset.pages, { visit: JSON.stringify(visit) });
}

// The desk does the same: what nobody keeps does not even go there.
function kept(address) {
  let url;
  try {
    url = new URL(String(address).slice(0, MOST));
  } catch {
    return ""; // not an address
  }
  const names = JSON.parse(chat.dataset.keptParameters);
  for (const name of new Set(url.searchParams.keys())) if (!names.includes(name)) url.searchParams.delete(name);
  url.pathname = url.pathname.replaceAll(/;[^/]*/g, "");
  url.hash = url.username = url.password = "";
  return url.href;
}
