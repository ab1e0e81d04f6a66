// In a frame, the browser or the embedding site may forbid cookies and new windows.
import { isFramed, keepsCookies } from "../lib/embedding.js";
import { word } from "../lib/words.js";

const notice = document.getElementById("notice");

// A sandboxed frame ignores a click on such a link without a word; window.open() tells.
function openLink(event) {
  const link = event.target.closest('a[target="_blank"]');
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  const opened = window.open(link.href, "_blank");
  if (opened) opened.opener = null;
  else notice.textContent = word("linkBlocked", { address: link.href });
}

if (isFramed) {
  document.addEventListener("click", openLink);
  // In a sandbox without allow-same-origin the page has no origin, and the desk takes nothing that it sends.
  const canWork = keepsCookies();
  for (const hint of document.querySelectorAll("[data-cannot-embed]")) hint.hidden = canWork;
}
