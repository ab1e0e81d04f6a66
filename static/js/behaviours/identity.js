// Who the customer is, as their site has signed it. The desk says at data-identity where it wants to know.
import { post } from "../lib/http.js";
import { messageList } from "../lib/messages.js";
import { stayWhile } from "./live.js";

const page = document.querySelector("[data-identity]");
const said = (values) => post(page.dataset.identity, new URLSearchParams(values)).catch(() => null);

// Resolves to whether the desk knows them now. Until it has answered, nothing is shown: the chat may be somebody else's.
export async function identify(token) {
  if (!page) return false;
  cover(true);
  const answer = await stayWhile(said({ token }));
  if (answer?.status === 409) {
    if (!isQuestion()) window.location.replace(page.dataset.identity);
    else offer(token);
    return false;
  }
  if (!answer?.ok) {
    cover(false);
    return false;
  }
  const { moved, has_chat: hasChat } = await answer.json();
  if (isQuestion()) window.location.replace(page.dataset.chat);
  else if (moved && (hasChat || messageList())) window.location.reload();
  else cover(false);
  return true;
}

const isQuestion = () => page.hasAttribute("data-identity-asks");

function cover(isCovered) {
  document.documentElement.toggleAttribute("data-identifying", isCovered);
}

function offer(token) {
  cover(false);
  const button = page.querySelector("[data-identity-replace]");
  button.disabled = false;
  button.onclick = async () => {
    const answer = await stayWhile(said({ token, replace: "1" }));
    if (answer?.ok) window.location.replace(page.dataset.chat);
    else document.getElementById("identity-failed").hidden = false;
  };
}
