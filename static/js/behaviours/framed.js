// In a frame of another site the browser, or the site, may forbid what the chat needs: that is said, with the way out.

const isFramed = window.parent !== window;
const notice = document.getElementById("notice");

// A frame that may open no window says nothing when a link is pressed: so the page opens it, and sees.
function openLink(event) {
  const link = event.target.closest('a[target="_blank"]');
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  const opened = window.open(link.href, "_blank");
  if (opened) opened.opener = null;
  else notice.textContent = `This frame does not let links open. The address is ${link.href}`;
}

if (isFramed) {
  document.addEventListener("click", openLink);
  // In a sandbox without allow-same-origin the page has no origin, and the desk takes nothing that it sends.
  const canWork = navigator.cookieEnabled && window.origin !== "null";
  for (const hint of document.querySelectorAll("[data-cannot-embed]")) hint.hidden = canWork;
}
