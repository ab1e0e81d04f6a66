// Which pages this visit has seen, for the frame to pass on. The frame cuts what the desk does not keep.
import { keep } from "./storage.js";

const NAME = "supportchat:visit";

let kept = JSON.stringify({ referrer: document.referrer, pages: [] });

export const forgetVisit = () => keep("sessionStorage", NAME, (kept = JSON.stringify({ referrer: "", pages: [] })));

export function seen() {
  const MOST = 10;
  const visit = JSON.parse(keep("sessionStorage", NAME) ?? kept);
  const page = { url: location.href, title: document.title, at: Date.now() };
  if (visit.pages.at(-1)?.url === page.url) page.at = visit.pages.pop().at; // only its title is another one
  visit.pages = [...visit.pages, page].slice(-MOST);
  keep("sessionStorage", NAME, (kept = JSON.stringify(visit)));
  return visit;
}
