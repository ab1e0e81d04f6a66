// The token that every unsafe request of this page carries. It belongs to a cookie; when that is gone, the server gives
// another one along with its refusal.

export function renewToken(token) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers:inherited"));
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ ...headers, "X-CSRFToken": token }));
  for (const input of document.querySelectorAll('input[name="csrf_token"]')) input.value = token;
}

// The token that came with an answer; undefined when it has none.
export function tokenOf(headers) {
  const events = headers.get("HX-Trigger");
  return events?.startsWith("{") ? JSON.parse(events)["csrf:renewed"]?.token : undefined;
}
